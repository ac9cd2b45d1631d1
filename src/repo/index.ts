export {
  type CheckoutFilter,
  type CheckoutMode,
  type CheckoutOptions,
  type CheckoutResult,
  checkout,
  MAX_CHECKOUT_ENTRIES,
  type OverwriteMode,
  skipListFilter,
} from './checkout.ts'
export type {
  CheckoutTarget,
  FilePlace,
  HardLinkResult,
  Inode,
  NewFile,
  OnExisting,
  Owner,
  TargetDirectory,
  UncompressedCache,
} from './checkout-target.ts'
export { type ListCollectionRefsOptions, listCollectionRefs } from './collection-refs.ts'
export {
  type CommitOptions,
  type CommitResult,
  commit,
  importTar,
  type TreeInput,
} from './commit.ts'
export {
  type ConsumedPath,
  type DirectorySource,
  type OverlayDirectoryOptions,
  overlayDirectory,
  reportObjects,
  type SourceEntry,
} from './commit-directory.ts'
export {
  BOOTABLE,
  COLLECTION_BINDING,
  keepMetadata,
  LINUX,
  REF_BINDING,
  SIZES,
  withBindings,
  withBootable,
} from './commit-metadata.ts'
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
} from './commit-modifier.ts'
export { SizeRecorder } from './commit-sizes.ts'
export { TarTreeBuilder, type TarTreeOptions } from './commit-tar.ts'
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
} from './config.ts'
export { addCookie, type Cookie, type CookieKey, cookieJar, deleteCookie, parseCookies } from './cookies.ts'
export { deleteDelta, parseDeltaName } from './delta-delete.ts'
export type { ByteOrder } from './delta-format.ts'
export {
  DELTA_FILE_SIZE,
  DELTA_PART_SIZE,
  type DeltaFile,
  type DeltaPartStats,
  type DeltaStats,
  type GenerateDeltaOptions,
  generateDelta,
  writeDelta,
} from './delta-generate.ts'
export { deltaPath, formatDeltaName, listIndexes, reindexDeltas, STATIC_DELTAS } from './delta-index.ts'
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
} from './diff.ts'
export { editConfig } from './edit-config.ts'
export { type ExportTarOptions, exportTar } from './export-tar.ts'
export { filesOf } from './files.ts'
export { ForwardingTransaction } from './forwarding.ts'
export {
  type FsckEvent,
  type FsckOptions,
  type FsckResult,
  formatFsckEvent,
  fsck,
  requireSound,
} from './fsck.ts'
export { type CollectionRef, verifyBackRefs, verifyBindings } from './fsck-bindings.ts'
export { verifyObject } from './fsck-object.ts'
export { type ImaSigner, type ImaSignOptions, imaSign } from './ima-sign.ts'
export type * from './interface.ts'
export { SMALL_FILE } from './interface.ts'
export { labelTree, withLabel } from './label-tree.ts'
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
} from './path.ts'
export { formatLsLine, formatXattrs, type ListedEntry, type LsLineOptions, listPath } from './path-list.ts'
export {
  type KeptCommit,
  type PruneOptions,
  type PruneResult,
  prune,
  whyKept,
} from './prune.ts'
export { deleteObject, enableTombstones } from './prune-delete.ts'
export { deleteCommit, pruneDeltas, pruneSummaryCache } from './prune-extras.ts'
export type { PruneRoot, RootRules } from './prune-roots.ts'
export { type PullLocalOptions, type PullLocalResult, pullLocal } from './pull-local.ts'
export type { ImportRules } from './pull-local-objects.ts'
export type { WantedCollectionRef, WantedRefs } from './pull-local-refs.ts'
export { decodeDirTree, readCommit, readDirMeta, readDirTree } from './read-metadata.ts'
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
} from './refs.ts'
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
} from './remotes.ts'
export { Repo, type RepoOptions } from './repo.ts'
export { type ResolveScope, resolveRev, tryResolveRev } from './resolve.ts'
export * from './sepolicy.ts'
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
} from './show.ts'
export { allKeyRings, type KeySource, remoteKeyRings, type Verification } from './signature-keys.ts'
export { createMemoryStorage, type MemoryStorageOptions } from './stores/memory.ts'
export {
  COLLECTION_MAP,
  COMMIT_TIMESTAMP,
  CollectionMap,
  EXPIRES,
  LAST_MODIFIED,
  readSummary,
  SUMMARY,
  SUMMARY_COLLECTION,
  SUMMARY_SIGNATURES,
  Summary,
  type SummaryRef,
} from './summary.ts'
export {
  commitCollectionMetadata,
  OSTREE_METADATA,
  type UpdateSummaryOptions,
  updateSummary,
} from './summary-update.ts'
export { formatRawSummary, formatSummary, formatSummaryValue, summaryMetadataKeys } from './summary-view.ts'
export { inTableOrder } from './table-order.ts'
export { uncompressedTar } from './tar-input.ts'
export { MAX_LINK_MEMORY } from './tar-links.ts'
export { xattrsFromPax } from './tar-xattrs.ts'
export { collectReachable, ReachableSet, type TraverseOptions, traverseCommit } from './traverse.ts'
export {
  MAX_TREE_DEPTH,
  MAX_TREE_MEMORY,
  MutableTree,
  overlayTree,
  type TreeLimits,
  type TreeRoot,
  writeTree,
} from './tree.ts'
export { createTreeSource } from './tree-source.ts'
export {
  formatSignatures,
  GPG_SIGNATURES,
  readSignedCommit,
  requireGpgSignature,
  type SignedCommit,
  verifyCommitFor,
} from './verify-commit.ts'
export { type CommitInput, writeCommit } from './write-commit.ts'
