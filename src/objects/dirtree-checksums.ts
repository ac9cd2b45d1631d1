/**
 * What a dirtree names, found in its bytes without making values of them: for walks over whole repositories, which
 * want checksums and no names. `(a(say)a(sayay))` has no padding, so it is ends of things alone that have to be read.
 */

import { type Checksum, decodeUtf8, toHex } from '../bytes.ts'
import { offsetWidth, offsetWidthFor, readOffset } from '../gvariant/index.ts'

export interface DirTreeChecksums {
  /** Where the checksum of each file begins. */
  readonly files: readonly number[]
  /** Where that of each directory's dirtree begins; that of its dirmeta follows it. */
  readonly dirs: readonly number[]
}

const CHECKSUM = 32
const SLASH = 0x2f
const DOT = 0x2e

/**
 * @returns `undefined` unless all is right with it: normal form, names that may be names, sorted and all different,
 *   checksums that are some. What is wrong then, others know to tell.
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

/** The checksum that begins at `at`. */
export function checksumAt(bytes: Uint8Array, at: number): Checksum {
  return toHex(bytes, at, at + CHECKSUM) as Checksum
}

/** The directory whose checksums begin at `at`. */
export function directoryAt(bytes: Uint8Array, at: number): { readonly tree: Checksum; readonly meta: Checksum } {
  return { tree: checksumAt(bytes, at), meta: checksumAt(bytes, at + CHECKSUM) }
}

interface Entries {
  /** Start and end of each name, without its NUL. */
  readonly names: number[]
  readonly checksums: number[]
}

/** @param count checksums of each: what stands in an entry is a name, these, and the ends of all but the last */
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

/** Of `bytes[start, nul)`, and that a NUL ends it. */
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

/** Byte order of the name at `index` of `names` and that of `bytes[start, end)`. */
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

/** Both are sorted, so one walk finds it. */
function haveNameInCommon(bytes: Uint8Array, files: Entries, dirs: Entries): boolean {
  for (let f = 0, d = 0; f < files.names.length && d < dirs.names.length; ) {
    const order = compareNames(bytes, files.names, f, dirs.names[d] as number, dirs.names[d + 1] as number)
    if (order === 0) return true
    if (order < 0) f += 2
    else d += 2
  }
  return false
}
