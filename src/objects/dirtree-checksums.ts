/**
 * Reads the entries of a dirtree from its bytes when they are asked for. A directory can have millions of entries, and an
 * object for each takes about ten times the memory of the bytes. `(a(say)a(sayay))` has no padding, so the framing
 * offsets say where everything is.
 */

import { type Checksum, compareBytes, decodeUtf8, encodeUtf8, toHex } from '../bytes.ts'
import { type OffsetWidth, offsetWidth, offsetWidthFor, readOffset } from '../gvariant/internal.ts'

/** The entries of a dirtree. */
export interface DirTreeChecksums {
  readonly files: DirTreeEntries
  readonly dirs: DirTreeEntries
}

const CHECKSUM = 32
const SLASH = 0x2f
const DOT = 0x2e
const NONE = new Uint8Array(0)

/** The files or the directories of a well-formed dirtree, by index in byte order of their names. */
export class DirTreeEntries implements Iterable<number> {
  readonly #bytes: Uint8Array
  /** Where the first entry begins. */
  readonly #start: number
  /** Where the table of the ends of the entries begins. The ends are relative to `#start`. */
  readonly #table: number
  readonly #width: OffsetWidth
  /** Checksums of an entry: one of a file, two of a directory. */
  readonly #count: 1 | 2
  readonly length: number

  /** @param width bytes of an offset in the table */
  constructor(bytes: Uint8Array, start: number, table: number, width: OffsetWidth, count: 1 | 2, length: number) {
    this.#bytes = bytes
    this.#start = start
    this.#table = table
    this.#width = width
    this.#count = count
    this.length = length
  }

  /** Returns where an entry begins, which is the end of the one before. */
  start(index: number): number {
    if (index === 0) return this.#start
    return this.#start + readOffset(this.#bytes, this.#table + (index - 1) * this.#width, this.#width)
  }

  /**
   * Returns the offset in the bytes of the checksums of an entry: of a file 32 bytes, of a directory 32 of its dirtree, then
   * 32 of its dirmeta.
   */
  offset(index: number): number {
    const from = this.start(index)
    const to = this.start(index + 1)
    return to - this.#count * (offsetWidth(to - from) + CHECKSUM)
  }

