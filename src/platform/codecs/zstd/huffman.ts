/** Huffman-coded literals, whose bits are read from the end to the start. Source: RFC 8878, 4.2. */

import { readFse } from './fse.ts'

const MOST_BITS = 11
const MOST_WEIGHTS = 255
const WEIGHT_LOG = 6
const MOST_WEIGHT_SYMBOLS = 13

/** A decoding table. */
export interface HuffmanTable {
  /** Length of the longest code in bits. */
  readonly log: number
  /** For each value of the next `log` bits, `symbol << 4 | length of its code`. */
  readonly entries: Uint16Array
}

/**
 * Reads the description of a table at `bytes[start]`.
 * @returns the table and the index after its description; `undefined` if it is malformed or reaches beyond `end`
 */
export function readHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
): { table: HuffmanTable; end: number } | undefined {
  if (start >= end) return undefined
  const header = bytes[start] as number
  const direct = header - 127
  const behind = start + 1 + (header < 128 ? header : (direct + 1) >> 1)
  if (behind > end) return undefined
  let weights: Uint8Array | undefined
  if (header < 128) weights = compressedWeights(bytes, start + 1, behind)
  else {
    weights = Uint8Array.from({ length: direct }, (_, i) => {
      const pair = bytes[start + 1 + (i >> 1)] as number
      return i % 2 === 0 ? pair >> 4 : pair & 15
    })
  }
  const table = weights && buildHuffman(weights)
  return table && { table, end: behind }
}

/** Reads weights coded with two FSE states that take turns, until the bits run out. */
function compressedWeights(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const described = readFse(bytes, start, end, WEIGHT_LOG, MOST_WEIGHT_SYMBOLS)
  if (described === undefined) return undefined
  const { table } = described
  let bit = lastBit(bytes, described.end, end)
  const first = described.end * 8
  if (bit < 0) return undefined
  const take = (width: number): number => {
    bit -= width
    let value = 0
    for (let i = 0; i < width; i++) {
      const at = bit + i
      // Bits before the first count as zeros; the caller checks for that.
      if (at >= first) value |= (((bytes[at >> 3] as number) >> (at & 7)) & 1) << i
    }
    return value
  }
  const states = [take(table.log), take(table.log)]
  if (bit < first) return undefined
  const weights: number[] = []
  for (let turn = 0; ; turn ^= 1) {
    const entry = table.entries[states[turn] as number] as number
    weights.push(entry & 0xff)
    // A state that takes no bits would repeat forever.
    if (weights.length > MOST_WEIGHTS) return undefined
    states[turn] = (entry >> 16) + take((entry >> 8) & 0xff)
    if (bit >= first) continue
    const other = table.entries[states[turn ^ 1] as number] as number
    weights.push(other & 0xff)
    return weights.length > MOST_WEIGHTS ? undefined : Uint8Array.from(weights)
  }
}

/**
 * Builds a table.
 * @param given weights of all symbols but the last, whose weight follows from the others
 * @returns `undefined` if the weights do not make a complete code
 */
function buildHuffman(given: Uint8Array): HuffmanTable | undefined {
  let sum = 0
  for (const weight of given) {
    if (weight > MOST_BITS) return undefined
    if (weight > 0) sum += 1 << (weight - 1)
  }
  if (sum === 0) return undefined
  const log = 32 - Math.clz32(sum)
  const rest = (1 << log) - sum
  if (log > MOST_BITS || (rest & (rest - 1)) !== 0) return undefined
  const weights = new Uint8Array(given.length + 1)
  weights.set(given)
  weights[given.length] = 32 - Math.clz32(rest)
  // Codes are assigned by ascending weight, that is descending length, and by symbol within a weight.
  const entries = new Uint16Array(1 << log)
  let at = 0
  for (let weight = 1; weight <= log; weight++) {
    const span = 1 << (weight - 1)
    const length = log + 1 - weight
    for (let symbol = 0; symbol < weights.length; symbol++) {
      if (weights[symbol] !== weight) continue
      entries.fill((symbol << 4) | length, at, at + span)
      at += span
    }
  }
  return { log, entries }
}

/**
 * Finds the 1 bit that marks the end of the bits in `bytes[start, end)`.
 * @returns its index in bits from the start of `bytes`; -1 if the last byte is 0 or there are no bytes
 */
export function lastBit(bytes: Uint8Array, start: number, end: number): number {
  const last = end > start ? (bytes[end - 1] as number) : 0
  return last === 0 ? -1 : end * 8 - 1 - (Math.clz32(last) - 24)
}

/**
 * Decodes `bytes[start, end)` to `out[at, to)`. Three bytes after `end` must be readable.
 * @returns whether the bits hold exactly that many symbols
 */
export function decodeHuffman(
  { entries, log }: HuffmanTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  to: number,
): boolean {
  const first = start * 8
  const mask = (1 << log) - 1
  let bit = lastBit(bytes, start, end)
  if (bit < 0) return false
  // Two symbols per read, while there are enough bits for two of the longest codes.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const pair = first + 2 * MOST_BITS; bit >= pair && at + 1 < to; ) {
    const from = bit - 2 * MOST_BITS
    const word = view.getUint32(from >> 3, true) >>> (from & 7)
    const one = entries[(word >>> (2 * MOST_BITS - log)) & mask]!
    const used = one & 15
    const two = entries[(word >>> (2 * MOST_BITS - log - used)) & mask]!
    out[at] = one >> 4
    out[at + 1] = two >> 4
    at += 2
    bit -= used + (two & 15)
  }
  while (at < to && bit > first) {
    const from = bit - log
    const i = from >> 3
    let word: number
    if (from >= first) word = (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16)) >>> (from & 7)
    else {
      const low = start
      word = bytes[low]! | (bytes[low + 1]! << 8) | (bytes[low + 2]! << 16)
      word = (word & ((1 << (bit - first)) - 1)) << (first - from)
    }
    const entry = entries[word & mask]!
    out[at++] = entry >> 4
    bit -= entry & 15
  }
  return at === to && bit === first
}
