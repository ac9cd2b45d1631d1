export type { CommitInput } from './commit.ts'
export { writeCommit } from './commit.ts'
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
export type * from './interface.ts'
export { SMALL_FILE } from './interface.ts'
export { readCommit, readDirMeta, readDirTree } from './read-metadata.ts'
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
  validateCollectionId,
  validateNewRef,
  validateRefName,
  validateRemoteName,
} from './refs.ts'
export { Repo, type RepoOptions } from './repo.ts'
export { type ResolveScope, resolveRev, tryResolveRev } from './resolve.ts'
export { collectReachable, ReachableSet, type TraverseOptions, traverseCommit } from './traverse.ts'
export { MAX_TREE_DEPTH, MutableTree, overlayTree, type TreeRoot, writeTree } from './tree.ts'
export { createMemoryStorage, type MemoryStorageOptions } from './stores/memory.ts'
