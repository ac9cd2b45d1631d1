/**
 * Tables that decode a prefix code by looking up several bits at once: a root table indexed by the next `rootBits` bits
 * and, for longer codes, subtables it links to. Codes that zlib rejects are rejected. Source: RFC 1951, 3.2.2.
 *
 * An entry is an integer, 0 for bits that are not a code:
 *
 *   value(16) │ kind(2) at bit 8 │ number of extra bits, or of a subtable's index bits(4) │ length of the code(4)
 */

/** Kind of an entry: `value` is a byte, or a symbol of the code of code lengths. */
export const LITERAL = 0
/** Kind of an entry: a length or distance of `value` plus the number in the extra bits. */
export const BASE = 1
/** Kind of an entry: the end of the block. */
export const END = 2
/** Kind of an entry: `value` is the index of a subtable. */
export const LINK = 3

/** The tables of a prefix code. */
export interface CodeTable {
  /** The root table of `2 ** rootBits` entries, followed by the subtables. */
  readonly entries: Int32Array
  readonly rootBits: number
}

const MOST_BITS = 15

/** An entry for each symbol, without the length of its code. */
type Alphabet = Int32Array

function entry(value: number, kind: number, extra: number): number {
  return (value << 16) | (kind << 8) | (extra << 4)
}

/** Literals, the end of a block, lengths 3 to 258. Source: RFC 1951, 3.2.5. */
const LITERAL_ALPHABET: Alphabet = new Int32Array(286)
for (let i = 0; i < 256; i++) LITERAL_ALPHABET[i] = entry(i, LITERAL, 0)
LITERAL_ALPHABET[256] = entry(0, END, 0)
for (let i = 257, base = 3; i < 285; i++) {
  const extra = i < 265 ? 0 : (i - 261) >> 2
  LITERAL_ALPHABET[i] = entry(base, BASE, extra)
  base += 1 << extra
}
LITERAL_ALPHABET[285] = entry(258, BASE, 0)

/** Distances 1 to 32768. Source: RFC 1951, 3.2.5. */
const DISTANCE_ALPHABET: Alphabet = new Int32Array(30)
for (let i = 0, base = 1; i < 30; i++) {
  const extra = i < 4 ? 0 : (i - 2) >> 1
  DISTANCE_ALPHABET[i] = entry(base, BASE, extra)
  base += 1 << extra
}

const LENGTH_ALPHABET: Alphabet = Int32Array.from({ length: 19 }, (_, i) => entry(i, LITERAL, 0))

/** Reverses the lowest `bits` bits: codes are stored starting with their highest bit. */
function reverse(code: number, bits: number): number {
  let reversed = 0
  for (let i = 0; i < bits; i++) reversed |= ((code >> i) & 1) << (bits - 1 - i)
  return reversed
}

/**
 * Builds the tables of a canonical prefix code.
 * @param lengths length of each symbol's code in bits; 0 for symbols without a code
 * @param single whether a code may be incomplete if it has a single symbol of one bit, or be empty
 * @returns `undefined` if the lengths are not those of a complete prefix code
 */
function build(lengths: Uint8Array, alphabet: Alphabet, rootLimit: number, single: boolean): CodeTable | undefined {
  const count = new Uint16Array(MOST_BITS + 1)
  for (const length of lengths) count[length] = (count[length] as number) + 1
  count[0] = 0
  let longest = MOST_BITS
  while (longest > 0 && count[longest] === 0) longest--
  // An empty code is valid as long as no symbol is read.
  if (longest === 0) return single ? { entries: new Int32Array(2), rootBits: 1 } : undefined

  const next = new Uint16Array(MOST_BITS + 1)
  let free = 1
  for (let bits = 1; bits <= MOST_BITS; bits++) {
    free = free * 2 - (count[bits] as number)
    if (free < 0) return undefined
    next[bits] = ((next[bits - 1] as number) + (count[bits - 1] as number)) << 1
  }
  if (free > 0 && !(single && longest === 1)) return undefined

  const rootBits = Math.min(rootLimit, longest)
  const rootSize = 1 << rootBits
  const codes = new Uint16Array(lengths.length)
  /** For each slot of the root table, the number of index bits of its subtable, which depends on the longest code. */
  const below = new Uint8Array(rootSize)
  let size = rootSize
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] as number
    if (length === 0) continue
    const code = next[length] as number
    next[length] = code + 1
    const reversed = reverse(code, length)
    codes[symbol] = reversed
    if (length > rootBits) {
      const slot = reversed & (rootSize - 1)
      below[slot] = Math.max(below[slot] as number, length - rootBits)
    }
  }
  for (let slot = 0; slot < rootSize; slot++) if (below[slot] !== 0) size += 1 << (below[slot] as number)

  const entries = new Int32Array(size)
  for (let slot = 0, start = rootSize; slot < rootSize; slot++) {
    const bits = below[slot] as number
    if (bits === 0) continue
    entries[slot] = entry(start, LINK, bits) | rootBits
    start += 1 << bits
  }
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] as number
    const meaning = alphabet[symbol]
    // Symbols beyond the alphabet may have a code, but using it is an error, as for bits that are not a code.
    if (length === 0 || meaning === undefined) continue
    const code = codes[symbol] as number
    if (length <= rootBits) {
      for (let i = code; i < rootSize; i += 1 << length) entries[i] = meaning | length
    } else {
      const link = entries[code & (rootSize - 1)] as number
      const start = link >>> 16
      const own = length - rootBits
      for (let i = code >> rootBits; i < 1 << ((link >> 4) & 15); i += 1 << own) entries[start + i] = meaning | own
    }
  }
  return { entries, rootBits }
}

/**
 * Builds the code of code lengths (RFC 1951, 3.2.7).
 * @returns `undefined` if `lengths` are not those of a complete prefix code
 */
export function lengthCode(lengths: Uint8Array): CodeTable | undefined {
  return build(lengths, LENGTH_ALPHABET, 7, false)
}

/**
 * Builds a code of literals and lengths.
 * @returns `undefined` if `lengths` are not those of a prefix code that is complete, a single bit, or empty
 */
export function literalCode(lengths: Uint8Array): CodeTable | undefined {
  return build(lengths, LITERAL_ALPHABET, 10, true)
}

/**
 * Builds a code of distances.
 * @returns `undefined` if `lengths` are not those of a prefix code that is complete, a single bit, or empty
 */
export function distanceCode(lengths: Uint8Array): CodeTable | undefined {
  return build(lengths, DISTANCE_ALPHABET, 9, true)
}

const fixedLengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280)

/** The fixed code of literals and lengths. Source: RFC 1951, 3.2.6. */
export const FIXED_LITERALS = literalCode(fixedLengths) as CodeTable
/** The fixed code of distances. Source: RFC 1951, 3.2.6. */
export const FIXED_DISTANCES = distanceCode(new Uint8Array(32).fill(5)) as CodeTable
