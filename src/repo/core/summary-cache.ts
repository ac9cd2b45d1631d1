/** The contract of a cache of summaries. */

import type { MaybePromise } from '../../bytes.ts'

/** A file of a server, with what the server sent to ask later whether it has changed. */
export interface CachedFile {
  readonly bytes: Uint8Array
  /** Value of the header `ETag`. */
  readonly etag?: string | undefined
  /** Time of the header `Last-Modified`, in seconds since the epoch. */
  readonly lastModified?: number | undefined
}

/** Summaries as they were last fetched from remotes, by file name: `REMOTE` and `REMOTE.sig`. */
export interface SummaryCache {
  list(): MaybePromise<string[]>
  /** Reads a file. `undefined` if it is not kept. */
  read(name: string): MaybePromise<CachedFile | undefined>
  /** Replaces a file. */
  write(name: string, file: CachedFile): MaybePromise<void>
  /** Deletes a file; succeeds if there is none. */
  delete(name: string): MaybePromise<void>
}
