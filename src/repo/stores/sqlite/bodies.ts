/**
 * How content is stored: up to SMALL_FILE bytes in the row of the object, beside its header; above that in rows of the
 * table `chunks`. With compression on, each is a raw deflate stream (RFC 1951) if that is shorter. So a blob that is
 * shorter than the content it holds is deflated; no other mark says so.
 */

import { EMPTY_BYTES, SMALL_FILE } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import type { Connection, Statement } from './connection.ts'
import { blobOf } from './values.ts'

/** Bytes of content in every chunk except the last. */
const CHUNK = SMALL_FILE
/** Chunks of a body are numbered from `body * CHUNKS_PER_BODY`: room for 1 TiB each, and for 2^33 bodies below 2^53. */
const CHUNKS_PER_BODY = 2 ** 20
/** Bytes of the largest content that can be stored. */
export const MAX_CONTENT = CHUNK * CHUNKS_PER_BODY

/** Compresses content, and undoes it. `level` is 1 to 9, or 0 for no compression. */
export class Packing {
  readonly #platform: Platform
  level: number

  constructor(platform: Platform, level: number) {
    this.#platform = platform
    this.level = level
  }

  /** Deflates `content`. @returns `content` itself if that saves nothing */
  pack(content: Uint8Array): Uint8Array {
    if (this.level === 0 || content.length < 64) return content
    const deflated = this.#platform.deflateRaw(content, this.level)
    return deflated.length < content.length ? deflated : content
  }

  /**
   * Returns the content that a blob holds, in an array that nothing else refers to.
   * @param size bytes of content
   * @throws {CompressionError}, {FormatError}
   */
  unpack(stored: unknown, size: number): Uint8Array {
    const bytes = blobOf(stored, 'content')
    if (bytes.length === size) return bytes
    if (bytes.length > size) throw new FormatError('content', `${bytes.length} bytes stored of an object of ${size}`)
    return this.#platform.inflateRaw(bytes, size)
  }
}

export interface BodyChunks {
  write(bytes: Uint8Array): void
  /** Stores the last chunk. @returns the number of the body */
  end(): number
  /** Deletes the chunks stored so far; may be called twice. */
  drop(): void
}

export class Chunks {
  readonly #packing: Packing
  readonly #connection: Connection
  readonly #insert: Statement
  readonly #select: Statement<{ data: unknown }>
  readonly #delete: Statement
  readonly #size: Statement<{ size: number | null }>
  readonly #last: Statement<{ n: number | null }>
  readonly #deleteOrphans: Statement
  /** CHUNK bytes that no writer uses. */
  #spare: Uint8Array | undefined

  constructor(connection: Connection, packing: Packing) {
    this.#packing = packing
    this.#connection = connection
    this.#insert = connection.prepare('INSERT INTO chunks VALUES (?, ?)')
    this.#select = connection.prepare('SELECT data FROM chunks WHERE n = ?')
    this.#delete = connection.prepare('DELETE FROM chunks WHERE n >= ? AND n < ?')
    this.#size = connection.prepare('SELECT sum(length(data)) AS size FROM chunks WHERE n >= ? AND n < ?')
    this.#deleteOrphans = connection.prepare(
      `DELETE FROM chunks WHERE n / ${CHUNKS_PER_BODY} NOT IN (SELECT body FROM objects WHERE size > ${SMALL_FILE})`,
    )
    this.#last = connection.prepare('SELECT max(n) AS n FROM chunks')
  }

  #takeChunk(): Uint8Array {
    const chunk = this.#spare ?? new Uint8Array(CHUNK)
    this.#spare = undefined
    return chunk
  }

  /** Returns a number that no body has. */
  #nextBody(): number {
    return Math.floor((this.#last.get()?.n ?? -1) / CHUNKS_PER_BODY) + 1
  }

  /**
   * Takes content in pieces of any length and stores it in chunks. The body gets its number with its first chunk, not
   * before: during a checkpoint another process could take the same number.
   */
  writer(): BodyChunks {
    let chunk = this.#takeChunk()
    let filled = 0
    let body: number | undefined
    let seq = 0
    const flush = (): number => {
      body ??= this.#nextBody()
      if (filled > 0) this.#insert.run(body * CHUNKS_PER_BODY + seq++, this.#packing.pack(chunk.subarray(0, filled)))
      filled = 0
      return body
    }
    const release = (): void => {
      if (chunk.length > 0) this.#spare = chunk
      chunk = EMPTY_BYTES
    }
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          const part = bytes.subarray(at, at + CHUNK - filled)
          chunk.set(part, filled)
          filled += part.length
          at += part.length
          if (filled === CHUNK) flush()
        }
      },
      end: () => {
        const number = flush()
        release()
        return number
      },
      drop: () => {
        release()
        if (body !== undefined) this.delete(body)
      },
    }
  }

  /** Reads one chunk at a time, in a statement each, so that nothing stays open if the reader stops early. */
  async *read(body: number, size: number): AsyncIterable<Uint8Array> {
    const first = body * CHUNKS_PER_BODY
    for (let at = 0; at < size; at += CHUNK) {
      const row = await this.#connection.read(() => this.#select.get(first + at / CHUNK))
      if (row === undefined) throw new FormatError('content', `Content of ${size} bytes ends at ${at}`)
      yield this.#packing.unpack(row.data, Math.min(CHUNK, size - at))
    }
  }

  delete(body: number): void {
    this.#delete.run(body * CHUNKS_PER_BODY, (body + 1) * CHUNKS_PER_BODY)
  }

  /** Deletes chunks that belong to no object: their process ended between a checkpoint and the end of a large file. */
  deleteOrphans(): void {
    this.#deleteOrphans.run()
  }

  /** Returns the bytes that the chunks of a body take. */
  storedSize(body: number): number {
    return this.#size.get(body * CHUNKS_PER_BODY, (body + 1) * CHUNKS_PER_BODY)?.size ?? 0
  }
}
