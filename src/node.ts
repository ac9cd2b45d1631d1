/**
 * The library on Node: all of `ostree-ts`, with repositories in directories and in SQLite files, directories to commit,
 * and the platform of Node itself.
 */

export type { Checksum, Content, MaybePromise } from './bytes.ts'
export { compareUtf8, fromHex, readAll, toHex } from './bytes.ts'
export * from './container/index.ts'
export * from './errors.ts'
export type * from './objects/index.ts'
export { formatObjectName, isChecksum, parseChecksum, parseObjectName } from './objects/index.ts'
export type * from './platform/index.ts'
export { webNetwork } from './platform/index.ts'
export { nodePlatform } from './platform/node.ts'
export { portablePlatform } from './platform/portable.ts'
export type { Progress, ProgressOptions } from './progress.ts'
export * from './repo/index.ts'
export * from './repo/local.ts'
export * from './sysroot/index.ts'
export { hostPlatform } from './system/host.ts'
export { nodeFiles } from './system/local-files.ts'
export { type NodeNetworkOptions, nodeNetwork, type ProxySettings } from './system/network.ts'
