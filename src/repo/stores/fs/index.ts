/** Repositories as directories, in every mode of libostree. */

export type { Threads } from '../../../system/threads/thread.ts'
export {
  type InitFsStorageOptions,
  initFsStorage,
  type OpenFsStorageOptions,
  openFsStorage,
  type RepoDirectoryOptions,
} from './open.ts'
