/**
 * Bytes that are read at any place, and are too many for memory: the unpacked part of a static delta, or a large file
 * that a delta changes.
 */

import { type Content, concatBytes, SMALL_FILE } from '../../bytes.ts'
import type { Storage } from './interface.ts'
import type { RandomAccess, Scratch } from './random-access.ts'

/** Most bytes that are kept in memory before they go to the scratch space of the storage: 16 MiB. */
const MOST_IN_MEMORY = 16 << 20

/** Bytes that are read at least: 16 KiB. */
const LEAST_READ = 1 << 14

/** Bytes in memory. A piece has at most SMALL_FILE bytes, all but the last one exactly as many. */
class MemoryScratch implements Scratch {
  readonly pieces: Uint8Array[] = []
  size = 0

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const used = this.size % SMALL_FILE
      if (used === 0) this.pieces.push(new Uint8Array(Math.min(SMALL_FILE, Math.max(bytes.length - at, 4096))))
      let piece = this.pieces.at(-1) as Uint8Array
      const count = Math.min(bytes.length - at, SMALL_FILE - used)
      if (used + count > piece.length) {
        const larger = new Uint8Array(Math.min(SMALL_FILE, Math.max(used + count, 2 * piece.length)))
        larger.set(piece)
        piece = larger
        this.pieces[this.pieces.length - 1] = piece
      }
      piece.set(bytes.subarray(at, at + count), used)
      this.size += count
      at += count
    }
  }

  read(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const piece = this.pieces[Math.floor((offset + at) / SMALL_FILE)] as Uint8Array
      const within = (offset + at) % SMALL_FILE
      const part = piece.subarray(within, Math.min(SMALL_FILE, within + into.length - at))
      into.set(part, at)
      at += part.length
    }
  }

  close(): void {
    this.pieces.length = 0
  }
}

/** Keeps bytes in memory until they are too many, then in the scratch space of a storage. */
class SpillingScratch implements Scratch {
  #bytes: Scratch
  #spill: (() => Scratch) | undefined
  readonly #most: number

  constructor(spill: (() => Scratch) | undefined, most: number) {
    this.#bytes = new MemoryScratch()
    this.#spill = spill
    this.#most = most
  }

  get size(): number {
    return this.#bytes.size
  }

  write(bytes: Uint8Array): void {
    if (this.#spill !== undefined && this.#bytes instanceof MemoryScratch && this.size + bytes.length > this.#most) {
      const { pieces, size } = this.#bytes
      const file = this.#spill()
      this.#spill = undefined
      this.#bytes = file
      try {
        for (const [i, piece] of pieces.entries())
          file.write(piece.subarray(0, Math.min(piece.length, size - i * SMALL_FILE)))
      } finally {
        pieces.length = 0
      }
    }
    this.#bytes.write(bytes)
  }

  read(offset: number, into: Uint8Array): void {
    this.#bytes.read(offset, into)
  }

  close(): void {
    this.#bytes.close()
  }
}

/**
 * Creates a place for bytes that are needed for a while: in memory for up to `most` bytes, then in the scratch space of
 * the storage, if it has one.
 */
export function createScratch(storage: Storage, most = MOST_IN_MEMORY): Scratch {
  return new SpillingScratch(storage.createScratch?.bind(storage), most)
}

/** Returns bytes that are in memory as what is read at any place. */
export function accessTo(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    close: () => {},
  }
}

/** Copies content to where it can be read at any place. Content in memory is not copied. */
export async function accessToContent(storage: Storage, content: Content): Promise<RandomAccess> {
  if (content instanceof Uint8Array) return accessTo(content)
  const scratch = createScratch(storage)
  try {
    for await (const chunk of content) scratch.write(chunk)
    return scratch
  } catch (error) {
    scratch.close()
    throw error
  }
}

/** Yields the bytes from `start` to `end` in chunks, whose memory is reused. */
export async function* streamAccess(
  access: RandomAccess,
  start = 0,
  end = access.size,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(Math.min(SMALL_FILE, end - start))
  for (let at = start; at < end; ) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, end - at))
    access.read(at, chunk)
    at += chunk.length
    yield chunk
  }
}

/** Reads many small ranges, most of them one after another, through a buffer. */
export class BufferedAccess {
  readonly size: number
  readonly #access: RandomAccess
  readonly #buffer: Uint8Array
  #start = 0
  #end = 0

  /** @param buffer size of the buffer in bytes */
  constructor(access: RandomAccess, buffer = SMALL_FILE) {
    this.size = access.size
    this.#access = access
    this.#buffer = new Uint8Array(Math.min(buffer, access.size))
  }

  /** Size of the largest view, in bytes. */
  get most(): number {
    return this.#buffer.length
  }

  /**
   * Returns a view of `length` bytes at `offset`, which is valid until the next call. The range has to lie within the
   * bytes, and fit into the buffer.
   */
  view(offset: number, length: number): Uint8Array {
    if (offset < this.#start || offset + length > this.#end) {
      // Behind the last bytes the whole buffer is filled, as more will be read there; elsewhere perhaps nothing will.
      const reading = offset >= this.#start && offset <= this.#end
      const wanted = reading ? this.#buffer.length : Math.max(length, LEAST_READ)
      const count = Math.min(wanted, this.#buffer.length, this.size - offset)
      this.#end = this.#start = offset
      this.#access.read(offset, this.#buffer.subarray(0, count))
      this.#end = offset + count
    }
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length)
  }

  /** Returns a copy of `length` bytes at `offset`, of any length. */
  copy(offset: number, length: number): Uint8Array {
    if (length <= this.#buffer.length) return concatBytes([this.view(offset, length)])
    const bytes = new Uint8Array(length)
    this.#access.read(offset, bytes)
    return bytes
  }
}
