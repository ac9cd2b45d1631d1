export { type CheckoutTargetOptions, createCheckoutTarget } from './checkout-target.ts'
export { scanHardLinks } from './devino.ts'
export { checksumPath, createDiskTree, type DiskTreeOptions } from './disk-tree.ts'
export { inodeOfObject } from './inode.ts'
export { collisionsAmong, findInodeCollisions, type InodeCollisions } from './inode-collisions.ts'
export { createKeySource, type KeySourceOptions, readKeyRings } from './keys.ts'
export { loadNative, type Native } from './native.ts'
export {
  type CreateRepoOptions,
  createRepo,
  isSqlitePath,
  MAX_PARENT_REPOS,
  type OpenRepoOptions,
  openRepo,
} from './open.ts'
export { readLocalSePolicy } from './sepolicy.ts'
export { createUncompressedCache, type LocalUncompressedCache } from './uncompressed-cache.ts'
export { type CreateUsbOptions, createUsb, USB_REPO } from './usb.ts'
export { createDirectorySource } from './walk.ts'
