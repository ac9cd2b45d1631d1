/**
 * One block, compressed: its literals, then sequences, in codes that suit them. Source: RFC 8878, 3.1.1.3.
 */

import { BitWriter } from './bit-writer.ts'
import {
  buildFseEncoder,
  describeFse,
  endState,
  type FseEncoder,
  nextState,
  normalise,
  startState,
  tableLog,
} from './fse-encoder.ts'
import { encodeLiterals } from './huffman-encoder.ts'
import { type Matches, Sequences } from './matches.ts'
import { MAX_BLOCK } from './output.ts'
import {
  type Lengths,
  LITERAL_CODE,
  LITERAL_LENGTHS,
  MATCH_CODE,
  MATCH_LENGTHS,
  OFFSET_CODE,
  type SequenceCode,
} from './sequence-codes.ts'

const PREDEFINED = 0
const CONSTANT = 1
const DESCRIBED = 2
/** Offsets up to here name a recent one. */
const RECENT = 3

/** Codes of lengths below this come from a table, the others are one for each power of two. */
const SMALL_LENGTHS = 128

function smallCodes({ base }: Lengths): Uint8Array {
  const first = base[0] as number
  let code = 0
  return Uint8Array.from({ length: SMALL_LENGTHS }, (_, i) => {
    while ((base[code + 1] as number) <= first + i) code++
    return code
  })
}

const LITERAL_CODES = smallCodes(LITERAL_LENGTHS)
const MATCH_CODES = smallCodes(MATCH_LENGTHS)

/** @param length less the shortest there is */
function codeOf(length: number, small: Uint8Array, { base }: Lengths): number {
  return length < SMALL_LENGTHS ? small[length]! : base.length - 17 + (31 - Math.clz32(length))
}

/** A table for one of the three codes of a block, and how it is told to the decoder. */
interface Table {
  readonly mode: number
  /** `undefined` where there is one symbol alone. */
  readonly encoder: FseEncoder | undefined
  readonly description: Uint8Array
}

const NOTHING = new Uint8Array(0)

/** One of the three codes: which symbols the sequences of a block have, and tables for them. */
class SymbolCoder {
  readonly symbols: Uint8Array
  readonly #code: SequenceCode
  readonly #counts: Uint32Array
  readonly #predefined: FseEncoder
  readonly #out = new BitWriter(new Uint8Array(128))

  constructor(code: SequenceCode, most: number) {
    this.#code = code
    this.#counts = new Uint32Array(code.symbols)
    this.#predefined = buildFseEncoder(code.norm, code.predefined.log)
    this.symbols = new Uint8Array(most)
  }

  /** The table that takes the fewest bits for the first `count` symbols. */
  choose(count: number): Table {
    const counts = this.#counts.fill(0)
    for (let i = 0; i < count; i++) counts[this.symbols[i]!]!++
    let different = 0
    let last = 0
    counts.forEach((times, symbol) => {
      if (times === 0) return
      different++
      last = symbol
    })
    if (different === 1) return { mode: CONSTANT, encoder: undefined, description: Uint8Array.of(last) }

    const { norm: predefined, predefined: table, mostLog } = this.#code
    const log = tableLog(count, different, mostLog)
    const norm = normalise(counts.subarray(0, last + 1), count, log)
    this.#out.at = 0
    describeFse(norm, log, this.#out)
    const described = this.#cost(norm, log) + this.#out.at * 8
    if (this.#cost(predefined, table.log) <= described) {
      return { mode: PREDEFINED, encoder: this.#predefined, description: NOTHING }
    }
    const description = this.#out.bytes.subarray(0, this.#out.at)
    return { mode: DESCRIBED, encoder: buildFseEncoder(norm, log), description }
  }

  /** In bits, about; more than any where a symbol has no share. */
  #cost(norm: Int16Array, log: number): number {
    let bits = 0
    this.#counts.forEach((times, symbol) => {
      if (times > 0) bits += times * (log - Math.log2(Math.abs(norm[symbol] ?? 0)))
    })
    return bits
  }
}

const MOST_SEQUENCES = MAX_BLOCK / 4

/** What blocks of a frame hand on to the next; the inverse of `BlockDecoder`. */
export class BlockEncoder {
  readonly #sequences = new Sequences(MAX_BLOCK)
  readonly #literals = new Uint8Array(MAX_BLOCK)
  readonly #values = new Uint32Array(MOST_SEQUENCES)
  readonly #literal = new SymbolCoder(LITERAL_CODE, MOST_SEQUENCES)
  readonly #offset = new SymbolCoder(OFFSET_CODE, MOST_SEQUENCES)
  readonly #match = new SymbolCoder(MATCH_CODE, MOST_SEQUENCES)
  /** The last offsets, latest first. */
  #recent: readonly [number, number, number] = [1, 4, 8]

