/** Repositories as directories, in every mode of libostree. */

export { type InitFsStorageOptions, initFsStorage, type OpenFsStorageOptions, openFsStorage } from './open.ts'
export type { Threads } from './thread.ts'
