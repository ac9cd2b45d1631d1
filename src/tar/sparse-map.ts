/**
 * Sparse files: which bytes of a file the archive holds, and the way back to the whole file.
 *
 *     old GNU, type `S`   four (offset, length) pairs in the header at 386, more in blocks of 21 behind it
 *     PAX 0.0             records GNU.sparse.offset and GNU.sparse.numbytes, in turns
 *     PAX 0.1             record GNU.sparse.map, `offset,length,offset,length,…`
 *     PAX 1.0             decimal lines at the start of the body: count, then offset and length of each; padded to a block
 *
 * Source: GNU tar manual, "Storing Sparse Files"; sparse.c of GNU tar for the old layout.
 */

import { BLOCK, readNumber } from './header.ts'
import type { PaxRecord } from './interface.ts'
import { parseInteger } from './pax.ts'

/** Offset and length in turns, as read: not yet checked. */
export type SparseMap = number[]

const OLD_MAP = 386
const OLD_EXTENDED = 482
const OLD_REAL_SIZE = 483
const EXTENSION_EXTENDED = 504

/** Pairs in the header block itself. @returns whether a block with more of them follows */
export function readOldSparse(block: Uint8Array, at: number, map: SparseMap): boolean {
  readPairs(block, at + OLD_MAP, 4, map)
  return block[at + OLD_EXTENDED] !== 0
}

export function readOldRealSize(block: Uint8Array, at: number): number {
  return readNumber(block, at + OLD_REAL_SIZE, 12)
}

/** A block of pairs behind the header. @returns whether yet another follows */
function readSparseExtension(block: Uint8Array, at: number, map: SparseMap): boolean {
  readPairs(block, at, 21, map)
  return block[at + EXTENSION_EXTENDED] !== 0
}

function readPairs(block: Uint8Array, at: number, count: number, map: SparseMap): void {
  for (let pair = at; pair < at + 24 * count && block[pair] !== 0; pair += 24)
    map.push(readNumber(block, pair, 12), readNumber(block, pair + 12, 12))
}

/** What the records of one PAX header say about a sparse file. */
export interface PaxSparse {
  readonly name: Uint8Array | undefined
  readonly realSize: number | undefined
  /** `body`: format 1.0, the map leads the data. */
  readonly map: SparseMap | 'body' | undefined
}

/** @returns `undefined` when there are no such records, a fault in words when they make no sense */
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
        // offsets stand at even places, lengths at odd ones
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

/** What a header says about a sparse file. */
export interface SparseStart {
  /** As far as the header has it. */
  readonly map: SparseMap
  /** Where the rest is: in blocks before the data, or at the start of the data. */
  readonly rest: 'none' | 'blocks' | 'body'
}

/** Collects the rest of a map, block by block. */
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

  /** @returns whether the map is complete now, or a fault in words */
  block(bytes: Uint8Array, at: number): boolean | string {
    if (this.rest === 'blocks') return !readSparseExtension(bytes, at, this.map)
    for (let i = at; i < at + BLOCK; i++) {
      const byte = bytes[i] as number // inside the block
      if (byte === 0x0a) {
        // what is left of the block is padding
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

  /** @returns whether that was the last one */
  #endNumber(): boolean {
    if (this.#digits === 0) return false
    if (this.#wanted === undefined) this.#wanted = 2 * this.#number
    else this.map.push(this.#number)
    return this.map.length === this.#wanted
  }
}

/**
 * @param packed bytes the archive holds of the file
 * @returns whether the pieces are in order, apart, inside the file and all there
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
  return held <= packed
}

/** Bytes of a file that its map leaves out. */
export function holesIn(map: SparseMap, realSize: number): number {
  let held = 0
  for (let i = 1; i < map.length; i += 2) held += map[i] as number
  return realSize - held
}
