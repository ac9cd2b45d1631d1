/**
 * Literals into a Huffman code of their own. Lengths of codes come from package-merge, which finds the best ones that
 * are not longer than allowed. Source: RFC 8878, 4.2; Larmore and Hirschberg, "A fast algorithm for optimal
 * length-limited Huffman codes".
 */

import { BitWriter } from './bit-writer.ts'
import { buildFseEncoder, describeFse, endState, nextState, normalise, startState, tableLog } from './fse-encoder.ts'
import { MOST_BITS, MOST_WEIGHT_SYMBOLS, WEIGHT_LOG } from './huffman.ts'

/** So few bytes that a table would cost more than it saves. */
const LEAST_LITERALS = 64
/** From here on there are four streams, which decoders read side by side. */
const LEAST_FOR_FOUR = 256
/** Weights that may be written as they are, four bits each. */
const MOST_DIRECT = 128
/** Bytes of the streams' sizes in front of four. */
const JUMP_TABLE = 6

const SYMBOLS = 256
const counts = new Uint32Array(SYMBOLS)
const description = new BitWriter(new Uint8Array(MOST_DIRECT + 2))

/** The code of each symbol: `code << 4 | length`. */
interface Code {
  readonly codes: Uint16Array
  /** The table as decoders read it. */
  readonly description: Uint8Array
}

/** Writes the literals section of a block: raw, one byte repeated, or in a code, whichever is the shortest. */
export function encodeLiterals(literals: Uint8Array, out: BitWriter): void {
  const size = literals.length
  if (size > 0 && literals.every((byte) => byte === literals[0])) {
    plainHeader(1, size, out)
    out.append(literals.subarray(0, 1))
    return
  }
  const code = size < LEAST_LITERALS ? undefined : codeOf(literals)
  if (code !== undefined) {
    const start = out.at
    const format = size < LEAST_FOR_FOUR ? 0 : size < 1 << 10 ? 1 : size < 1 << 14 ? 2 : 3
    const header = format === 3 ? 5 : format === 2 ? 4 : 3
    const width = format === 3 ? 18 : format === 2 ? 14 : 10
    out.at += header
    out.append(code.description)
    if (format === 0) encodeStream(code.codes, literals, out)
    else encodeFour(code.codes, literals, out)
    const packed = out.at - start - header
    if (packed < size - (size >> 6)) {
      // Two sizes of up to 18 bits: more than a shift may take at once.
      const value = 2 + format * 4 + size * 16 + packed * 2 ** (4 + width)
      for (let i = 0; i < header; i++) out.bytes[start + i] = Math.floor(value / 2 ** (8 * i)) % 256
      return
    }
    out.at = start
  }
  plainHeader(0, size, out)
  out.append(literals)
}

function plainHeader(type: 0 | 1, size: number, out: BitWriter): void {
  if (size < 32) out.put(type | (size << 3), 8)
  else if (size < 4096) out.put(type | (1 << 2) | (size << 4), 16)
  else out.put(type | (3 << 2) | (size << 4), 24)
}

function encodeFour(codes: Uint16Array, literals: Uint8Array, out: BitWriter): void {
  const quarter = (literals.length + 3) >> 2
  const jump = out.at
  out.at += JUMP_TABLE
  for (let i = 0; i < 4; i++) {
    const start = out.at
    encodeStream(codes, literals.subarray(i * quarter, (i + 1) * quarter), out)
    if (i === 3) return
    out.bytes[jump + 2 * i] = out.at - start
    out.bytes[jump + 2 * i + 1] = (out.at - start) >> 8
  }
}

/** From the last to the first, for it is read from the end. */
function encodeStream(codes: Uint16Array, literals: Uint8Array, out: BitWriter): void {
  let at = literals.length
  // Two at a time: their bits fit.
  for (; at >= 2; at -= 2) {
    const one = codes[literals[at - 1]!]!
    const two = codes[literals[at - 2]!]!
    const width = one & 15
    out.put((one >> 4) | ((two >> 4) << width), width + (two & 15))
  }
  if (at > 0) {
    const one = codes[literals[0]!]!
    out.put(one >> 4, one & 15)
  }
  out.close()
}

