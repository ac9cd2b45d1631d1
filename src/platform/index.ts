/**
 * Hashing, compression, files and network as the library needs them from a runtime: interfaces and their web versions.
 *
 * @module ostree-ts/platform
 */

export { type BlobLike, blobFiles } from './blob-files.ts'
export type {
  CompressionKind,
  CompressOptions,
  DecompressionKind,
  DecompressOptions,
  FileWriter,
  Hasher,
  LocalFiles,
  Platform,
  WritableFiles,
  XzCoder,
} from './interface.ts'
export { STREAM_CHUNK_BYTES } from './limits.ts'
export type { Clock, CredentialHelper, Fetch, FetchInit, FetchResponse, Network, NetworkSettings } from './network.ts'
export type { HttpHandler, HttpRequest, HttpResponse } from './server.ts'
export { webClock, webNetwork } from './web-network.ts'
