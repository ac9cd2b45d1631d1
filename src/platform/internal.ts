/** What other folders of the library use of the platform, and programs do not. */

export { deflateExactly, type ExactDeflate, type ExactStream, loadExactDeflate } from './codecs/stock-zlib.ts'
export { storeXz } from './codecs/xz/store.ts'
export { contentLength, networkErrorCode } from './http-facts.ts'
export { defaultLevel, requireLevel } from './levels.ts'
