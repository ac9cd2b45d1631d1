/**
 * The library on Node: all of `ostree-ts`, and with it repositories in directories and in SQLite files, directories to
 * commit and to check out into, local files and registries for images, and deployments.
 *
 * @module ostree-ts/node
 */

export { layerThreads } from './container/local.ts'
export {
  type HostOptions,
  hostCredentials,
  type ImageStore,
  type NotMade,
  type OpenStoreOptions,
  openStore,
  type PullImageOptions,
  pullImage,
  type UnpackedImage,
  type UnpackImageOptions,
  unpackImage,
} from './front/index.ts'
export * from './index.ts'
export {
  type CreateRepoOptions,
  type CreateUsbOptions,
  checksumPath,
  createCheckoutTarget,
  createDirectorySource,
  createDiskTree,
  createGpgSigner,
  createKeySource,
  createRepo,
  createUncompressedCache,
  createUsb,
  type DiskTreeOptions,
  type GpgSignerOptions,
  inodeOfObject,
  type KeySourceOptions,
  type LocalUncompressedCache,
  type OpenRepoOptions,
  openRepo,
  type RepoDirectoryOptions,
  readLocalSePolicy,
  scanHardLinks,
} from './repo/local.ts'
export { type ListeningServer, type ListenOptions, listen, type ServerTimeouts } from './serve/local.ts'
export { type BootEntry, type Deployed, type Deployment, type DeployOptions, deployCommit } from './sysroot/index.ts'
export { hostPlatform } from './system/host.ts'
export { nodeFiles } from './system/local-files.ts'
export { type NodeNetworkOptions, nodeNetwork, type ProxySettings } from './system/network.ts'
export { threadedPlatform as nodePlatform } from './system/threaded-platform.ts'
