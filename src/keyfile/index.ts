export { KeyFile, type KeyFileFallback, type KeyFileOptions } from './keyfile.ts'