  /**
   * Appends what the bytes from `start` to the end become.
   * @returns false when that is not shorter than they are: what was written is then to be forgotten
   */
  encode(matches: Matches, start: number, out: BitWriter): boolean {
    const sequences = this.#sequences
    const limit = out.at + matches.end - start
    const before = this.#recent
    matches.find(start, sequences)
    encodeLiterals(this.#gather(matches, start), out)
    this.#encodeSequences(out)
    if (out.at < limit) return true
    this.#recent = before
    return false
  }

  /** The literals one after the other, and codes for the rest. */
  #gather({ bytes, end }: Matches, start: number): Uint8Array {
    const { count, literals, offsets, lengths } = this.#sequences
    let [recent0, recent1, recent2] = this.#recent
    let from = start
    let size = 0
    for (let i = 0; i < count; i++) {
      const literalLength = literals[i]!
      const offset = offsets[i]!
      for (let at = from, stop = from + literalLength; at < stop; ) this.#literals[size++] = bytes[at++]!
      from += literalLength + lengths[i]!

      // Without literals before it, 1 to 3 name other offsets; the matches here do not begin where one ended but by chance.
      let value = offset + RECENT
      if (literalLength > 0) {
        if (offset === recent0) value = 1
        else if (offset === recent1) value = 2
        else if (offset === recent2) value = 3
      } else if (offset === recent1) value = 1
      else if (offset === recent2) value = 2
      else if (offset === recent0 - 1) value = 3
      const which = value > RECENT ? RECENT : literalLength === 0 ? value : value - 1
      if (which > 1) recent2 = recent1
      if (which > 0) recent1 = recent0
      recent0 = offset

      this.#values[i] = value
      this.#literal.symbols[i] = codeOf(literalLength, LITERAL_CODES, LITERAL_LENGTHS)
      this.#offset.symbols[i] = 31 - Math.clz32(value)
      this.#match.symbols[i] = codeOf(lengths[i]! - MATCH_LENGTHS.base[0]!, MATCH_CODES, MATCH_LENGTHS)
    }
    for (let at = from; at < end; ) this.#literals[size++] = bytes[at++]!
    this.#recent = [recent0, recent1, recent2]
    return this.#literals.subarray(0, size)
  }

  #encodeSequences(out: BitWriter): void {
    const { count } = this.#sequences
    if (count < 128) out.put(count, 8)
    else if (count < 0x7f00) {
      out.put((count >> 8) + 128, 8)
      out.put(count & 0xff, 8)
    } else {
      out.put(255, 8)
      out.put(count - 0x7f00, 16)
    }
    if (count === 0) return
    const literal = this.#literal.choose(count)
    const offset = this.#offset.choose(count)
    const match = this.#match.choose(count)
    out.put((literal.mode << 6) | (offset.mode << 4) | (match.mode << 2), 8)
    for (const { description } of [literal, offset, match]) out.append(description)
    this.#encodeBits(literal.encoder, offset.encoder, match.encoder, out)
  }

  /** From the last sequence to the first, for they are read from the end. The hot loop. */
  #encodeBits(
    literal: FseEncoder | undefined,
    offset: FseEncoder | undefined,
    match: FseEncoder | undefined,
    out: BitWriter,
  ): void {
    const { count, literals, lengths } = this.#sequences
    const { extra: literalExtra, base: literalBase } = LITERAL_LENGTHS
    const { extra: matchExtra, base: matchBase } = MATCH_LENGTHS
    let literalState = 0
    let offsetState = 0
    let matchState = 0
    for (let i = count - 1; i >= 0; i--) {
      const literalCode = this.#literal.symbols[i]!
      const offsetCode = this.#offset.symbols[i]!
      const matchCode = this.#match.symbols[i]!
      if (i === count - 1) {
        if (match) matchState = startState(match, matchCode)
        if (offset) offsetState = startState(offset, offsetCode)
        if (literal) literalState = startState(literal, literalCode)
      } else {
        if (offset) offsetState = nextState(offset, offsetState, offsetCode, out)
        if (match) matchState = nextState(match, matchState, matchCode, out)
        if (literal) literalState = nextState(literal, literalState, literalCode, out)
      }
      out.put(literals[i]! - literalBase[literalCode]!, literalExtra[literalCode]!)
      out.put(lengths[i]! - matchBase[matchCode]!, matchExtra[matchCode]!)
      out.put(this.#values[i]! - (1 << offsetCode), offsetCode)
    }
    if (match) endState(match, matchState, out)
    if (offset) endState(offset, offsetState, out)
    if (literal) endState(literal, literalState, out)
    out.close()
  }
}
