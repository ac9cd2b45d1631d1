/**
 * Mode archive: each file object, also a symbolic link, is a regular file `.filez` with header, size and compressed
 * content. Any web server can serve these, and they need no special owner or xattrs.
 */

import { closeSync } from 'node:fs'
import { type Checksum, EMPTY_BYTES, type MaybePromise, readAll, SMALL_FILE } from '../../../../bytes.ts'
import { CompressionError, FormatError, IoError, LimitError, withContext } from '../../../../errors.ts'
import {
  decodeFilezHeader,
  encodeFilezHeader,
  type FileHeader,
  type FileInfo,
  type FileObject,
  isSymlink,
} from '../../../../objects/index.ts'
import { framedSize } from '../../../../objects/internal.ts'
import type { Platform } from '../../../../platform/index.ts'
import type { ExactDeflate } from '../../../../platform/internal.ts'
import { ioError, withIo } from '../../../../system/errno.ts'
import {
  FOLLOW_FLAGS,
  type OpenedFile,
  readHeadFollowing,
  readRest,
  streamFile,
  writeAll,
} from '../../../../system/file-io.ts'
import type { ContentMode, LooseBody } from './content-mode.ts'
import { discard, NewFiles } from './new-file.ts'

const PERMISSIONS = 0o644
/** Bytes of a header: a few numbers, a link target, and xattrs, each of which Linux limits to 64 KiB. */
const MAX_HEADER = 16 << 20
/** Bytes of a small file's compressed content. Only a crafted stream is longer; it is read in pieces. */
const MAX_SMALL_FILEZ = 2 * SMALL_FILE
/** Bytes waiting to be compressed above which `drained` returns a promise. */
const QUEUE_LIMIT = 4 * SMALL_FILE

/** Holds one small file, so that it takes one system call to write. */
const joined = new Uint8Array(1 << 16)

/** Returns a view that is valid until the next call. */
function join(head: Uint8Array, content: Uint8Array): Uint8Array {
  joined.set(head)
  joined.set(content, head.length)
  return joined.subarray(0, head.length + content.length)
}

export class ArchiveContent implements ContentMode {
  readonly suffix = 'filez'
  readonly realLinks = false
  readonly #platform: Platform
  readonly #level: number
  readonly #files = new NewFiles()
  /** Compresses small files with the bytes of zlib; `undefined` when their bytes are free. */
  #exact: ExactDeflate | undefined

  /** @param level of compression, 1 to 9 */
  constructor(platform: Platform, level: number) {
    this.#platform = platform
    this.#level = level
  }

  begin(perObjectFsync: boolean, exact?: ExactDeflate): void {
    this.#files.begin(perObjectFsync)
    this.#exact = exact
  }

  stat(path: string): FileInfo | undefined {
    return readFilez(path, (file) => decodeHead(file, path).info)
  }

  read(path: string, checksum: Checksum): MaybePromise<FileObject> | undefined {
    return readFilez(path, (opened): MaybePromise<FileObject> => {
      const { info, bodyOffset } = decodeHead(opened, path)
      const { header, size } = info
      if (isSymlink(header)) return { header, size, body: EMPTY_BYTES }
      if (size > SMALL_FILE) return { header, size, body: this.#inflate(path, bodyOffset, size, checksum) }
      if (opened.size - bodyOffset > MAX_SMALL_FILEZ) {
        const body = readAll(this.#inflate(path, bodyOffset, size, checksum), size)
        return body.then((bytes) => ({ header, size, body: bytes }))
      }
      const { head } = opened
      const compressed = (head.length === opened.size ? head : readRest(opened, path)).subarray(bodyOffset)
      return {
        header,
        size,
        body: this.#inflateSmall(compressed, size) ?? this.#inflate(path, bodyOffset, size, checksum),
      }
    })
  }

  /** Inflates a small file. `undefined` if it is damaged: streaming it gives what can be read, and then the error. */
  #inflateSmall(compressed: Uint8Array, size: number): Uint8Array | undefined {
    try {
      return this.#platform.inflateRaw(compressed, size)
    } catch (error) {
      if (error instanceof CompressionError) return undefined
      throw error
    }
  }

  async *#inflate(
    path: string,
    offset: number,
    size: number,
    checksum: Checksum,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let length = 0
    try {
      for await (const chunk of this.#platform.decompress('deflate-raw', streamFile(path, offset, FOLLOW_FLAGS))) {
        length += chunk.length
        if (length > size) break
        yield chunk
      }
    } catch (error) {
      throw inWordsOfGio(error)
    }
    if (length === size) return
    const got = length > size ? 'more' : `${length} bytes`
    throw new FormatError(`${checksum}.file`, `Content of ${checksum}: expected ${size} bytes, got ${got}`)
  }

