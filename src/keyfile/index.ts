export { KeyFile, type KeyFileOptions } from './keyfile.ts'
