/**
 * Decodes a compressed block: literals, then sequences. Each sequence copies some literals, then a match from the output
 * before it. Source: RFC 8878, 3.1.1.3.
 */

import { constantFse, type FseTable, readFse } from './fse.ts'
import { decodeHuffman, type HuffmanTable, lastBit, readHuffman } from './huffman.ts'
import { MAX_BLOCK, type Output } from './output.ts'
import {
  LITERAL_CODE,
  LITERAL_LENGTHS,
  MATCH_CODE,
  MATCH_LENGTHS,
  OFFSET_CODE,
  type SequenceCode,
} from './sequence-codes.ts'

/** The reason why a block is malformed, without its place. The caller makes a `CompressionError` of it. */
export class BlockFault extends Error {}

/** Largest number of offset bits: an offset with more exceeds the largest window. */
const MOST_OFFSET_BITS = 27

/** Bits that a 32-bit read gives at least, wherever in its first byte they begin. */
const WORD_BITS = 25
/** Number of bytes above which `copyWithin` is faster than a loop. */
const LONG_COPY = 48

/** Bytes before and after the block, so that a sequence may read past both ends before that is checked. */
const PADDING = 16
/** A copy of the block being decoded, with padding. Shared, because decoding a block is one synchronous call. */
const packed = new Uint8Array(PADDING + MAX_BLOCK + PADDING)
const packedView = new DataView(packed.buffer)

/** Returns at least WORD_BITS bits, starting with `bit`. */
function wordAt(view: DataView, bit: number): number {
  return view.getUint32(bit >> 3, true) >>> (bit & 7)
}

/** Decodes the blocks of a frame, which may use the tables and offsets of the blocks before. */
export class BlockDecoder {
  #huffman: HuffmanTable | undefined
  #literalCode: FseTable | undefined
  #offsetCode: FseTable | undefined
  #matchCode: FseTable | undefined
  /** The last three offsets, latest first. */
  #recent: readonly [number, number, number] = [1, 4, 8]

  /**
   * Decodes `bytes[start, end)` and appends the result to `out`.
   * @param largest limit on the decompressed size in bytes
   * @throws {BlockFault} if the block is malformed or too large
   */
  decode(bytes: Uint8Array, start: number, end: number, out: Output, largest: number): void {
    packed.set(bytes.subarray(start, end), PADDING)
    const behind = PADDING + end - start
    const literals = this.#literals(packed, PADDING, behind, out, largest)
    this.#sequences(packed, literals.end, behind, out, literals.size, largest)
  }