  #nameBytes(index: number): Uint8Array {
    return this.#bytes.subarray(this.start(index), this.offset(index) - 1)
  }

  name(index: number): string {
    return decodeUtf8(this.#nameBytes(index)) as string
  }

  /** Returns the checksum of a file, or that of the dirtree of a directory. */
  checksum(index: number): Checksum {
    return checksumAt(this.#bytes, this.offset(index))
  }

  /** Returns the checksums of a directory. */
  directory(index: number): { readonly tree: Checksum; readonly meta: Checksum } {
    return directoryAt(this.#bytes, this.offset(index))
  }

  /** Returns the index of the entry with that name, or -1. */
  indexOf(name: string): number {
    const wanted = encodeUtf8(name)
    // A lone surrogate is encoded as U+FFFD.
    if (decodeUtf8(wanted) !== name) return -1
    for (let low = 0, high = this.length - 1; low <= high; ) {
      const middle = (low + high) >>> 1
      const order = compareBytes(this.#nameBytes(middle), wanted)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** Returns the same entries in memory of their own, so that the other half of the dirtree can be freed. */
  detached(): DirTreeEntries {
    const bytes = this.length === 0 ? NONE : this.#bytes.slice(this.#start, this.#table + this.length * this.#width)
    return new DirTreeEntries(bytes, 0, this.#table - this.#start, this.#width, this.#count, this.length)
  }

  /** Iterates over the offsets of the checksums. */
  *[Symbol.iterator](): Generator<number, undefined> {
    for (let index = 0; index < this.length; index++) yield this.offset(index)
  }
}

/**
 * Locates the entries of a dirtree.
 * @returns `undefined` unless the dirtree is well-formed: in normal form, with valid, sorted and unique names and
 *   checksums of 32 bytes. `validateDirTree` or a decoder then finds what is wrong.
 */
export function locateChecksums(bytes: Uint8Array): DirTreeChecksums | undefined {
  const { length } = bytes
  if (length === 0) return { files: readEntries(bytes, 0, 0, 1), dirs: readEntries(bytes, 0, 0, 2) } as DirTreeChecksums
  const width = offsetWidth(length)
  const end = length - width
  const middle = readOffset(bytes, end, width)
  if (middle > end || offsetWidthFor(end, 1) !== width) return undefined
  const files = readEntries(bytes, 0, middle, 1)
  const dirs = files && readEntries(bytes, middle, end, 2)
  if (files === undefined || dirs === undefined || haveNameInCommon(bytes, files, dirs)) return undefined
  return { files, dirs }
}

/** Reads the checksum that begins at `at`. */
export function checksumAt(bytes: Uint8Array, at: number): Checksum {
  return toHex(bytes, at, at + CHECKSUM) as Checksum
}

/** Reads the checksums of a directory that begin at `at`. */
export function directoryAt(bytes: Uint8Array, at: number): { readonly tree: Checksum; readonly meta: Checksum } {
  return { tree: checksumAt(bytes, at), meta: checksumAt(bytes, at + CHECKSUM) }
}

/**
 * Checks an array of entries. An entry is a name, `count` checksums, and the end offsets of all its members but the
 * last.
 * @returns `undefined` when an entry is malformed or the names are not strictly ascending
 */
function readEntries(bytes: Uint8Array, start: number, end: number, count: 1 | 2): DirTreeEntries | undefined {
  if (start === end) return new DirTreeEntries(bytes, start, end, 0, count, 0)
  const width = offsetWidth(end - start)
  if (end - start < width) return undefined
  const body = readOffset(bytes, end - width, width)
  const table = start + body
  const many = (end - table) / width
  if (table >= end || !Number.isInteger(many) || offsetWidthFor(body, many) !== width) return undefined
  let before = -1
  let beforeNul = -1
  for (let at = table, from = start; at < end; at += width) {
    const to = start + readOffset(bytes, at, width)
    if (to <= from || to > table) return undefined
    const entryWidth = offsetWidth(to - from)
    const nul = to - count * (entryWidth + CHECKSUM) - 1
    if (nul <= from || offsetWidthFor(nul + 1 - from + count * CHECKSUM, count) !== entryWidth) return undefined
    for (let i = 0; i < count; i++) {
      const ending = nul + 1 + i * CHECKSUM
      if (readOffset(bytes, to - (i + 1) * entryWidth, entryWidth) !== ending - from) return undefined
    }
    if (!isName(bytes, from, nul)) return undefined
    if (before >= 0 && compareNames(bytes, before, beforeNul, from, nul) >= 0) return undefined
    before = from
    beforeNul = nul
    from = to
  }
  return new DirTreeEntries(bytes, start, table, width, count, many)
}

/** Tests whether `bytes[start, nul)` is a valid file name and a NUL follows it. */
function isName(bytes: Uint8Array, start: number, nul: number): boolean {
  if (bytes[nul] !== 0) return false
  let above = 0
  for (let at = start; at < nul; at++) {
    const byte = bytes[at] as number
    if (byte === 0 || byte === SLASH) return false
    above |= byte
  }
  if (nul - start <= 2 && bytes[start] === DOT && bytes[nul - 1] === DOT) return false
  return above < 0x80 || decodeUtf8(bytes.subarray(start, nul)) !== undefined
}

/** Compares `bytes[a, aEnd)` with `bytes[b, bEnd)`, in byte order. */
function compareNames(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  const shared = Math.min(aEnd - a, bEnd - b)
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[a + i] as number) - (bytes[b + i] as number)
    if (difference !== 0) return difference
  }
  return aEnd - a - (bEnd - b)
}

/** Tests whether a name is in both lists, which are sorted, so that one pass finds it. */
function haveNameInCommon(bytes: Uint8Array, files: DirTreeEntries, dirs: DirTreeEntries): boolean {
  for (let f = 0, d = 0; f < files.length && d < dirs.length; ) {
    const order = compareNames(bytes, files.start(f), files.offset(f) - 1, dirs.start(d), dirs.offset(d) - 1)
    if (order === 0) return true
    if (order < 0) f++
    else d++
  }
  return false
}
