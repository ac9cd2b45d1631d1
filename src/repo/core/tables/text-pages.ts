/**
 * Texts in few bytes, for tables with very many of them: objects and strings would take several times as much memory.
 *
 * ```
 * text     length (LEB128) │ UTF-8 │ extra bytes of the table
 * ```
 *
 * A text does not go on from one page to the next. The hash is a polynomial with a random key, so that input cannot be
 * made whose texts have equal hashes.
 */

import { encodeUtf8 } from '../../../bytes.ts'

/** Bytes of a page. A longer text has a page of its own. */
const PAGE = 1 << 16
/** Bytes of the first page at the beginning, which grows to a whole one: most tables are small. */
const FIRST_PAGE = 512
/** Length of a string, in UTF-16 units, up to which it is encoded without a temporary array. */
const SHORT = 128
/** Most bytes of a length. */
const LENGTH = 5

/** The largest prime below 2^26: products of two smaller numbers are exact. */
const PRIME = 67_108_859

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const LONE_SURROGATE = /\p{Surrogate}/u

/** What ES2024 adds to `ArrayBuffer`; engines before it ignore the options and lack the members. */
interface ResizableBuffer extends ArrayBuffer {
  readonly resizable?: boolean
  resize(size: number): void
}
const ResizableBuffer = ArrayBuffer as unknown as new (size: number, options: { maxByteLength: number }) => ArrayBuffer

/** Bytes from which memory is worth giving back at once. */
const LARGE = 1 << 19

/**
 * Allocates `size` bytes that `free` can give back, if they are many. As soon as a program has an array of such memory, V8 is
 * slower with all typed arrays: a commit of 30,000 files took a tenth longer.
 */
export function memory(size: number): ArrayBuffer {
  return size < LARGE ? new ArrayBuffer(size) : releasable(size)
}

function releasable(size: number): ArrayBuffer {
  return new ResizableBuffer(size, { maxByteLength: size })
}

let decodes: boolean | undefined

/** Returns whether `TextDecoder` reads memory that can be resized: Node does, browsers do not. */
function decodesResizable(): boolean {
  if (decodes !== undefined) return decodes
  try {
    decoder.decode(new Uint8Array(releasable(1)))
    decodes = true
  } catch {
    decodes = false
  }
  return decodes
}

/** Frees the memory of arrays without waiting for a garbage collection, if the engine can. They are empty then. */
export function free(...arrays: readonly { readonly buffer: ArrayBufferLike }[]): void {
  for (const { buffer } of arrays) {
    const resizable = buffer as ResizableBuffer
    if (resizable.resizable === true) resizable.resize(0)
  }
}

/** Where the bytes of a text are. */
export interface TextSpan {
  readonly page: Uint8Array
  readonly start: number
  readonly end: number
}

/** Texts by position. */
export class TextPages {
  readonly #pages: (Uint8Array | undefined)[] = []
  /** Bytes used of the last page. */
  #used = 0
  /** Number of pages that `releaseBefore` has freed. */
  #released = 0
  readonly #key = 1 + Math.floor(Math.random() * (PRIME - 1))
  #scratch: Uint8Array = new Uint8Array(SHORT)
  readonly #releasable: boolean

  /** @param releasable whether `release` and `releaseBefore` give memory back at once, if it is much */
  constructor(releasable = false) {
    this.#releasable = releasable
  }

