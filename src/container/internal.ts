/**
 * What other folders of the library use of container images, beside the public `index.ts`. No entry point of the package exports
 * these names, so they may change at any time.
 */

export { openRepository } from './distribution/index.ts'
export { createdAtSourceDateEpoch } from './encapsulate/image-writer.ts'
export { parseRawMeta } from './encapsulate/raw-meta.ts'
export { filterTar } from './import/filter-tar.ts'
export { layerHistory } from './import/prepared-import.ts'
export { canonicalJson } from './oci/canonical-json.ts'
export { normaliseConfig } from './oci/config.ts'
export { formatManifestDiff, manifestDiffJson } from './oci/manifest-diff.ts'
export { parseTransport } from './oci/reference.ts'
export { parseRegistryReference } from './oci/registry-reference.ts'
export { requireAccepted } from './policy/policy-check.ts'
export { findLayerRef } from './store/layer-refs.ts'
export { layersOfLayout } from './store/layout.ts'
export { ORIGIN_GROUP, ORIGIN_IMAGE_KEY } from './store/names.ts'
export { noSuchImage, storedDocuments } from './store/query.ts'
export { type OpenLayerOptions, openLayer } from './transport/layer-stream.ts'
export type { RootContent } from './unpack/memory-root.ts'
export { RootFiles } from './unpack/root-files.ts'
export { rootTar } from './unpack/root-tar.ts'
export { Directory, type Inode, type RootMetadata, type RootWriter } from './unpack/root-tree.ts'
export { listUnpacked, openStoredRoot, readStoredFile, removeUnpacked, type StoredRoot } from './unpack/stored-root.ts'
export { unpackTo } from './unpack/unpack.ts'
export { type FileSource, writeRoot } from './unpack/write-root.ts'
