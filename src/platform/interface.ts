/**
 * What the library needs from its runtime: hashing, compression and, for images on disk, files. `node.ts` and
 * `portable.ts` implement `Platform`; one test suite tests both.
 */

import type { Checksum } from '../bytes.ts'

/** A compression format. `deflate-raw` is deflate without the header and trailer of zlib or gzip. */
export type CompressionKind = 'gzip' | 'zstd' | 'deflate-raw'

/** A compression format that can be read. xz and bzip2 are not written. */
export type DecompressionKind = CompressionKind | 'xz' | 'bzip2'

/** A SHA-256 computed piece by piece. */
export interface Hasher {
  /** Adds `bytes` to the data. */
  update(bytes: Uint8Array): void
  /** Returns the checksum of all data. No other call may follow. */
  digest(): Checksum
}

/** Options of `Platform.decompress`. */
export interface DecompressOptions {
  /** Limit on the decompressed size in bytes. Default: no limit. */
  readonly maxBytes?: number | undefined
  /** Largest dictionary of an xz block in bytes: default, and at most, 128 MiB. Other formats ignore it. */
  readonly maxDictionary?: number | undefined
  /** Aborting it makes decompression fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `Platform.compress`. */
export interface CompressOptions {
  /** zlib's level 0 to 9, or zstd's 0 to 22, of which 0 is the default. Default: 6 for gzip and deflate-raw, 3 for zstd. */
  readonly level?: number | undefined
  /**
   * Write exactly the bytes that zlib writes, whatever encoder the runtime has. This takes longer. It has no effect on
   * zstd and at level 0. Default false.
   */
  readonly exact?: boolean | undefined
}

/** An encoder and decoder of xz that a runtime has in addition. */
export interface XzCoder {
  /**
   * Compresses a stream to one xz stream with CRC-64 as its check. The source may reuse the memory of a chunk once the
   * next one is requested.
   * @param preset 0 to 9
   */
  compress(from: AsyncIterable<Uint8Array>, preset: number): AsyncIterable<Uint8Array>
  /**
   * Decompresses the first xz stream. The memory of a chunk is reused once the next one is requested.
   * @param maxMemory most bytes of memory that the decoder may take
   * @throws {CompressionError} in the words of liblzma, if the stream is malformed or truncated
   * @throws {LimitError} `Exceeded memory limit`
   */
  decompress(from: AsyncIterable<Uint8Array>, maxMemory: number): AsyncIterable<Uint8Array>
}

/** Hashing and compression, as a runtime provides them. */
export interface Platform {
  /** `node` or `portable`, or the name of an implementation outside this library. */
  readonly name: string
  /** Returns the SHA-256 of `parts`, joined. The fast way for small files. */
  sha256(...parts: readonly Uint8Array[]): Checksum
  /** Starts a SHA-256 of data that comes piece by piece. */
  createSha256(): Hasher
  /**
   * Compresses `bytes` to a raw deflate stream, synchronously.
   * @param level 0 to 9
   * @throws {UsageError} on another level
   */
  deflateRaw(bytes: Uint8Array, level: number): Uint8Array
  /**
   * Decompresses one raw deflate stream, synchronously. Bytes after its end are ignored.
   * @param size expected number of decompressed bytes
   * @throws {CompressionError} if the stream is malformed, truncated, or has another size
   */
  inflateRaw(bytes: Uint8Array, size: number): Uint8Array
  /**
   * Decompresses a whole stream: all gzip members, all zstd frames, all xz and bzip2 streams.
   * Skippable zstd frames are skipped, zeros after the last gzip member or bzip2 stream are allowed, and bytes after the end of raw deflate are ignored. Chunks have about 1 MiB; their
   * memory may be reused once the next chunk is requested. The source is read to its end, unless the reader stops
   * before; then the source's iterator is returned.
   * @throws {CompressionError} if the stream is malformed, truncated, or does not match its checksum
   * @throws {LimitError} if there are more than `maxBytes` decompressed bytes, or a zstd frame has a window over 128 MiB, or
   *   an xz block a dictionary over 128 MiB
   * @throws {UnsupportedError} if a zstd frame needs a dictionary, or xz data have a filter other than LZMA2
   */
  decompress(
    kind: DecompressionKind,
    from: AsyncIterable<Uint8Array>,
    options?: DecompressOptions,
  ): AsyncIterable<Uint8Array>
  /**
   * Compresses a stream. The result does not depend on how the source is cut into chunks. The source may reuse the
   * memory of a chunk once the next one is requested.
   * @throws {UnsupportedError} if the runtime has no encoder for `kind`; raised before the source is read
   */
  compress(kind: CompressionKind, from: AsyncIterable<Uint8Array>, options?: CompressOptions): AsyncIterable<Uint8Array>
  /** Returns a coder of xz that is faster than `decompress`, and writes xz. Absent, or `undefined`, if there is none. */
  xz?(): XzCoder | undefined
}

/** Read access to local files, for images on a disk. Paths have the form the operating system uses. */
export interface LocalFiles {
  /**
   * Returns the kind of a file and its size in bytes, following symbolic links; `undefined` if it does not exist.
   * @throws {IoError} for other errors
   */
  stat(path: string): Promise<{ kind: 'file' | 'directory' | 'other'; size: number } | undefined>
  /**
   * Reads a file in chunks.
   * @param range in bytes: from `offset`, by default 0, for `length`, by default to the end of the file
   * @throws {IoError} if it cannot be read
   */
  stream(path: string, range?: { offset?: number; length?: number }): AsyncIterable<Uint8Array>
  /**
   * Reads a whole file.
   * @throws {LimitError} if it is larger than `limit` bytes
   * @throws {IoError} if it cannot be read
   */
  read(path: string, limit: number): Promise<Uint8Array>
  /** Joins parts of a path. */
  join(...parts: string[]): string
}

/** A file open for writing, from its start to its end. */
export interface FileWriter {
  /**
   * Appends `bytes`, whose memory may be reused once the promise resolves.
   * @throws {IoError} if they cannot be written
   */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Closes the file. No other call may follow.
   * @param sync also waits until the content is on the disk (fsync)
   */
  close(sync?: boolean): Promise<void>
}

/** Read and write access to local files, for images that are written to a disk. */
export interface WritableFiles extends LocalFiles {
  /**
   * Creates a directory, unless it exists.
   * @throws {IoError} if its parent does not exist, or for other errors
   */
  createDirectory(path: string): Promise<void>
  /**
   * Creates a private temporary directory in `parent`, and removes those left by processes that have died.
   * @returns its path
   */
  createTemporary(parent: string): Promise<string>
  /**
   * Creates a file, or empties an existing one, and opens it for writing.
   * @throws {IoError} if that fails
   */
  createFile(path: string): Promise<FileWriter>
  /**
   * Renames a file or directory, atomically within a file system. A file at `to` is replaced.
   * @throws {IoError} if that fails
   */
  rename(from: string, to: string): Promise<void>
  /**
   * Returns the names in a directory, in any order.
   * @throws {IoError} if that fails
   */
  list(path: string): Promise<string[]>
  /**
   * Removes a file, or a directory with its contents, if it exists.
   * @throws {IoError} if that fails
   */
  remove(path: string): Promise<void>
  /** Returns the path of the directory that contains `path`. */
  parent(path: string): string
}
