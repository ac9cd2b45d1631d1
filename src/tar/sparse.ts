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
import type { PaxRecord, TarSink } from './interface.ts'
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
export function readSparseExtension(block: Uint8Array, at: number, map: SparseMap): boolean {
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

/** Collects the map that leads the body of a 1.0 file, block by block. */
export class BodyMapReader {
  readonly map: SparseMap = []
  #wanted: number | undefined
  #number = 0
  #digits = 0
  #comment = false

  /** @returns whether the map is complete, or a fault in words */
  block(bytes: Uint8Array, at: number): boolean | string {
    for (let i = at; i < at + BLOCK; i++) {
      const byte = bytes[i] as number
      if (byte === 0x0a) {
        if (!this.#comment) {
          if (this.#digits === 0) return MALFORMED
          if (this.#wanted === undefined) this.#wanted = 2 * this.#number
          else this.map.push(this.#number)
          // what is left of the block is padding
          if (this.map.length === this.#wanted) return true
        }
        this.#number = 0
        this.#digits = 0
        this.#comment = false
      } else if (this.#comment) {
        // up to the line break
      } else if (byte === 0x23 && this.#digits === 0) {
        this.#comment = true
      } else {
        const digit = byte - 0x30
        if (digit < 0 || digit > 9 || ++this.#digits > 20) return MALFORMED
        this.#number = this.#number * 10 + digit
      }
    }
    return false
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

const ZEROS = new Uint8Array(64 * 1024)

/** Turns the packed bytes of a sane map into the bytes of the file, holes as zeros. */
export class SparseExpander {
  readonly #map: SparseMap
  readonly #realSize: number
  readonly #sink: TarSink
  #next = 0
  #position = 0
  #left = 0

  constructor(map: SparseMap, realSize: number, sink: TarSink) {
    this.#map = map
    this.#realSize = realSize
    this.#sink = sink
  }

  /** Bytes of zeros this will add. */
  static holes(map: SparseMap, realSize: number): number {
    let held = 0
    for (let i = 1; i < map.length; i += 2) held += map[i] as number
    return realSize - held
  }

  /** Packed bytes behind the last piece are dropped. */
  write(bytes: Uint8Array): void {
    let start = 0
    while (start < bytes.length && this.#nextPiece()) {
      const end = Math.min(bytes.length, start + this.#left)
      this.#sink.data(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
      this.#position += end - start
      this.#left -= end - start
      start = end
    }
  }

  /** The hole at the end. */
  finish(): void {
    this.#skipTo(this.#realSize)
  }

  #nextPiece(): boolean {
    while (this.#left === 0) {
      const offset = this.#map[this.#next]
      if (offset === undefined) return false
      this.#left = this.#map[this.#next + 1] as number
      this.#next += 2
      if (this.#left > 0) this.#skipTo(offset)
    }
    return true
  }

  #skipTo(offset: number): void {
    while (this.#position < offset) {
      const length = Math.min(ZEROS.length, offset - this.#position)
      this.#sink.data(ZEROS.subarray(0, length))
      this.#position += length
    }
  }
}