  /** Decodes the literals to `out.literals`. Returns their number and the index after their description. */
  #literals(
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Output,
    largest: number,
  ): { size: number; end: number } {
    if (end - start < 2) throw new BlockFault('truncated block')
    const byte = (at: number) => bytes[start + at] as number
    const type = byte(0) & 3
    const format = (byte(0) >> 2) & 3
    const low = byte(0) | (byte(1) << 8) | ((end - start > 2 ? byte(2) : 0) << 16)
    if (type < 2) {
      const header = format === 3 ? 3 : format === 1 ? 2 : 1
      const size = format === 3 ? low >> 4 : format === 1 ? (low >> 4) & 0xfff : byte(0) >> 3
      const behind = start + header + (type === 0 ? size : 1)
      if (size > largest || behind > end) throw new BlockFault('literals exceed the block')
      if (type === 0) out.bytes.set(bytes.subarray(start + header, behind), out.literals)
      else out.bytes.fill(byte(header), out.literals, out.literals + size)
      return { size, end: behind }
    }
    const header = format === 3 ? 5 : format === 2 ? 4 : 3
    if (end - start < header) throw new BlockFault('truncated literals')
    const width = format === 3 ? 18 : format === 2 ? 14 : 10
    // Both sizes together may have 36 bits, but shifts have 32.
    const both = low + (header > 3 ? byte(3) * 2 ** 24 : 0) + (header > 4 ? byte(4) * 2 ** 32 : 0)
    const size = Math.floor(both / 16) % 2 ** width
    const packed = Math.floor(both / 2 ** (4 + width)) % 2 ** width
    let at = start + header
    const behind = at + packed
    if (size > largest || behind > end) throw new BlockFault('literals exceed the block')
    if (type === 2) {
      const described = readHuffman(bytes, at, behind)
      if (described === undefined) throw new BlockFault('invalid Huffman table')
      this.#huffman = described.table
      at = described.end
    }
    if (this.#huffman === undefined) throw new BlockFault('missing Huffman table')
    const whole = format === 0 ? decodeHuffman : decodeFour
    if (!whole(this.#huffman, bytes, at, behind, out.bytes, out.literals, out.literals + size)) {
      throw new BlockFault('invalid literals')
    }
    return { size, end: behind }
  }

  #table(mode: number, code: SequenceCode, last: FseTable | undefined, bytes: Uint8Array, at: number, end: number) {
    switch (mode) {
      case 0:
        return { table: code.predefined, end: at }
      case 1: {
        const symbol = bytes[at] as number
        if (at >= end || symbol >= code.symbols) throw new BlockFault('invalid sequence code')
        return { table: constantFse(symbol), end: at + 1 }
      }
      case 2: {
        const described = readFse(bytes, at, end, code.mostLog, code.symbols)
        if (described === undefined) throw new BlockFault('invalid sequence table')
        return described
      }
      default:
        if (last === undefined) throw new BlockFault('missing sequence table')
        return { table: last, end: at }
    }
  }

  #sequences(bytes: Uint8Array, start: number, end: number, out: Output, size: number, largest: number): void {
    let at = start
    let count = bytes[at++] as number
    if (at > end) throw new BlockFault('truncated sequences')
    if (count === 255) {
      count = (bytes[at] as number) + ((bytes[at + 1] as number) << 8) + 0x7f00
      at += 2
    } else if (count > 127) count = ((count - 128) << 8) + (bytes[at++] as number)
    if (count === 0) {
      if (at !== end) throw new BlockFault('data behind the last sequence')
      out.bytes.copyWithin(out.at, out.literals, out.literals + size)
      out.at += size
      return
    }
    const modes = bytes[at++] as number
    if (at >= end || (modes & 3) !== 0) throw new BlockFault('invalid sequence header')
    const literal = this.#table(modes >> 6, LITERAL_CODE, this.#literalCode, bytes, at, end)
    const offset = this.#table((modes >> 4) & 3, OFFSET_CODE, this.#offsetCode, bytes, literal.end, end)
    const match = this.#table((modes >> 2) & 3, MATCH_CODE, this.#matchCode, bytes, offset.end, end)
    this.#literalCode = literal.table
    this.#offsetCode = offset.table
    this.#matchCode = match.table
    this.#execute(bytes, match.end, end, count, out, size, largest)
  }

  /** Reads the sequences, from the end of their bits to the start, and executes them. The hot loop. */
  #execute(
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
    out: Output,
    size: number,
    largest: number,
  ): void {
    // The caller has just set them.
    const literalTable = this.#literalCode as FseTable
    const offsetTable = this.#offsetCode as FseTable
    const matchTable = this.#matchCode as FseTable
    const literalEntries = literalTable.entries
    const offsetEntries = offsetTable.entries
    const matchEntries = matchTable.entries
    const { extra: matchExtra, base: matchBase } = MATCH_LENGTHS
    const { extra: literalExtra, base: literalBase } = LITERAL_LENGTHS
    const { bytes: to } = out
    const view = packedView
    let [recent0, recent1, recent2] = this.#recent
    const first = start * 8
    let bit = lastBit(bytes, start, end)
    if (bit < 0) throw new BlockFault('invalid sequences')
    let from = out.literals
    const literalsEnd = from + size
    let at = out.at
    const limit = at + largest

    // Reads may go before the start of the bits, which is checked once per sequence. States stay within their tables
    // whatever is read, because the base of an entry plus its bits never exceeds them.
    bit -= literalTable.log
    let literal = literalEntries[wordAt(view, bit) & (literalEntries.length - 1)]!
    bit -= offsetTable.log
    let offset = offsetEntries[wordAt(view, bit) & (offsetEntries.length - 1)]!
    bit -= matchTable.log
    let match = matchEntries[wordAt(view, bit) & (matchEntries.length - 1)]!
    for (let left = count; left > 0; left--) {
      const offsetBits = offset & 0xff
      if (offsetBits > MOST_OFFSET_BITS) throw new BlockFault('match too far back')
      let back = 1 << offsetBits
      if (offsetBits > WORD_BITS) {
        bit -= offsetBits - 16
        back += (wordAt(view, bit) & ((1 << (offsetBits - 16)) - 1)) << 16
        bit -= 16
        back += wordAt(view, bit) & 0xffff
      } else {
        bit -= offsetBits
        back += wordAt(view, bit) & ((1 << offsetBits) - 1)
      }
      const matchCode = match & 0xff
      const matchBits = matchExtra[matchCode]!
      bit -= matchBits
      const matchLength = matchBase[matchCode]! + (wordAt(view, bit) & ((1 << matchBits) - 1))
      const literalCode = literal & 0xff
      const literalBits = literalExtra[literalCode]!
      bit -= literalBits
      const literalLength = literalBase[literalCode]! + (wordAt(view, bit) & ((1 << literalBits) - 1))
      if (left > 1) {
        let bits = (literal >> 8) & 0xff
        bit -= bits
        literal = literalEntries[(literal >> 16) + (wordAt(view, bit) & ((1 << bits) - 1))]!
        bits = (match >> 8) & 0xff
        bit -= bits
        match = matchEntries[(match >> 16) + (wordAt(view, bit) & ((1 << bits) - 1))]!
        bits = (offset >> 8) & 0xff
        bit -= bits
        offset = offsetEntries[(offset >> 16) + (wordAt(view, bit) & ((1 << bits) - 1))]!
      }
      if (bit < first) throw new BlockFault('truncated sequences')

      // 1 to 3 mean the latest offsets. Without literals they mean the second, the third, and the latest minus 1.
      if (back > 3) {
        back -= 3
        recent2 = recent1
        recent1 = recent0
        recent0 = back
      } else {
        const which = literalLength === 0 ? back : back - 1
        back = which === 0 ? recent0 : which === 1 ? recent1 : which === 2 ? recent2 : recent0 - 1
        if (which > 1) recent2 = recent1
        if (which > 0) recent1 = recent0
        recent0 = back
      }

      if (from + literalLength > literalsEnd || at + literalLength + matchLength > limit) {
        throw new BlockFault('sequence exceeds the block')
      }
      if (literalLength > LONG_COPY) {
        to.copyWithin(at, from, from + literalLength)
        at += literalLength
        from += literalLength
      } else for (const stop = from + literalLength; from < stop; ) to[at++] = to[from++]!
      if (back > at || back === 0) throw new BlockFault('match too far back')
      if (matchLength > LONG_COPY && back >= matchLength) {
        to.copyWithin(at, at - back, at - back + matchLength)
        at += matchLength
      } else for (let i = at - back, stop = at + matchLength; at < stop; ) to[at++] = to[i++]!
    }
    if (bit !== first) throw new BlockFault('invalid sequences')
    const rest = literalsEnd - from
    if (at + rest > limit) throw new BlockFault('literals exceed the block')
    to.copyWithin(at, from, literalsEnd)
    out.at = at + rest
    this.#recent = [recent0, recent1, recent2]
  }
}

/**
 * Decodes literals in four streams, each of a quarter of them, rounded up. The sizes of the first three come first.
 * @returns whether the streams hold exactly `out[at, to)`
 */
function decodeFour(
  table: HuffmanTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  to: number,
): boolean {
  const quarter = (to - at + 3) >> 2
  if (end - start < 6 || to - at < 3 * quarter) return false
  let from = start + 6
  for (let i = 0; i < 3; i++) {
    const stop = from + ((bytes[start + 2 * i] as number) | ((bytes[start + 2 * i + 1] as number) << 8))
    if (stop > end || !decodeHuffman(table, bytes, from, stop, out, at + i * quarter, at + (i + 1) * quarter))
      return false
    from = stop
  }
  return decodeHuffman(table, bytes, from, end, out, at + 3 * quarter, to)
}
