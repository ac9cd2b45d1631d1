/** Key files, the format of configuration in GLib. */

export { KeyFile, type KeyFileFallback, type KeyFileOptions } from './keyfile.ts'
