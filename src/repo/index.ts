/**
 * Repositories: commits, checkouts, refs, remotes, deltas and summaries, and the interfaces a storage implements.
 *
 * @module ostree-ts/repo
 */

export { SMALL_FILE } from '../bytes.ts'
export {
  createSigner,
  type KeyRings,
  type OpenPgpLibrary,
  type PublicKeys,
  type SignatureEngine,
  type Signer,
  signatureEngine,
  type TimeFormat,
  useOpenPgp,
} from '../sign/index.ts'
export { type CheckoutResult, checkout, MAX_CHECKOUT_ENTRIES } from './checkout/checkout.ts'
export {
  createMemoryTarget,
  MAX_MEMORY_TARGET,
  type MemoryFile,
  type MemoryTarget,
  type MemoryTargetOptions,
} from './checkout/memory-target.ts'
export { type CheckoutFilter, type CheckoutOptions, type OverwriteMode, skipListFilter } from './checkout/options.ts'
export type {
  CheckoutMode,
  CheckoutTarget,
  CheckoutThreads,
  FileOwner,
  FilePlace,
  FileToMake,
  HardLinkResult,
  NewFile,
  OnExisting,
  ReturnedFiles,
  TargetDirectory,
  TargetStat,
  UncompressedCache,
} from './checkout/target.ts'
export { type CommitOptions, type CommitResult, commit, type TreeInput } from './commit/commit.ts'
export {
  type CommitFilesOptions,
  commitFiles,
  type FileToCommit,
  type FileToCommitMetadata,
} from './commit/commit-files.ts'
export type { ConsumedPath, DirectorySource, SourceEntry } from './commit/directory.ts'
export { type ImaSigner, type ImaSignOptions, imaSign } from './commit/ima-sign.ts'
export { BOOTABLE_KEY, COLLECTION_BINDING_KEY, LINUX_KEY, REF_BINDING_KEY, SIZES_KEY } from './commit/metadata.ts'
export type {
  CommitFilter,
  CommitFilterOptions,
  DevInoCache,
  InodeInfo,
  ModifierOptions,
  StatOverrides,
  XattrCallback,
} from './commit/modifier.ts'
export { type UncompressedOptions, uncompressedTar } from './commit/tar/input.ts'
export type { TarInputOptions } from './commit/tar/tar-tree-builder.ts'
export { type CommitInput, writeCommit } from './commit/write-commit.ts'
export {
  COMPOSEFS_KEY,
  type ComposefsImage,
  type ComposefsOptions,
  composefsImage,
  verifiedComposefsImage,
} from './composefs/image.ts'
export { initialConfig, parseConfig, parseRepoMode, type RepoSettings, type TriState } from './core/config.ts'
export type { Batch, FastPaths, LooseFiles, ObjectTask } from './core/fast-paths.ts'
export type {
  Adopted,
  BeginOptions,
  CommitState,
  DeltaName,
  DeltaStore,
  FileSink,
  LaneObject,
  LanePlace,
  LockOptions,
  LooseLayout,
  ObjectReader,
  ObjectStore,
  RefPath,
  RefStore,
  RefTarget,
  RepoDirectory,
  RepoMode,
  SharedFreeSpace,
  StagedLane,
  Storage,
  Transaction,
  TransactionStats,
} from './core/interface.ts'
export {
  commitRoot,
  type DirectoryEntry,
  type FileEntry,
  followPath,
  lookupFile,
  lookupPath,
  type TreeEntry,
  type WalkOptions,
  walkTree,
} from './core/path.ts'
export type { RandomAccess, Scratch } from './core/random-access.ts'
export { readCommit, readDirMeta, readDirTree } from './core/read-metadata.ts'
export type { RemoteFiles, RepoFiles, WriteFileOptions } from './core/repo-files.ts'
export type { CachedFile, SummaryCache } from './core/summary-cache.ts'
export {
  MAX_TREE_DEPTH,
  MAX_TREE_MEMORY,
  MutableTree,
  overlayTree,
  type TreeLimits,
  type TreeRoot,
  writeTree,
} from './core/tree.ts'
export { type ApplyDeltaOptions, applyDelta } from './deltas/apply/apply-delta.ts'
export {
  type ApplyDeltaPartOptions,
  applyDeltaPart,
  type DeltaPartSource,
  hasObjectsOfPart,
} from './deltas/apply/apply-part.ts'
export { type DeltaPartContents, inspectDeltaPart } from './deltas/apply/inspect-part.ts'
export { deleteDelta, parseDeltaName } from './deltas/delete.ts'
export type { ByteOrder, DeltaOperation } from './deltas/format.ts'
export {
  DELTA_BSDIFF_SIZE,
  DELTA_FILE_SIZE,
  DELTA_PART_SIZE,
  type DeltaFile,
  type DeltaPartStats,
  type DeltaRollsumStats,
  type DeltaStats,
  type GenerateDeltaOptions,
  generateDelta,
  writeDelta,
} from './deltas/generate.ts'
export { formatDeltaName, listIndexes, reindexDeltas } from './deltas/names-and-index.ts'
export { type DeltaSigner, type DeltaVerifier, signSuperblock, verifyDelta } from './deltas/signed.ts'
export {
  type DeltaFallbackInfo,
  type DeltaObjectName,
  type DeltaPartInfo,
  type DeltaSuperblock,
  readSuperblock,
} from './deltas/superblock.ts'
export type { CollectionRef } from './fsck/bindings.ts'
export { type FsckEvent, type FsckOptions, type FsckResult, fsck } from './fsck/fsck.ts'
export { diffCommits, type LoggedCommit, listTree, logCommits, readTreeFile } from './inspect/by-rev.ts'
export { type CommitFiles, openCommit } from './inspect/commit-files.ts'
export {
  type DiffDirectory,
  type DiffEntry,
  type Difference,
  type DiffOptions,
  type DiffStats,
  diffDirectories,
  diffStats,
  treeToDiff,
} from './inspect/diff.ts'
export { type ExportTarOptions, exportTar } from './inspect/export-tar.ts'
export {
  type FileStat,
  type FileTree,
  type FileTreeOptions,
  type FileTreeWalkOptions,
  MAX_READ_FILE,
  type ReadFileOptions,
} from './inspect/file-tree.ts'
export type { ListedEntry } from './inspect/list-path.ts'
export { findObject, type ShownObject } from './inspect/show.ts'
export { deleteCommit, pruneDeltas, pruneSummaryCache } from './prune/extras.ts'
export { type KeptCommit, type PruneOptions, type PruneResult, prune, whyKept } from './prune/prune.ts'
export type { PruneRoot, RootRules } from './prune/roots.ts'
export type { ImportRules } from './pull/objects.ts'
export type { DeltaSizes, PullOptions, PullResult, RemoteAccess } from './pull/options.ts'
export { pull } from './pull/pull.ts'
export { type PullLocalOptions, type PullLocalResult, pullLocal } from './pull/pull-local.ts'
export type { WantedCollectionRef, WantedRefs } from './pull/refs.ts'
export type { FetchedSummary } from './pull/remote/summary.ts'
export { fetchRemoteSummary } from './pull/remote-summary.ts'
export {
  collectReachable,
  ReachableSet,
  type ReachableType,
  type TraverseOptions,
  traverseCommit,
} from './reach/traverse.ts'
export {
  collectionRefPath,
  formatRefspec,
  type ListedRef,
  type ListRefsOptions,
  parseRefspec,
  type Refspec,
  refPath,
  refspecOf,
  validateRefName,
  validateRemoteName,
} from './refs/refs.ts'
export type { ResolveOptions } from './refs/resolve.ts'
export type { MirroredRef } from './refs/table-order.ts'
export { type ListCollectionRefsOptions, listCollectionRefs } from './remotes/collection-refs.ts'
export { type ImportGpgKeysOptions, importGpgKeys } from './remotes/gpg-keys.ts'
export {
  addRemote,
  deleteRemote,
  findRemote,
  listRemotes,
  type NewRemote,
  type Remote,
  type RemoteOption,
  remoteUrl,
} from './remotes/remotes.ts'
export { signCommit, verifyCommitWith } from './remotes/sign-commit.ts'
export type { KeySource, Verification } from './remotes/signature-keys.ts'
export { readSignedCommit, type SignedCommit, verifyCommitFor } from './remotes/verify-commit.ts'
export { editConfig, Repo, type RepoOptions } from './repo.ts'
export { labelTree } from './selinux/label-tree.ts'
export {
  type CommitPolicy,
  findSePolicy,
  findSePolicyOfCommit,
  MAX_POLICY_TEXT,
  parseSePolicy,
  readSePolicy,
  type SePolicy,
  type SePolicyFiles,
  withEtcLabels,
} from './selinux/sepolicy.ts'
export { type IndexedDbStorageOptions, openIndexedDbStorage } from './stores/indexeddb/storage.ts'
export { createMemoryStorage, type MemoryStorageOptions } from './stores/memory.ts'
export { createTableStorage, type TableStorageOptions } from './stores/table/storage.ts'
export type { ValueTable } from './stores/table/value-table.ts'
export { readSummary, Summary, type SummaryRef } from './summary/format.ts'
export {
  COLLECTION_METADATA_REF,
  commitCollectionMetadata,
  type EncodeSummaryOptions,
  encodeSummary,
  type UpdateSummaryOptions,
  updateSummary,
} from './summary/update.ts'
