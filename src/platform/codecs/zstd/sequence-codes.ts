/** The codes of literal lengths, match lengths and offsets, with their predefined tables. Source: RFC 8878, 3.1.1.3.2. */

import { buildFse, type FseTable } from './fse.ts'

/** The lengths that codes stand for. */
interface Lengths {
  /** For each code, the number of extra bits. */
  readonly extra: Uint8Array
  /** For each code, the length if the extra bits are 0, in bytes. */
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

/** Lengths of literals. */
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
/** Lengths of matches. */
export const MATCH_LENGTHS = lengths(3, [
  ...zeros(32),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
])

/** What is fixed about the code of one part of sequences. */
export interface SequenceCode {
  /** Limit on the `log` of a table that a block describes. */
  readonly mostLog: number
  /** Number of symbols. */
  readonly symbols: number
  /** The table of blocks that do not describe one. */
  readonly predefined: FseTable
}

function code(mostLog: number, symbols: number, log: number, shares: readonly number[]): SequenceCode {
  return { mostLog, symbols, predefined: buildFse(Int16Array.from(shares), log) }
}

/** The code of literal lengths. Source of the predefined tables: RFC 8878, 3.1.1.3.2.2. */
export const LITERAL_CODE = code(
  9,
  36,
  6,
  [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
)
/** The code of offsets: a symbol is the number of extra bits. */
export const OFFSET_CODE = code(
  8,
  32,
  5,
  [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
)
/** The code of match lengths. */
export const MATCH_CODE = code(9, 53, 6, [
  1,
  4,
  3,
  ...new Array<number>(6).fill(2),
  ...new Array<number>(37).fill(1),
  ...new Array<number>(7).fill(-1),
])
