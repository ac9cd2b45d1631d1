/**
 * The library, for any runtime: repositories and container images, with storage in memory or of the caller's own.
 *
 * This entry point has what a program needs that embeds the library. Everything else is in the entry point it belongs to:
 * `ostree-ts/repo` and `ostree-ts/container` for the rest of both layers, `ostree-ts/registry` for registries alone, `ostree-ts/errors` for the classes of errors,
 * `ostree-ts/objects`, `/gvariant`, `/tar`, `/keyfile` and `/selinux` for the formats, `ostree-ts/platform` for what a
 * runtime has to provide, and `ostree-ts/testing` for conformance suites. `ostree-ts/node` adds what needs Node.
 *
 * @module ostree-ts
 */

export type { Checksum, Content, MaybePromise } from './bytes.ts'
export { fromHex, readAll, toHex } from './bytes.ts'
export type {
  EncapsulateConfig,
  EncapsulateOptions,
  HostPlatform,
  ImageFiles,
  ImageIdentity,
  ImageReference,
  ImageVerification,
  ImportOptions,
  LayeredImageState,
  PulledImage,
  PullPlan,
  RegistryOptions,
  StoredImage,
  UnpackOptions,
  VerifyImageOptions,
} from './container/index.ts'
export {
  copyImage,
  encapsulate,
  gcImageLayers,
  listImages,
  openMemoryLayout,
  openStoredImage,
  parseImageReference,
  planPull,
  pullImage,
  queryImage,
  removeImage,
  unencapsulate,
  unpackToMemory,
  verifyContainerImage,
} from './container/index.ts'
export type { ErrorCode } from './errors.ts'
export { OstreeError } from './errors.ts'
export { parseChecksum } from './objects/index.ts'
export type { LocalFiles, Platform } from './platform/index.ts'
export { webNetwork } from './platform/index.ts'
export { portablePlatform } from './platform/portable.ts'
export type { Progress, ProgressOptions } from './progress.ts'
export type {
  CheckoutOptions,
  CheckoutResult,
  CheckoutTarget,
  CommitFiles,
  CommitFilesOptions,
  CommitOptions,
  CommitResult,
  Difference,
  DirectorySource,
  FileStat,
  FileToCommit,
  FileToCommitMetadata,
  FileTree,
  FileTreeOptions,
  FsckEvent,
  FsckOptions,
  FsckResult,
  ListedEntry,
  LoggedCommit,
  MemoryStorageOptions,
  MemoryTarget,
  PruneOptions,
  PruneResult,
  PullLocalOptions,
  PullLocalResult,
  RepoMode,
  Storage,
  TreeInput,
} from './repo/index.ts'
export {
  checkout,
  commit,
  commitFiles,
  createMemoryStorage,
  createMemoryTarget,
  diffCommits,
  fsck,
  listTree,
  logCommits,
  openCommit,
  prune,
  pullLocal,
  Repo,
  readTreeFile,
} from './repo/index.ts'