/** @returns `undefined` where a code would not pay off */
function codeOf(literals: Uint8Array): Code | undefined {
  counts.fill(0)
  for (let i = 0; i < literals.length; i++) counts[literals[i]!]!++
  const lengths = codeLengths(counts)
  let longest = 0
  for (const length of lengths) longest = Math.max(longest, length)
  const weights = lengths.map((length) => (length === 0 ? 0 : longest + 1 - length))
  const described = describeWeights(weights.subarray(0, lastOf(weights)))
  if (described === undefined) return undefined
  // Codes are given out from the longest, lightest ones to the shortest, within a weight by symbol.
  const codes = new Uint16Array(SYMBOLS)
  let next = 0
  for (let weight = 1; weight <= longest; weight++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (weights[symbol] !== weight) continue
      codes[symbol] = ((next >> (weight - 1)) << 4) | (longest + 1 - weight)
      next += 1 << (weight - 1)
    }
  }
  return { codes, description: described }
}

/** The last symbol that has a weight: its own is not written, since it completes the code. */
function lastOf(weights: Uint8Array): number {
  let last = SYMBOLS - 1
  while (weights[last] === 0) last--
  return last
}

/** As a coin collector would pay: at each length, leaves and pairs of what is one bit longer, the lightest first. */
function codeLengths(of: Uint32Array): Uint8Array {
  const symbols: number[] = []
  for (let symbol = 0; symbol < SYMBOLS; symbol++) if (of[symbol]! > 0) symbols.push(symbol)
  symbols.sort((a, b) => of[a]! - of[b]! || a - b)
  const leaves = symbols.map((symbol) => of[symbol]!)
  /** Per length, which of the items in order are leaves. */
  const isLeaf: boolean[][] = []
  let items = leaves
  isLeaf.push(leaves.map(() => true))
  for (let bits = 1; bits < MOST_BITS; bits++) {
    const merged: number[] = []
    const kinds: boolean[] = []
    let leaf = 0
    for (let pair = 0; pair + 1 < items.length || leaf < leaves.length; ) {
      const weight = pair + 1 < items.length ? items[pair]! + items[pair + 1]! : Number.POSITIVE_INFINITY
      const takeLeaf = leaf < leaves.length && leaves[leaf]! <= weight
      merged.push(takeLeaf ? leaves[leaf]! : weight)
      kinds.push(takeLeaf)
      if (takeLeaf) leaf++
      else pair += 2
    }
    items = merged
    isLeaf.push(kinds)
  }
  const lengths = new Uint8Array(SYMBOLS)
  let taken = 2 * leaves.length - 2
  for (const kinds of isLeaf.reverse()) {
    let leavesTaken = 0
    for (let i = 0; i < taken; i++) if (kinds[i]) leavesTaken++
    for (let i = 0; i < leavesTaken; i++) lengths[symbols[i]!]!++
    taken = 2 * (taken - leavesTaken)
  }
  return lengths
}

/** Each in four bits, or, if that is shorter, in finite state entropy. @returns a view until the next call */
function describeWeights(weights: Uint8Array): Uint8Array | undefined {
  const size = 1 + ((weights.length + 1) >> 1)
  const packed = packWeights(weights)
  if (packed !== undefined && (packed.length < size || weights.length > MOST_DIRECT)) return packed
  if (weights.length > MOST_DIRECT) return undefined
  description.at = 0
  description.put(127 + weights.length, 8)
  for (let i = 0; i < weights.length; i += 2) description.put((weights[i]! << 4) | (weights[i + 1] ?? 0), 8)
  return description.bytes.slice(0, size)
}

/** Two states in turn. */
function packWeights(weights: Uint8Array): Uint8Array | undefined {
  const frequency = new Uint32Array(MOST_WEIGHT_SYMBOLS)
  for (const weight of weights) frequency[weight]!++
  const different = frequency.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)
  // One symbol alone takes no bits, and nobody could tell where it ends.
  if (different < 2 || weights.length < 3) return undefined
  const log = tableLog(weights.length, different, WEIGHT_LOG)
  const norm = normalise(frequency, weights.length, log)
  const encoder = buildFseEncoder(norm, log)
  const out = description
  out.at = 1
  describeFse(norm, log, out)
  const states: (number | undefined)[] = [undefined, undefined]
  for (let i = weights.length - 1; i >= 0; i--) {
    const state = states[i & 1]
    const weight = weights[i]!
    states[i & 1] = state === undefined ? startState(encoder, weight) : nextState(encoder, state, weight, out)
  }
  for (const state of [states[1], states[0]]) endState(encoder, state!, out)
  out.close()
  const size = out.at - 1
  if (size >= 128) return undefined
  out.bytes[0] = size
  return out.bytes.slice(0, size + 1)
}
