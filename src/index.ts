/**
 * The library, for any runtime: repositories in memory or in a storage of your own, and all that is done with them.
 * Formats by themselves are in `ostree-ts/gvariant`, `/tar`, `/keyfile` and `/objects`; what needs Node in `/node`.
 */

export type { Checksum, Content, MaybePromise } from './bytes.ts'
export { compareUtf8, fromHex, readAll, toHex } from './bytes.ts'
export * from './container/index.ts'
export * from './errors.ts'
export type * from './objects/index.ts'
export { formatObjectName, isChecksum, parseChecksum, parseObjectName } from './objects/index.ts'
export type * from './platform/index.ts'
export { webNetwork } from './platform/index.ts'
export { portablePlatform } from './platform/portable.ts'
export type { Progress, ProgressOptions } from './progress.ts'
export * from './repo/index.ts'
