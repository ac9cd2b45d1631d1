/**
 * Finds the checksums in the bytes of a dirtree without decoding it, for walks over whole repositories, which do not
 * need the names. `(a(say)a(sayay))` has no padding, so only the framing offsets have to be read.
 */

import { type Checksum, decodeUtf8, toHex } from '../bytes.ts'
import { offsetWidth, offsetWidthFor, readOffset } from '../gvariant/internal.ts'

/** Offsets of checksums in the bytes of a dirtree. */
export interface DirTreeChecksums {
  /** Offset of each file's checksum, 32 bytes. */
  readonly files: readonly number[]
  /** Offset of each directory's checksums: 32 bytes of its dirtree, then 32 of its dirmeta. */
  readonly dirs: readonly number[]
}

const CHECKSUM = 32
const SLASH = 0x2f
const DOT = 0x2e

/**
 * Locates the checksums of a dirtree.
 * @returns `undefined` unless the dirtree is well-formed: in normal form, with valid, sorted and unique names and
 *   checksums of 32 bytes. `validateDirTree` or a decoder then finds what is wrong.
 */
export function locateChecksums(bytes: Uint8Array): DirTreeChecksums | undefined {
  const { length } = bytes
  if (length === 0) return { files: [], dirs: [] }
  const width = offsetWidth(length)
  const end = length - width
  const middle = readOffset(bytes, end, width)
  if (middle > end || offsetWidthFor(end, 1) !== width) return undefined
  const files = readEntries(bytes, 0, middle, 1)
  const dirs = files && readEntries(bytes, middle, end, 2)
  if (dirs === undefined || haveNameInCommon(bytes, files as Entries, dirs)) return undefined
  return { files: (files as Entries).checksums, dirs: dirs.checksums }
}

/** Reads the checksum that begins at `at`. */
export function checksumAt(bytes: Uint8Array, at: number): Checksum {
  return toHex(bytes, at, at + CHECKSUM) as Checksum
}

/** Reads the checksums of a directory that begin at `at`. */
export function directoryAt(bytes: Uint8Array, at: number): { readonly tree: Checksum; readonly meta: Checksum } {
  return { tree: checksumAt(bytes, at), meta: checksumAt(bytes, at + CHECKSUM) }
}

interface Entries {
  /** Start and end of each name, without its NUL. */
  readonly names: number[]
  readonly checksums: number[]
}

/**
 * Reads an array of entries. An entry is a name, `count` checksums, and the end offsets of all its members but the
 * last.
 * @returns `undefined` when an entry is malformed or the names are not strictly ascending
 */
function readEntries(bytes: Uint8Array, start: number, end: number, count: number): Entries | undefined {
  const names: number[] = []
  const checksums: number[] = []
  if (start === end) return { names, checksums }
  const width = offsetWidth(end - start)
  if (end - start < width) return undefined
  const body = readOffset(bytes, end - width, width)
  const table = start + body
  const many = (end - table) / width
  if (table >= end || !Number.isInteger(many) || offsetWidthFor(body, many) !== width) return undefined
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
    if (names.length > 0 && compareNames(bytes, names, names.length - 2, from, nul) >= 0) return undefined
    names.push(from, nul)
    checksums.push(nul + 1)
    from = to
  }
  return { names, checksums }
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

/** Compares the name at `index` of `names` with `bytes[start, end)`, in byte order. */
function compareNames(bytes: Uint8Array, names: readonly number[], index: number, start: number, end: number): number {
  const before = names[index] as number
  const length = (names[index + 1] as number) - before
  const shared = Math.min(length, end - start)
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[before + i] as number) - (bytes[start + i] as number)
    if (difference !== 0) return difference
  }
  return length - (end - start)
}

/** Tests whether a name is in both lists, which are sorted, so that one pass finds it. */
function haveNameInCommon(bytes: Uint8Array, files: Entries, dirs: Entries): boolean {
  for (let f = 0, d = 0; f < files.names.length && d < dirs.names.length; ) {
    const order = compareNames(bytes, files.names, f, dirs.names[d] as number, dirs.names[d + 1] as number)
    if (order === 0) return true
    if (order < 0) f += 2
    else d += 2
  }
  return false
}
