/** Container images kept as OSTree commits. */

export { formatSize } from '../format-size.ts'
export { canonicalJson } from './canonical-json.ts'
export { cleanupRoot } from './cleanup-root.ts'
export { normaliseConfig } from './config.ts'
export { copyImage } from './copy-image.ts'
export { digestChecksum, digestOf, isDigest, parseDigest } from './digest.ts'
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
  type ExportOptions,
  exportChunk,
  exportCommit,
  exportFinalChunk,
  exportTree,
  MAX_EXPORT_ENTRIES,
} from './encapsulate/tar-export.ts'
export { filterTar } from './filter-tar.ts'
export {
  defaultPolicy,
  type FlattenOptions,
  flattenTree,
  type MetadataPolicy,
  type Ownership,
  ROOT_OWNER,
} from './flatten.ts'
export { gcImageLayers, listUndeployedImages, removeImage, removeImages, removeUndeployedImages } from './gc.ts'
export * from './gc-plan.ts'
export { type ImageLimits, MAX_LAYERS } from './image-limits.ts'
export { timestampOfManifestOrConfig, versionForConfig } from './image-time.ts'
export type { ImportOptions, OstreeVersion } from './import-options.ts'
export * from './import-progress.ts'
export { ImageImporter, type UnencapsulatedImage } from './importer.ts'
export type { LayerFilterOptions } from './layer-filter.ts'
export type { LayerKind } from './layer-kind.ts'
export { type LayerOptions, MAX_LAYER_BYTES, MAX_LAYER_RATIO, openLayer } from './layer-stream.ts'
export {
  layerFromDiffid,
  type ManifestLayout,
  type OstreeManifestLayout,
  parseManifestLayout,
  parseOstreeManifestLayout,
} from './layout.ts'
export { guessManifestType, type ImageIndex, isIndexType, parseIndex, parseManifest } from './manifest.ts'
export * from './manifest-diff.ts'
export { DEFAULT_IMPORTER_VERSION } from './merge.ts'
export * from './names.ts'
export type * from './oci-types.ts'
export type { OstreeTarOptions } from './ostree-tar.ts'
export { OPAQUE_WHITEOUT, type OverlayOptions, overlayLayer, WHITEOUT_PREFIX } from './overlay.ts'
export * from './plan.ts'
export { chooseManifest } from './platform-choice.ts'
export { type PolicyRequirement, parsePolicy, policyDefaultIsInsecure, type SignaturePolicy } from './policy.ts'
export {
  checkPolicy,
  type HostPolicy,
  loadPolicy,
  policyScopes,
  type RealPath,
  requireAccepted,
  requireStrictDefault,
} from './policy-check.ts'
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
} from './prepared-import.ts'
export * from './proxy-config.ts'
export { type PulledImage, pullImage } from './pull.ts'
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
} from './query.ts'
export { LAYERS_AHEAD, READ_AHEAD_BYTES, type ReadAheadOptions } from './read-ahead.ts'
export { escapeRef, prefixEscapeRef, unescapeRef, unprefixUnescapeRef } from './ref-escape.ts'
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
} from './reference.ts'
export {
  type AuthFile,
  anonymous,
  type CredentialSource,
  type Credentials,
  credentialsFromFiles,
  parseAuthFile,
} from './registry/credentials.ts'
export { openRegistryDestination } from './registry/destination.ts'
export type { Mirror, RegistryRule } from './registry/endpoints.ts'
export { type Diagnostic, RegistryError, type RegistryPlace } from './registry/errors.ts'
export type { SpeedLimit } from './registry/lifeline.ts'
export type { RegistryOptions } from './registry/options.ts'
export { formatRegistryReference, parseRegistryReference, type RegistryReference } from './registry/reference.ts'
export type { RetryOptions } from './registry/retry.ts'
export { importOstreeTar, importOstreeTarObjects } from './tar-import.ts'
export { TRANSFER_CONCURRENCY, type TransferOptions, transferImage } from './transfer-image.ts'
export type * from './transport/destination.ts'
export type { ImageSource, TransportContext } from './transport/interface.ts'
export { openMemoryLayout } from './transport/memory.ts'
export { openImage } from './transport/open.ts'
export { type OpenDestinationOptions, openDestination, openMemoryDestination } from './transport/open-destination.ts'
export { unencapsulate } from './unencapsulate.ts'
export * from './verify.ts'
export * from './verify-tree.ts'
