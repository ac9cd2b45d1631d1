/**
 * Container images kept as OSTree commits.
 *
 * @module ostree-ts/container
 */

export { Chunk, type ChunkedObject, Chunking } from './encapsulate/chunk.ts'
export {
  type ClaimedPath,
  chunkingFromLayerCommitted,
  MAX_CHUNKS,
  type MappingOptions,
  newChunking,
} from './encapsulate/chunking.ts'
export {
  type UpdateDetachedOptions,
  updateDetachedMetadata,
  updateDetachedMetadataTo,
} from './encapsulate/detached-metadata.ts'
export {
  type EncapsulateConfig,
  type EncapsulateOptions,
  encapsulate,
  encapsulateTo,
} from './encapsulate/encapsulate.ts'
export {
  type ExportImageOptions,
  type ExportToOciOptions,
  exportImage,
  exportToOci,
} from './encapsulate/export-image.ts'
export { type ImageWriteOptions, LAYER_CONCURRENCY, type LayerCompression } from './encapsulate/image-writer.ts'
export {
  computeSizes,
  MAX_CHANGE_FREQUENCY,
  type ObjectMeta,
  type ObjectMetaSized,
  type ObjectSourceMeta,
  type ObjectSourceMetaSized,
} from './encapsulate/object-meta.ts'
export { type ExportCommitOptions, exportCommit, MAX_EXPORT_ENTRIES } from './encapsulate/tar-export.ts'
export { TRANSFER_CONCURRENCY, type TransferOptions, transferImage } from './encapsulate/transfer-image.ts'
export {
  DEFAULT_IMPORTER_VERSION,
  type ImageLimits,
  type ImportOptions,
  type OstreeVersion,
} from './import/import-options.ts'
export {
  type ImportProgress,
  importProgressOf,
  isStarting,
  type LayerProgress,
  layerProgressOf,
} from './import/import-progress.ts'
export {
  type ImportResult,
  imageFilteredContentWarning,
  type LostByLayer,
  type LostEntries,
  lostEntriesWarnings,
  type MetaFilteredData,
} from './import/import-result.ts'
export { ImageImporter, type UnencapsulatedImage } from './import/importer.ts'
export type { LayerThreads } from './import/lanes/interface.ts'
export { type PlannedLayer, type PullPlan, planPull } from './import/plan.ts'
export {
  allLayers,
  formatLayerStatus,
  layersToFetch,
  layersWithHistory,
  type PreparedImport,
  type PreparedLayer,
  type PrepareResult,
} from './import/prepared-import.ts'
export { type PulledImage, pullImage, unencapsulate } from './import/pull.ts'
export { LAYERS_AHEAD, READ_AHEAD_BYTES, type ReadAheadOptions } from './import/read-ahead.ts'
export { cleanupRoot } from './layers/cleanup-root.ts'
export type { MetadataPolicy } from './layers/flatten.ts'
export { digestChecksum, digestOf, isDigest, parseDigest } from './oci/digest.ts'
export { parseManifest } from './oci/manifest.ts'
export { type ManifestDiff, manifestDiff } from './oci/manifest-diff.ts'
export type {
  ContainerConfig,
  Descriptor,
  DiffId,
  Digest,
  HistoryEntry,
  HostPlatform,
  ImageConfiguration,
  ImageManifest,
  StoredBlob,
} from './oci/oci-types.ts'
export {
  formatImageReference,
  formatOstreeImageReference,
  formatSignatureSource,
  type ImageReference,
  type OstreeImageReference,
  parseAnyImageReference,
  parseImageReference,
  parseOstreeImageReference,
  parseSignatureSource,
  type SignatureSource,
  sameImageReference,
  type Transport,
} from './oci/reference.ts'
export { formatRegistryReference, type RegistryReference } from './oci/registry-reference.ts'
export { MAX_LAYER_RATIO } from './oci/verified-blob.ts'
export { type OpenDestinationOptions, openDestination, openMemoryDestination } from './open/open-destination.ts'
export { openImage } from './open/open-image.ts'
export type { OstreeTarOptions } from './ostree-tar/ostree-tar.ts'
export { importOstreeTar } from './ostree-tar/tar-import.ts'
export { type PolicyRequirement, parsePolicy, type SignaturePolicy } from './policy/policy.ts'
export { type HostPolicy, loadPolicy, type RealPath } from './policy/policy-check.ts'
export {
  type AuthFile,
  anonymousCredentials,
  type CredentialSource,
  type Credentials,
  credentialsFromFiles,
  parseAuthFile,
} from './registry/credentials.ts'
export type { RegistryMirror, RegistryRule } from './registry/endpoints.ts'
export { type RegistryDiagnostic, RegistryError, type RegistryFailure, type RegistryPlace } from './registry/errors.ts'
export type { SpeedLimit, TimeLimit } from './registry/lifeline.ts'
export type { DestinationContext, RegistryOptions, TransportContext } from './registry/options.ts'
export {
  type AuthfileSurroundings,
  type ImageProxyConfig,
  loadGlobalAuthfile,
  mergeDefaultContainerProxyOpts,
  registryOptionsOf,
} from './registry/proxy-config.ts'
export type { RetryOptions } from './registry/retry.ts'
export { type CopyImageOptions, copyImage } from './store/copy-image.ts'
export {
  type GcImageLayersOptions,
  gcImageLayers,
  listUndeployedImages,
  removeImage,
  removeImages,
  removeUndeployedImages,
} from './store/gc.ts'
export { type LayerGcOptions, type LayerGcPlan, type LayerUse, planLayerGc } from './store/gc-plan.ts'
export { listContainerDeploymentManifests } from './store/holders.ts'
export { timestampOfManifestOrConfig, versionForConfig } from './store/image-time.ts'

