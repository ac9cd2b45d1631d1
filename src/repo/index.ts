export { SMALL_FILE } from '../bytes.ts'
export { type CheckoutResult, checkout, MAX_CHECKOUT_ENTRIES } from './checkout/checkout.ts'
export {
  type CheckoutFilter,
  type CheckoutOptions,
  type OverwriteMode,
  skipListFilter,
} from './checkout/options.ts'
export type {
  CheckoutMode,
  CheckoutTarget,
  FileOwner,
  FilePlace,
  HardLinkResult,
  NewFile,
  OnExisting,
  TargetDirectory,
  TargetStat,
  UncompressedCache,
} from './checkout/target.ts'
export {
  type CommitOptions,
  type CommitResult,
  commit,
  importTar,
  type TreeInput,
} from './commit/commit.ts'
export {
  type ConsumedPath,
  type DirectorySource,
  type OverlayDirectoryOptions,
  overlayDirectory,
  reportObjects,
  type SourceEntry,
} from './commit/directory.ts'
export { type ImaSigner, type ImaSignOptions, imaSign } from './commit/ima-sign.ts'
export {
  BOOTABLE_KEY,
  COLLECTION_BINDING_KEY,
  keepMetadata,
  LINUX_KEY,
  REF_BINDING_KEY,
  SIZES_KEY,
  withBindings,
  withBootable,
} from './commit/metadata.ts'
export {
  type CommitFilter,
  type CommitFilterOptions,
  CommitModifier,
  createCommitFilter,
  type DevInoCache,
  type InodeInfo,
  type ModifierOptions,
  parseSkipList,
  parseStatOverrides,
  type StatOverrides,
  type XattrCallback,
} from './commit/modifier.ts'
export { SizeRecorder } from './commit/sizes.ts'
export { uncompressedTar } from './commit/tar/input.ts'
export { MAX_LINK_MEMORY } from './commit/tar/links.ts'
export { TarTreeBuilder, type TarTreeOptions } from './commit/tar/tar-tree-builder.ts'
export { xattrsFromPax } from './commit/tar/xattrs.ts'
export { createTreeSource } from './commit/tree-source.ts'
export { type CommitInput, writeCommit } from './commit/write-commit.ts'
export {
  DEFAULT_LOCK_TIMEOUT_SECS,
  DEFAULT_MIN_FREE_SPACE_PERCENT,
  DEFAULT_TMP_EXPIRY_SECS,
  DEFAULT_ZLIB_LEVEL,
  initialConfig,
  parseConfig,
  parseRepoMode,
  type RepoSettings,
  readSettings,
} from './core/config.ts'
export { ForwardingTransaction } from './core/forwarding-transaction.ts'
export type * from './core/interface.ts'
export {
  childPath,
  commitRoot,
  type DirectoryEntry,
  type FileEntry,
  followPath,
  lookupFile,
  lookupPath,
  MAX_SYMLINKS,
  pathNames,
  type TreeEntry,
  type WalkOptions,
  walkTree,
} from './core/path.ts'
export { decodeDirTree, readCommit, readDirMeta, readDirTree } from './core/read-metadata.ts'
export {
  MAX_TREE_DEPTH,
  MAX_TREE_MEMORY,
  MutableTree,
  overlayTree,
  type TreeLimits,
  type TreeRoot,
  writeTree,
} from './core/tree.ts'
export { verifyObject } from './core/verify-object.ts'
export { deleteDelta, parseDeltaName } from './deltas/delete.ts'
export type { ByteOrder } from './deltas/format.ts'
export {
  DELTA_FILE_SIZE,
  DELTA_PART_SIZE,
  type DeltaFile,
  type DeltaPartStats,
  type DeltaStats,
  type GenerateDeltaOptions,
  generateDelta,
  writeDelta,
} from './deltas/generate.ts'
export { deltaPath, formatDeltaName, listIndexes, reindexDeltas, STATIC_DELTAS_KEY } from './deltas/names-and-index.ts'
export { type CollectionRef, verifyBackRefs, verifyBindings } from './fsck/bindings.ts'
export {
  type FsckEvent,
  type FsckOptions,
  type FsckResult,
  formatFsckEvent,
  fsck,
  requireSound,
} from './fsck/fsck.ts'
export {
  type DiffDirectory,
  type DiffEntry,
  type Difference,
  type DiffOptions,
  type DiffStats,
  diffDirectories,
  diffStats,
  formatDifference,
  treeToDiff,
} from './inspect/diff.ts'
export { type ExportTarOptions, exportTar } from './inspect/export-tar.ts'
export { formatLsLine, formatXattrs, type ListedEntry, type LsLineOptions, listPath } from './inspect/list-path.ts'
export {
  findObject,
  formatCommit,
  formatHeading,
  formatMetadataValue,
  formatObject,
  formatRaw,
  HISTORY_ENDS,
  logCommits,
  type ShownObject,
  type ShowOptions,
} from './inspect/show.ts'
export { deleteObject, enableTombstones } from './prune/delete.ts'
export { deleteCommit, pruneDeltas, pruneSummaryCache } from './prune/extras.ts'
export {
  type KeptCommit,
  type PruneOptions,
  type PruneResult,
  prune,
  whyKept,
} from './prune/prune.ts'
export type { PruneRoot, RootRules } from './prune/roots.ts'
export type { ImportRules } from './pull/objects.ts'
export { type PullLocalOptions, type PullLocalResult, pullLocal } from './pull/pull-local.ts'
export type { WantedCollectionRef, WantedRefs } from './pull/refs.ts'
export { collectReachable, ReachableSet, type TraverseOptions, traverseCommit } from './reach/traverse.ts'
export {
  collectionRefPath,
  formatRefspec,
  type ListedRef,
  type ListRefsOptions,
  listRefs,
  MAX_ALIAS_HOPS,
  parseRefspec,
  type Refspec,
  readRef,
  refNameFromBytes,
  refPath,
  refspecOf,
  validateNewRef,
  validateRefName,
  validateRemoteName,
} from './refs/refs.ts'
export { type ResolveScope, resolveRev, tryResolveRev } from './refs/resolve.ts'
export { inTableOrder } from './refs/table-order.ts'
export { type ListCollectionRefsOptions, listCollectionRefs } from './remotes/collection-refs.ts'
export { addCookie, type Cookie, type CookieKey, cookieJar, deleteCookie, parseCookies } from './remotes/cookies.ts'
export {
  addRemote,
  deleteRemote,
  findRemote,
  listRemotes,
  type NewRemote,
  type Remote,
  type RemoteOption,
  remoteCollections,
  remoteUrl,
} from './remotes/remotes.ts'
export { allKeyRings, type KeySource, remoteKeyRings, type Verification } from './remotes/signature-keys.ts'
export {
  formatSignatures,
  GPG_SIGNATURES_KEY,
  readSignedCommit,
  requireGpgSignature,
  type SignedCommit,
  verifyCommitFor,
} from './remotes/verify-commit.ts'
export { editConfig, Repo, type RepoOptions, requireRepoFiles } from './repo.ts'
export { labelTree, withLabel } from './selinux/label-tree.ts'
export * from './selinux/sepolicy.ts'
export { createMemoryStorage, type MemoryStorageOptions } from './stores/memory.ts'
export {
  CollectionMap,
  readSummary,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_COMMIT_TIMESTAMP_KEY,
  SUMMARY_EXPIRES_KEY,
  SUMMARY_FILE,
  SUMMARY_LAST_MODIFIED_KEY,
  SUMMARY_SIGNATURES_FILE,
  Summary,
  type SummaryRef,
} from './summary/format.ts'
export {
  COLLECTION_METADATA_REF,
  commitCollectionMetadata,
  type UpdateSummaryOptions,
  updateSummary,
} from './summary/update.ts'
export { formatRawSummary, formatSummary, formatSummaryValue, summaryMetadataKeys } from './summary/view.ts'