  /**
   * Encodes a text into the scratch buffer, for `append`, `hash` and `equals`.
   * @returns its length in bytes; -1 for a text with a lone surrogate, which has no encoding
   */
  encode(text: string): number {
    if (text.length <= SHORT) {
      let i = 0
      for (; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (code >= 0x80) break
        this.#scratch[i] = code
      }
      if (i === text.length) return i
    }
    if (LONE_SURROGATE.test(text)) return -1
    const bytes = encodeUtf8(text)
    if (bytes.length > this.#scratch.length) this.#scratch = bytes
    else this.#scratch.set(bytes)
    return bytes.length
  }

  /**
   * Appends the first bytes of the scratch buffer as a text.
   * @param extra bytes that are left free behind the text
   * @returns its position, below 2^32 for less than 4 GiB of texts
   */
  append(length: number, extra = 0): number {
    const needed = LENGTH + length + extra
    const page = this.#pageFor(needed)
    const position = (this.#pages.length - 1) * PAGE + this.#used
    let at = this.#used
    let rest = length
    for (; rest >= 0x80; rest >>>= 7) page[at++] = (rest & 0x7f) | 0x80
    page[at++] = rest
    for (let i = 0; i < length; i++) page[at + i] = this.#scratch[i] as number
    this.#used = at + length + extra
    return position
  }

  /** Returns the last page if there is room in it, or a new one. */
  #pageFor(needed: number): Uint8Array {
    const last = this.#pages.at(-1)
    if (last !== undefined && this.#used + needed <= last.length) return last
    if (this.#pages.length <= 1 && this.#used + needed <= PAGE) {
      let size = last?.length ?? FIRST_PAGE
      while (size < this.#used + needed) size *= 2
      const page = this.#newPage(size)
      if (last !== undefined) {
        page.set(last)
        free(last)
      }
      this.#pages[0] = page
      return page
    }
    this.#used = 0
    const page = this.#newPage(Math.max(needed, PAGE))
    this.#pages.push(page)
    return page
  }

  #newPage(size: number): Uint8Array {
    const isMuch = this.#releasable && this.#pages.length * PAGE >= LARGE
    return new Uint8Array(isMuch ? releasable(size) : new ArrayBuffer(size))
  }

  /** Returns where the bytes of a text are, which is valid until the next call of `append`. */
  spanAt(position: number): TextSpan {
    const page = this.#pages[Math.floor(position / PAGE)] as Uint8Array
    let at = position % PAGE
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = page[at++] as number
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) return { page, start: at, end: at + length }
    }
  }

  /** Returns a text. */
  at(position: number): string {
    const { page, start, end } = this.spanAt(position)
    const isReadable = (page.buffer as ResizableBuffer).resizable !== true || decodesResizable()
    return decoder.decode(isReadable ? page.subarray(start, end) : page.slice(start, end))
  }

  /** Tells whether a text is the one of `length` bytes in the scratch buffer. */
  equals(position: number, length: number): boolean {
    const { page, start, end } = this.spanAt(position)
    if (end - start !== length) return false
    for (let i = 0; i < length; i++) if (page[start + i] !== this.#scratch[i]) return false
    return true
  }

  /** Compares two texts by their bytes, as `compareBytes` does. */
  compare(a: number, b: number): number {
    const left = this.spanAt(a)
    const right = this.spanAt(b)
    const most = Math.min(left.end - left.start, right.end - right.start)
    for (let i = 0; i < most; i++) {
      const difference = (left.page[left.start + i] as number) - (right.page[right.start + i] as number)
      if (difference !== 0) return difference
    }
    return left.end - left.start - (right.end - right.start)
  }

  /** Returns the hash of the first bytes of the scratch buffer: a number of 26 bits. @param seed a number below 2^32 */
  hash(seed: number, length: number): number {
    return this.#hash(seed, this.#scratch, 0, length)
  }

  /** Returns the hash of a text. */
  hashAt(seed: number, position: number): number {
    const { page, start, end } = this.spanAt(position)
    return this.#hash(seed, page, start, end)
  }

  /** Three bytes at a time are the coefficients. Their number is not hashed, because a name has no NUL at its end. */
  #hash(seed: number, bytes: Uint8Array, start: number, end: number): number {
    const key = this.#key
    let hash = (seed + 1) % PRIME
    for (let i = start; i < end; i += 3) {
      const second = i + 1 < end ? (bytes[i + 1] as number) : 0
      const third = i + 2 < end ? (bytes[i + 2] as number) : 0
      hash = (hash * key + (bytes[i] as number) + (second << 8) + (third << 16)) % PRIME
    }
    // Tables take the lowest bits.
    return Math.floor((hash * key) % PRIME)
  }

  /** Frees the pages in front of the one that has this text. Their texts must not be asked for again. */
  releaseBefore(position: number): void {
    const page = Math.floor(position / PAGE)
    for (; this.#released < page; this.#released++) this.#free(this.#released)
  }

  /** Frees all pages. */
  release(): void {
    for (let page = this.#released; page < this.#pages.length; page++) this.#free(page)
  }

  #free(number: number): void {
    const page = this.#pages[number]
    if (page !== undefined) free(page)
    this.#pages[number] = undefined
  }
}
