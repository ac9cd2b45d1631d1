/**
 * The library, for any runtime: repositories and container images, with storage in memory or of the caller's own.
 *
 * This entry point has what a program needs that embeds the library. Everything else is in the entry point it belongs to:
 * `ostree-ts/repo` and `ostree-ts/container` for the rest of both layers, `ostree-ts/errors` for the classes of errors,
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
  ImageReference,
  ImageVerification,
  ImportOptions,
  LayeredImageState,
  PulledImage,
  PullPlan,
  RegistryOptions,
  VerifyImageOptions,
} from './container/index.ts'
export {
  copyImage,
  encapsulate,
  gcImageLayers,
  listImages,
  openMemoryLayout,
  parseImageReference,
  planPull,
  pullImage,
  queryImage,
  removeImage,
  unencapsulate,
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
  CommitOptions,
  CommitResult,
  Difference,
  DirectorySource,
  FsckEvent,
  FsckOptions,
  FsckResult,
  ListedEntry,
  LoggedCommit,
  MemoryStorageOptions,
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
  createMemoryStorage,
  diffCommits,
  fsck,
  listTree,
  logCommits,
  prune,
  pullLocal,
  Repo,
  readTreeFile,
} from './repo/index.ts'
