/** Container images kept as OSTree commits. */

export { formatSize } from '../format-size.ts'
export { Chunk, type ChunkedObject, Chunking } from './encapsulate/chunk.ts'
export {
  type ClaimedPath,
  chunkingFromLayerCommitted,
  chunkingFromMapping,
  MAX_CHUNKED_PATHS,
  MAX_CHUNKS,
  type MappingOptions,
  newChunking,
  processMapping,
} from './encapsulate/chunking.ts'
export {
  replaceDetachedMetadata,
  type UpdateDetachedOptions,
  updateDetachedMetadata,
  updateDetachedMetadataTo,
} from './encapsulate/detached-metadata.ts'
export {
  CONTAINER_CMD_KEY,
  type EncapsulateConfig,
  type EncapsulateOptions,
  encapsulate,
  encapsulateTo,
  LEGACY_VERSION_LABEL,
} from './encapsulate/encapsulate.ts'
export {
  type ExportImageOptions,
  type ExportToOciOptions,
  exportImage,
  exportToOci,
} from './encapsulate/export-image.ts'
export {
  createdAtSourceDateEpoch,
  formatCreated,
  LAYER_CONCURRENCY,
  type LayerCompression,
} from './encapsulate/image-writer.ts'
export * from './encapsulate/object-meta.ts'
export { basicPacking, MIN_CHUNKED_LAYERS } from './encapsulate/packing.ts'
export { MAX_CONTENT_META, parseRawMeta, type RawMeta } from './encapsulate/raw-meta.ts'
export {
  type ChunkExportOptions,
  type ExportCommitOptions,
  exportChunk,
  exportCommit,
  exportFinalChunk,
  exportTree,
  MAX_EXPORT_ENTRIES,
} from './encapsulate/tar-export.ts'
export { TRANSFER_CONCURRENCY, type TransferOptions, transferImage } from './encapsulate/transfer-image.ts'
export { filterTar } from './import/filter-tar.ts'
export type { ImportOptions, OstreeVersion } from './import/import-options.ts'
export { type ImageLimits, MAX_LAYERS } from './import/import-options.ts'
export * from './import/import-progress.ts'
export { ImageImporter, type UnencapsulatedImage } from './import/importer.ts'
export type { LayerFilterOptions } from './import/layer-filter.ts'
export { DEFAULT_IMPORTER_VERSION } from './import/merge.ts'
export * from './import/plan.ts'
export {
  allLayers,
  deprecatedWarning,
  formatLayerStatus,
  type ImportedImage,
  layerHistory,
  layersToFetch,
  layersWithHistory,
  missingLayers,
  type PreparedImport,
  type PreparedLayer,
  type PrepareResult,
} from './import/prepared-import.ts'
export { type PulledImage, pullImage, unencapsulate } from './import/pull.ts'
export { LAYERS_AHEAD, READ_AHEAD_BYTES, type ReadAheadOptions } from './import/read-ahead.ts'
export { cleanupRoot } from './layers/cleanup-root.ts'
export {
  defaultPolicy,
  type FlattenOptions,
  flattenTree,
  type MetadataPolicy,
  ROOT_OWNER,
} from './layers/flatten.ts'
export { OPAQUE_WHITEOUT, type OverlayOptions, overlayLayer, WHITEOUT_PREFIX } from './layers/overlay.ts'
export { canonicalJson } from './oci/canonical-json.ts'
export { normaliseConfig } from './oci/config.ts'
export { digestChecksum, digestOf, isDigest, parseDigest } from './oci/digest.ts'
export { guessManifestType, type ImageIndex, isIndexType, parseIndex, parseManifest } from './oci/manifest.ts'
export * from './oci/manifest-diff.ts'
export type * from './oci/oci-types.ts'
export { chooseManifest } from './oci/platform-choice.ts'
export {
  formatImageReference,
  formatOstreeImageReference,
  formatSignatureSource,
  type ImageReference,
  type OstreeImageReference,
  parseImageReference,
  parseOstreeImageReference,
  parseSignatureSource,
  parseStorageName,
  parseTransport,
  type SignatureSource,
  type StorageName,
  sameImageReference,
  type Transport,
} from './oci/reference.ts'
export { formatRegistryReference, parseRegistryReference, type RegistryReference } from './oci/registry-reference.ts'
export { MAX_LAYER_RATIO } from './oci/verified-blob.ts'
export { type OpenDestinationOptions, openDestination, openMemoryDestination } from './open/open-destination.ts'
export { openImage } from './open/open-image.ts'
export type { OstreeTarOptions } from './ostree-tar/ostree-tar.ts'
export { importOstreeTar, importOstreeTarObjects } from './ostree-tar/tar-import.ts'
export { type PolicyRequirement, parsePolicy, policyDefaultIsInsecure, type SignaturePolicy } from './policy/policy.ts'
export {
  checkPolicy,
  type HostPolicy,
  loadPolicy,
  policyScopes,
  type RealPath,
  requireAccepted,
  requireStrictDefault,
} from './policy/policy-check.ts'
export {
  type AuthFile,
  anonymousCredentials,
  type CredentialSource,
  type Credentials,
  credentialsFromFiles,
  parseAuthFile,
} from './registry/credentials.ts'
export { openRegistryDestination } from './registry/destination.ts'
export type { RegistryMirror, RegistryRule } from './registry/endpoints.ts'
export { type RegistryDiagnostic, RegistryError, type RegistryPlace } from './registry/errors.ts'
export type { SpeedLimit } from './registry/lifeline.ts'
export type { RegistryOptions, TransportContext } from './registry/options.ts'
export * from './registry/proxy-config.ts'
export type { RetryOptions } from './registry/retry.ts'
export { copyImage } from './store/copy-image.ts'
export { gcImageLayers, listUndeployedImages, removeImage, removeImages, removeUndeployedImages } from './store/gc.ts'
export * from './store/gc-plan.ts'
export { timestampOfManifestOrConfig, versionForConfig } from './store/image-time.ts'
export type { LayerKind } from './store/layer-kind.ts'
export {
  layerFromDiffid,
  type ManifestLayout,
  type OstreeManifestLayout,
  parseManifestLayout,
  parseOstreeManifestLayout,
} from './store/layout.ts'
export * from './store/names.ts'
export {
  type CachedImageUpdate,
  clearCachedUpdate,
  countLayerReferences,
  imageConfigFromCommitmeta,
  imageFilteredContentWarning,
  type LayeredImageState,
  listImages,
  type ManifestLayerState,
  type MetaFilteredData,
  manifestDataFromCommitmeta,
  manifestDigestFromCommit,
  manifestForImage,
  noSuchImage,
  parseCachedUpdate,
  queryImage,
  queryImageCommit,
  queryLayer,
  tryQueryImage,
} from './store/query.ts'
export { escapeRef, prefixEscapeRef, unescapeRef, unprefixUnescapeRef } from './store/ref-escape.ts'
export * from './store/verify.ts'
export * from './store/verify-tree.ts'
export type * from './transport/destination.ts'
export type { ImageSource, SourceContext } from './transport/interface.ts'
export { MAX_LAYER_BYTES, type OpenLayerOptions, openLayer } from './transport/layer-stream.ts'
export { openMemoryLayout } from './transport/memory.ts'
