/**
 * Content as it lies in the file: whole beside its header when it is small, in chunks of their own when it is large, and
 * deflated where that is asked for and saves space. What is shorter than the content it stands for is deflated.
 */

import { SMALL_FILE } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import type { Connection, Statement } from './connection.ts'
import { blobOf } from './values.ts'

/** Bytes of content in a chunk, but the last. */
const CHUNK = SMALL_FILE
/** Chunks are numbered from `body * CHUNKS_PER_BODY`: room for 1 TiB each, and for 2^33 bodies below 2^53. */
const CHUNKS_PER_BODY = 2 ** 20
/** Largest content that fits. */
export const MAX_CONTENT = CHUNK * CHUNKS_PER_BODY

/** The packing of content and how to undo it. `level` 0 leaves it as it is. */
export class Packing {
  readonly #platform: Platform
  level: number

  constructor(platform: Platform, level: number) {
    this.#platform = platform
    this.level = level
  }

  /** @returns `content` itself when deflating it saves nothing */
  pack(content: Uint8Array): Uint8Array {
    if (this.level === 0 || content.length < 64) return content
    const deflated = this.#platform.deflateRaw(content, this.level)
    return deflated.length < content.length ? deflated : content
  }

  /** @param size bytes of content. @returns an array of its own. @throws {CompressionError}, {FormatError} */
  unpack(stored: unknown, size: number): Uint8Array {
    const bytes = blobOf(stored, 'content')
    if (bytes.length === size) return bytes
    if (bytes.length > size) throw new FormatError('content', `${bytes.length} bytes stored of an object of ${size}`)
    return this.#platform.inflateRaw(bytes, size)
  }
}

export interface BodyChunks {
  write(bytes: Uint8Array): void
  /** @returns the number of the body */
  end(): number
  /** Deletes what was stored; may be called twice. */
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
  readonly #sweep: Statement

  constructor(connection: Connection, packing: Packing) {
    this.#packing = packing
    this.#connection = connection
    this.#insert = connection.prepare('INSERT INTO chunks VALUES (?, ?)')
    this.#select = connection.prepare('SELECT data FROM chunks WHERE n = ?')
    this.#delete = connection.prepare('DELETE FROM chunks WHERE n >= ? AND n < ?')
    this.#size = connection.prepare('SELECT sum(length(data)) AS size FROM chunks WHERE n >= ? AND n < ?')
    this.#sweep = connection.prepare(
      `DELETE FROM chunks WHERE n / ${CHUNKS_PER_BODY} NOT IN (SELECT body FROM objects WHERE size > ${SMALL_FILE})`,
    )
    this.#last = connection.prepare('SELECT max(n) AS n FROM chunks')
  }

  /** A number no body has. */
  nextBody(): number {
    return Math.floor((this.#last.get()?.n ?? -1) / CHUNKS_PER_BODY) + 1
  }

  /**
   * Takes content in pieces of any length and stores it in chunks. The body has no number before its first chunk: a
   * checkpoint may come in between, and another process take the number.
   */
  writer(): BodyChunks {
    const chunk = new Uint8Array(CHUNK)
    let filled = 0
    let body: number | undefined
    let seq = 0
    const flush = (): number => {
      body ??= this.nextBody()
      if (filled > 0) this.#insert.run(body * CHUNKS_PER_BODY + seq++, this.#packing.pack(chunk.subarray(0, filled)))
      filled = 0
      return body
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
      end: flush,
      drop: () => {
        if (body !== undefined) this.delete(body)
      },
    }
  }

  /** Asks for one chunk at a time: nothing stays open when the reader leaves early. */
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

  /** Deletes bodies no file has: of a process that died between a checkpoint and the end of a large file. */
  sweep(): void {
    this.#sweep.run()
  }

  /** Bytes stored. */
  storedSize(body: number): number {
    return this.#size.get(body * CHUNKS_PER_BODY, (body + 1) * CHUNKS_PER_BODY)?.size ?? 0
  }
}
