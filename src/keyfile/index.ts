/**
 * Key files, the format of configuration in GLib.
 *
 * @module ostree-ts/keyfile
 */

export { KeyFile, type KeyFileFallback, type KeyFileOptions } from './keyfile.ts'
