/**
 * Sparse maps: the pieces of a file that are in the archive.
 *
 *     old GNU, type `S`   four (offset, length) pairs at 386 in the header, more in blocks of 21 after it
 *     PAX 0.0             records GNU.sparse.offset and GNU.sparse.numbytes, alternating
 *     PAX 0.1             record GNU.sparse.map, `offset,length,offset,length,…`
 *     PAX 1.0             decimal lines at the start of the data: count, then offset and length of each; padded to a block
 *
 * Source: GNU tar manual, "Storing Sparse Files"; sparse.c of GNU tar for the old layout.
 */

import { BLOCK, readNumber } from './header.ts'
import type { PaxRecord } from './interface.ts'
import { parseInteger } from './pax.ts'

/** Offsets and lengths of pieces in bytes, alternating, as read and not checked. */
export type SparseMap = number[]

const OLD_MAP = 386
const OLD_EXTENDED = 482
const OLD_REAL_SIZE = 483
const EXTENSION_EXTENDED = 504

/** Reads the pairs in an old GNU header block to `map`. Returns whether a block with more of them follows. */
export function readOldSparse(block: Uint8Array, at: number, map: SparseMap): boolean {
  readPairs(block, at + OLD_MAP, 4, map)
  return block[at + OLD_EXTENDED] !== 0
}

/** Returns the size of the whole file in an old GNU header block, in bytes. */
export function readOldRealSize(block: Uint8Array, at: number): number {
  return readNumber(block, at + OLD_REAL_SIZE, 12)
}

/** Reads a block of pairs after the header to `map`. Returns whether another follows. */
function readSparseExtension(block: Uint8Array, at: number, map: SparseMap): boolean {
  readPairs(block, at, 21, map)
  return block[at + EXTENSION_EXTENDED] !== 0
}

function readPairs(block: Uint8Array, at: number, count: number, map: SparseMap): void {
  for (let pair = at; pair < at + 24 * count && block[pair] !== 0; pair += 24)
    map.push(readNumber(block, pair, 12), readNumber(block, pair + 12, 12))
}

/** The information about a sparse file in a PAX header. */
export interface PaxSparse {
  /** Path of the file. */
  readonly name: Uint8Array | undefined
  /** Size of the whole file in bytes. */
  readonly realSize: number | undefined
  /** `body` for format 1.0, where the map is at the start of the data. */
  readonly map: SparseMap | 'body' | undefined
}

/**
 * Reads the records about a sparse file.
 * @returns `undefined` if there are none, an error message if they are malformed
 */
export function readPaxSparse(records: readonly PaxRecord[]): PaxSparse | string | undefined {
  let name: Uint8Array | undefined
  let realSize: number | undefined
  let map: SparseMap | undefined
  let major: number | undefined
  let minor: number | undefined
  let found = false
  for (const { key, value } of records) {
    if (!key.startsWith('GNU.sparse.')) continue
    found = true
    switch (key.slice(11)) {
      case 'name':
        name = value
        break
      case 'size':
      case 'realsize':
        realSize = parseInteger(value)
        break
      case 'major':
        major = parseInteger(value)
        break
      case 'minor':
        minor = parseInteger(value)
        break
      case 'map':
        map = parseMapRecord(value)
        if (map === undefined) return MALFORMED
        break
      case 'offset':
      case 'numbytes': {
        map ??= []
        // Offsets have even indices, lengths odd ones.
        if (map.length % 2 !== (key.endsWith('numbytes') ? 1 : 0)) return MALFORMED
        map.push(parseInteger(value))
      }
    }
  }
  if (!found) return undefined
  if (major === undefined) return { name, realSize, map }
  if (major === 1 && (minor ?? 0) === 0) return { name, realSize, map: 'body' }
  return major === 0 ? { name, realSize, map } : 'Unrecognized GNU sparse file format'
}

/** libarchive's message for a malformed map. */
export const MALFORMED = 'Malformed sparse map data'

function parseMapRecord(value: Uint8Array): SparseMap | undefined {
  const map: SparseMap = []
  if (value.length === 0) return map
  let number = 0
  let digits = 0
  for (let i = 0; i <= value.length; i++) {
    const digit = (value[i] ?? 0x2c) - 0x30
    if (digit >= 0 && digit <= 9) {
      number = number * 10 + digit
      digits++
    } else if (value[i] === undefined || value[i] === 0x2c) {
      if (digits === 0) return undefined
      map.push(number)
      number = 0
      digits = 0
    } else {
      return undefined
    }
  }
  return map.length % 2 === 0 ? map : undefined
}

/** A sparse map as far as the headers have it. */
export interface SparseStart {
  /** The pairs read so far. */
  readonly map: SparseMap
  /** Where the rest of the map is: in blocks before the data, or at the start of the data. */
  readonly rest: 'none' | 'blocks' | 'body'
}

/** Reads the rest of a map, block by block. */
export class SparseMapReader {
  readonly map: SparseMap
  readonly rest: SparseStart['rest']
  #wanted: number | undefined
  #number = 0
  #digits = 0
  #comment = false

  constructor({ map, rest }: SparseStart) {
    this.map = map
    this.rest = rest
  }

  /** Reads a block. Returns whether the map is complete, or an error message. */
  block(bytes: Uint8Array, at: number): boolean | string {
    if (this.rest === 'blocks') return !readSparseExtension(bytes, at, this.map)
    for (let i = at; i < at + BLOCK; i++) {
      const byte = bytes[i] as number // inside the block
      if (byte === 0x0a) {
        // The rest of the block is padding.
        if (!this.#comment && this.#endNumber()) return true
        if (this.#digits === 0 && !this.#comment) return MALFORMED
        this.#number = 0
        this.#digits = 0
        this.#comment = false
      } else if (byte === 0x23 && this.#digits === 0) {
        this.#comment = true
      } else if (!this.#comment) {
        const digit = byte - 0x30
        if (digit < 0 || digit > 9) return MALFORMED
        this.#number = this.#number * 10 + digit
        this.#digits++
      }
    }
    return false
  }

  /** Ends a number. Returns whether it was the last. */
  #endNumber(): boolean {
    if (this.#digits === 0) return false
    if (this.#wanted === undefined) this.#wanted = 2 * this.#number
    else this.map.push(this.#number)
    return this.map.length === this.#wanted
  }
}

/**
 * Returns whether the pieces of a map are in order, do not overlap, lie within the file, and take all of its data. Data behind
 * them would be a part of the entry for GNU tar, but headers of further entries for libarchive.
 * @param realSize size of the whole file in bytes
 * @param packed bytes of data in the archive
 */
export function isSaneMap(map: SparseMap, realSize: number, packed: number): boolean {
  if (!Number.isSafeInteger(realSize) || realSize < 0) return false
  let position = 0
  let held = 0
  for (let i = 0; i < map.length; i += 2) {
    const offset = map[i] ?? Number.NaN
    const length = map[i + 1] ?? Number.NaN
    if (!(offset >= position && length >= 0 && offset + length <= realSize)) return false
    position = offset + length
    held += length
  }
  return held === packed
}

/** Returns the number of bytes of a file that are not in its map. */
export function holesIn(map: SparseMap, realSize: number): number {
  let held = 0
  for (let i = 1; i < map.length; i += 2) held += map[i] as number
  return realSize - held
}
