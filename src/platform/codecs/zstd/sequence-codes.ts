/**
 * What the codes of sequences stand for, and the tables in force until a block describes its own.
 * Source: RFC 8878, 3.1.1.3.2.
 */

import { buildFse, type FseTable } from './fse.ts'

/** Bits and baseline of the lengths a code stands for. */
interface Lengths {
  readonly extra: Uint8Array
  readonly base: Uint32Array
}

function lengths(first: number, extra: readonly number[]): Lengths {
  const base = new Uint32Array(extra.length)
  let next = first
  extra.forEach((bits, code) => {
    base[code] = next
    next += 2 ** bits
  })
  return { extra: Uint8Array.from(extra), base }
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0)
}

export const LITERAL_LENGTHS = lengths(0, [
  ...zeros(16),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
])
export const MATCH_LENGTHS = lengths(3, [
  ...zeros(32),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
])

export interface SequenceCode {
  readonly mostLog: number
  readonly symbols: number
  /** Used when a block says so rather than describing its own. */
  readonly predefined: FseTable
}

function code(mostLog: number, symbols: number, log: number, shares: readonly number[]): SequenceCode {
  return { mostLog, symbols, predefined: buildFse(Int16Array.from(shares), log) }
}

/** Source: RFC 8878, 3.1.1.3.2.2. In the order their tables are described. */
export const LITERAL_CODE = code(
  9,
  36,
  6,
  [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
)
export const OFFSET_CODE = code(
  8,
  32,
  5,
  [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
)
export const MATCH_CODE = code(9, 53, 6, [
  1,
  4,
  3,
  ...new Array<number>(6).fill(2),
  ...new Array<number>(37).fill(1),
  ...new Array<number>(7).fill(-1),
])
