/**
 * The front door of the library on Node: images and their files in one call, with this machine's network, files,
 * credentials and policy as defaults. `ostree-ts/node` exports it.
 */

export { type HostOptions, hostCredentials } from './host.ts'
export {
  type ImageStore,
  type OpenStoreOptions,
  openStore,
  type PullImageOptions,
  pullImage,
} from './open-store.ts'
export { type NotMade, type UnpackedImage, type UnpackImageOptions, unpackImage } from './unpack-image.ts'
