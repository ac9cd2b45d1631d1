/**
 * What the core needs of its surroundings: hashing, compression, and (where there is one) a file system to read images
 * from. Two providers implement it, `node.ts` and `portable.ts`; one test suite runs over both.
 */

import type { Checksum } from '../bytes.ts'

export type CompressionKind = 'gzip' | 'zstd' | 'deflate-raw'

export interface Hasher {
  update(bytes: Uint8Array): void
  /** Ends the hash; no other call may follow. */
  digest(): Checksum
}

export interface DecompressOptions {
  /** Fail with `LimitError` once more than this many bytes came out. Default: no limit. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CompressOptions {
  /** zlib level 0..9, or zstd level. Default 6 for gzip and deflate-raw, 3 for zstd. */
  readonly level?: number | undefined
}

export interface Platform {
  readonly name: string
  /** One-shot: the small-file path. Several parts are hashed as if joined. */
  sha256(...parts: readonly Uint8Array[]): Checksum
  createSha256(): Hasher
  /** Raw deflate (no zlib or gzip wrapper), synchronous. @param level 1..9 */
  deflateRaw(bytes: Uint8Array, level: number): Uint8Array
  /**
   * Inflates a whole raw deflate stream, synchronous.
   * @param size bytes expected
   * @throws {CompressionError} when malformed, truncated, or of another size
   */
  inflateRaw(bytes: Uint8Array, size: number): Uint8Array
  /**
   * Decompresses a stream, whole: every gzip member, every zstd frame, skippable frames skipped, zero padding after the
   * last gzip member allowed. Chunks come out at about 1 MiB and may be reused once the next one is asked for.
   * The source is read to its end; leaving the loop early returns the source's iterator.
   * @throws {CompressionError} when malformed, truncated, or a check sum is wrong; {LimitError} past `maxBytes`
   */
  decompress(
    kind: CompressionKind,
    from: AsyncIterable<Uint8Array>,
    options?: DecompressOptions,
  ): AsyncIterable<Uint8Array>
  /** The same bytes however the source is cut; its chunks may be reused once the next is asked for. */
  compress(kind: CompressionKind, from: AsyncIterable<Uint8Array>, options?: CompressOptions): AsyncIterable<Uint8Array>
}

/** Read access to local files, for image transports that live on a disk. Paths are the platform's own. */
export interface LocalFiles {
  /** @returns `undefined` when nothing is there; symbolic links are followed */
  stat(path: string): Promise<{ kind: 'file' | 'directory' | 'other'; size: number } | undefined>
  /** Streams `length` bytes (default: to the end) from `offset`. @throws {IoError} */
  stream(path: string, range?: { offset?: number; length?: number }): AsyncIterable<Uint8Array>
  /** @throws {LimitError} when the file is larger than `limit` bytes */
  read(path: string, limit: number): Promise<Uint8Array>
  join(...parts: string[]): string
}

/** One file being written, front to back. */
export interface FileWriter {
  /** Done with `bytes` once it resolves. @throws {IoError} */
  write(bytes: Uint8Array): Promise<void>
  /** Nothing may follow. @param sync also wait until the content is on the disk */
  close(sync?: boolean): Promise<void>
}

/** Local files that can be written as well, for image transports that lay images down on a disk. */
export interface WritableFiles extends LocalFiles {
  /** Its parent must exist; being there already is success. @throws {IoError} */
  createDirectory(path: string): Promise<void>
  /**
   * A new, empty directory inside `parent`, nobody else's; those that processes which are no more left there go.
   * @returns its path
   */
  createTemporary(parent: string): Promise<string>
  /** A new file; one that is there is emptied. @throws {IoError} */
  createFile(path: string): Promise<FileWriter>
  /** Atomic within one file system; replaces a file. @throws {IoError} */
  rename(from: string, to: string): Promise<void>
  /** A file, or a directory with all in it; nothing there is success. @throws {IoError} */
  remove(path: string): Promise<void>
  /** The directory that holds `path`. */
  parent(path: string): string
}