  create(path: string, header: FileHeader, body: Uint8Array): void {
    const size = isSymlink(header) ? 0 : body.length
    const head = encodeFilezHeader({ header, size })
    const content = isSymlink(header) ? EMPTY_BYTES : (this.#exact ?? this.#platform).deflateRaw(body, this.#level)
    const isJoined = head.length + content.length <= joined.length
    this.#files.create(path, PERMISSIONS, isJoined ? join(head, content) : head, (fd) => {
      if (!isJoined) writeAll(fd, content)
      this.#files.setPermissions(fd, PERMISSIONS)
    })
  }

  open(path: string, header: FileHeader, size: number): LooseBody {
    const fd = withIo(undefined, () => this.#files.open(path, PERMISSIONS))
    const queue = new ChunkQueue()
    const exact = this.#exact !== undefined
    const compress = async (): Promise<void> => {
      writeAll(fd, encodeFilezHeader({ header, size }))
      const deflated = this.#platform.compress('deflate-raw', queue, { level: this.#level, exact })
      for await (const chunk of deflated) writeAll(fd, chunk)
      this.#files.setPermissions(fd, PERMISSIONS)
      this.#files.flush(fd)
    }
    let state: 'open' | 'done' = 'open'
    let failure: unknown
    const compressed = compress().catch((error: unknown) => {
      failure = ioError(error)
      queue.close()
    })
    return {
      write(bytes) {
        if (failure !== undefined) throw failure
        // Not slice(), which returns a view of a Buffer.
        queue.push(new Uint8Array(bytes))
      },
      drained: () => queue.drained(),
      async finish() {
        queue.end()
        await compressed
        if (state === 'done') return
        state = 'done'
        if (failure !== undefined) {
          discard(fd, path)
          throw failure
        }
        closeSync(fd)
      },
      abort() {
        if (state === 'done') return
        state = 'done'
        queue.close()
        // The compressor may still write to the file, so it is closed when that has ended.
        return compressed.then(() => discard(fd, path))
      },
    }
  }
}

/** Returns the error of damaged content with the message of GLib's GZlibDecompressor, which ostree prints. */
function inWordsOfGio(error: unknown): unknown {
  if (!(error instanceof CompressionError)) return error
  const isCut = error.message === 'unexpected end of file'
  return error.withMessage(isCut ? 'Need more input' : 'Invalid compressed data', { cause: error })
}

/** Opens a file and calls `use` as `readHeadFollowing` does. A directory is an error in GLib's words, which ostree prints. */
function readFilez<T>(path: string, use: (file: OpenedFile) => T): T | undefined {
  try {
    return readHeadFollowing(path, true, use)
  } catch (error) {
    const isDirectory = error instanceof IoError && error.data.errno === 'EISDIR'
    throw isDirectory ? withContext('Error reading from file descriptor', error) : error
  }
}

/** Decodes the header of a `.filez`. The values refer to a copy of the bytes read. */
function decodeHead(file: OpenedFile, path: string): ReturnType<typeof decodeFilezHeader> {
  const { head, size } = file
  const end = framedSize(head, size)
  if (end > MAX_HEADER) throw new LimitError(path, MAX_HEADER)
  const bytes = end <= head.length ? head.slice(0, end) : readRest(file, path)
  return decodeFilezHeader(bytes, size)
}

/** A queue of chunks from a writer that does not wait to a consumer that may be slower. */
class ChunkQueue implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #arrived: (() => void) | undefined
  #emptied: { promise: Promise<void>; resolve: () => void } | undefined

  push(chunk: Uint8Array): void {
    if (this.#ended) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#arrived?.()
  }

  end(): void {
    this.#ended = true
    this.#arrived?.()
  }

  /** Drops the chunks: the consumer has stopped. */
  close(): void {
    this.#chunks = []
    this.#bytes = 0
    this.#release()
    this.end()
  }

  drained(): Promise<void> | undefined {
    if (this.#bytes <= QUEUE_LIMIT) return undefined
    if (this.#emptied === undefined) {
      let resolve = () => {}
      const promise = new Promise<void>((done) => {
        resolve = done
      })
      this.#emptied = { promise, resolve }
    }
    return this.#emptied.promise
  }

  #release(): void {
    this.#emptied?.resolve()
    this.#emptied = undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#bytes -= chunk.length
        if (this.#bytes <= QUEUE_LIMIT) this.#release()
        yield chunk
      } else if (this.#ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#arrived = resolve
        })
      }
    }
  }
}