export { LAYER_RULES } from './store/layer-rules.ts'
export {
  layerFromDiffid,
  type ManifestLayout,
  type OstreeManifestLayout,
  parseManifestLayout,
  parseOstreeManifestLayout,
} from './store/layout.ts'
export {
  type CachedImageUpdate,
  imageConfigFromCommitmeta,
  manifestDataFromCommitmeta,
  manifestDigestFromCommit,
  parseCachedUpdate,
} from './store/merge-metadata.ts'
export {
  BASE_IMAGE_PREFIX,
  CONTENT_ANNOTATION,
  DIFFID_LABEL,
  IMAGE_LAYER_PREFIX,
  IMAGE_PREFIX,
  LAYER_PREFIX,
  type LayerKind,
  META_CONFIG,
  META_MANIFEST,
  META_MANIFEST_DIGEST,
  OSTREE_COMMIT_LABEL,
  refForBlobDigest,
  refForImage,
  refForLayer,
  VERSION_LABELS,
} from './store/names.ts'
export {
  clearCachedUpdate,
  countLayerReferences,
  type LayeredImageState,
  listImages,
  type ManifestLayerState,
  manifestForImage,
  queryImage,
  queryImageCommit,
  queryLayer,
  tryQueryImage,
} from './store/query.ts'
export { type ImageVerification, type VerifyImageOptions, verifyContainerImage } from './store/verify.ts'
export {
  type CompareOptions,
  type CompareState,
  compareCommitTrees,
  compareFileInfo,
  createCompareState,
  isCompareStateOk,
} from './store/verify-tree.ts'
export type {
  ImageDestination,
  PutBlobOptions,
  PutManifestOptions,
  WriteContext,
} from './transport/destination.ts'
export type { ImageSource, SourceContext } from './transport/interface.ts'
export { MAX_LAYER_BYTES, MAX_LAYERS } from './transport/interface.ts'
export { openMemoryLayout } from './transport/memory.ts'
export { openStoredImage, type StoredImage } from './unpack/stored-image.ts'
export {
  type ImageFiles,
  type ImageIdentity,
  MAX_UNPACKED_ENTRIES,
  type UnpackLimits,
  type UnpackOptions,
  unpackToMemory,
} from './unpack/unpack.ts'
