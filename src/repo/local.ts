export { loadNative, type Native } from '../system/native.ts'
export { createCheckoutTarget, createLocalTarget, type LocalTargetOptions } from './checkout/local/local-target.ts'
export { createUncompressedCache, type LocalUncompressedCache } from './checkout/local/uncompressed-cache.ts'
export { scanHardLinks } from './commit/local-devino.ts'
export { createDirectorySource } from './commit/local-directory-source.ts'
export { writeComposefsFile } from './composefs/local-write.ts'
export { inodeOfObject } from './fsck/local-inode.ts'
export { collisionsAmong, findInodeCollisions, type InodeCollisions } from './fsck/local-inode-collisions.ts'
export { checksumPath, createDiskTree, type DiskTreeOptions } from './inspect/local-disk-tree.ts'
export {
  type CreateRepoOptions,
  createRepo,
  createSummaryCache,
  isSqlitePath,
  MAX_PARENT_REPOS,
  type OpenRepoOptions,
  openRepo,
  type RepoDirectoryOptions,
} from './open-local.ts'
export { type CreateUsbOptions, createUsb, USB_REPO } from './pull/local-usb.ts'
export { createGpgSigner, type GpgSignerOptions } from './remotes/local-gpg.ts'
export { createKeySource, type KeySourceOptions, readKeyRings } from './remotes/local-keys.ts'
export { readLocalSePolicy } from './selinux/local-sepolicy.ts'
export { loadForLanes, stagingTransaction } from './stores/fs/lane.ts'
