/**
 * Decodes bzip2: all streams of a file, checking the checksum of each block and stream. After the last stream, only zeros
 * may follow.
 *
 *     "BZh", level │ block … │ end mark 48 bits │ checksum of the blocks' checksums 32 │ bits up to a whole byte
 *     block: mark 48 │ checksum 32 │ randomised 1 │ start of the rotation 24 │ bytes that occur │ code tables │ symbols
 *
 * A block is decoded in three steps: Huffman codes, with up to six tables that change every 50 symbols, give positions in a
 * list of recently used bytes; the Burrows-Wheeler transform is reverted; a run of four bytes is followed by the number of
 * further ones. Source: the format specification by Joe Tsai (2016), and libbz2 1.0.8.
 */
import type { Decoder, Input } from './decoder.ts'

const BLOCK_MARK = [0x314159, 0x265359]
const END_MARK = [0x177245, 0x385090]
const GROUP_SYMBOLS = 50
const LONGEST_CODE = 20
/** Largest number of bytes that the symbols of one group take. */
const GROUP_BYTES = (GROUP_SYMBOLS * LONGEST_CODE) / 8
/** Number of selectors that are kept; a block has fewer symbols than more of them would be for. */
const MAX_SELECTORS = 18_002
/** Size of an output chunk, in bytes. */
const CHUNK = 1 << 20
/** Largest number of bytes that one step of the last loop appends to the output. */
const LONGEST_RUN = 255

/** Big-endian CRC-32, polynomial 0x04c11db7. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc
})

/** Reads bits, the highest of a byte first. */
class Bits {
  readonly input: Input
  #buffer = 0
  #count = 0
  /** How many of the bits in the buffer are beyond the end of the input. */
  #beyond = 0

  constructor(input: Input) {
    this.input = input
  }

  /** Requests input until `bytes` bytes can be read, or the input has ended. */
  *ensure(bytes: number): Generator<undefined, void, undefined> {
    while (this.input.left < bytes && !this.input.ended) yield undefined
  }

  /** Returns the next bits without consuming them; zeros beyond the end. @param size 1 to 24 */
  peek(size: number): number {
    const { input } = this
    while (this.#count < size) {
      if (input.pos < input.bytes.length) {
        this.#buffer = (this.#buffer << 8) | (input.bytes[input.pos++] as number)
      } else {
        this.#buffer <<= 8
        this.#beyond += 8
      }
      this.#count += 8
    }
    return (this.#buffer >>> (this.#count - size)) & ((1 << size) - 1)
  }

  /** Consumes bits that were peeked at. @throws {CompressionError} if they are beyond the end */
  skip(size: number): void {
    this.#count -= size
    if (this.#count < this.#beyond) throw this.input.fault('unexpected end of file')
  }

  read(size: number): number {
    const value = this.peek(size)
    this.skip(size)
    return value
  }

  read32(): number {
    return ((this.read(16) << 16) | this.read(16)) >>> 0
  }

  /** Skips the bits up to the next whole byte. */
  align(): void {
    this.#count -= this.#count & 7
  }

  /** Whether the input has ended; to be asked between bytes. */
  *atEnd(): Generator<undefined, boolean, undefined> {
    if (this.#count > this.#beyond) return false
    yield* this.ensure(1)
    return this.input.left === 0
  }
}

/** A table of canonical Huffman codes. */
interface Codes {
  readonly shortest: number
  readonly longest: number
  /** By length: the first value, of `longest` bits, that is not a code of this length or of a shorter one. */
  readonly limits: Int32Array
  /** By length: what to add to a code to get its position in `symbols`. */
  readonly bases: Int32Array
  readonly symbols: Uint16Array
}

/** Decodes all streams. */
export function* bunzip2(input: Input): Decoder {
  const bits = new Bits(input)
  const out = new Uint8Array(CHUNK)
  let level = yield* header(bits)
  let block = new Uint32Array(level * 100_000)
  for (;;) {
    if (block.length < level * 100_000) block = new Uint32Array(level * 100_000)
    yield* stream(bits, block.subarray(0, level * 100_000), out)
    let padded = false
    for (;;) {
      if (yield* bits.atEnd()) return
      yield* bits.ensure(4)
      if (bits.peek(8) !== 0) break
      bits.skip(8)
      padded = true
    }
    if (padded) throw input.fault('invalid bzip2 header after the last stream')
    level = yield* header(bits)
  }
}

function* header(bits: Bits): Generator<undefined, number, undefined> {
  yield* bits.ensure(4)
  const magic = bits.read(24)
  const level = bits.read(8) - 0x30
  if (magic !== 0x425a68 || level < 1 || level > 9) throw bits.input.fault('invalid bzip2 header')
  return level
}

function* stream(bits: Bits, block: Uint32Array, out: Uint8Array): Decoder {
  let combined = 0
  for (;;) {
    yield* bits.ensure(64)
    const mark = [bits.read(24), bits.read(24)]
    const checksum = bits.read32()
    if (mark[0] === END_MARK[0] && mark[1] === END_MARK[1]) {
      if (checksum !== combined) throw bits.input.fault('incorrect checksum of a stream')
      return bits.align()
    }
    if (mark[0] !== BLOCK_MARK[0] || mark[1] !== BLOCK_MARK[1]) throw bits.input.fault('invalid block header')
    if (bits.read(1) === 1) throw bits.input.fault('randomised blocks, of bzip2 before 0.9.5, are not supported')
    const start = bits.read(24)
    const length = yield* readBlock(bits, block)
    if (start >= length) throw bits.input.fault('the start of the rotation is beyond the end of its block')
    let crc = -1
    for (const chunk of unrotate(block, length, start, out)) {
      for (let i = 0; i < chunk.length; i++) {
        crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ (chunk[i] as number)] as number)
      }
      yield chunk
    }
    if (~crc >>> 0 !== checksum) throw bits.input.fault('incorrect checksum of a block')
    combined = (((combined << 1) | (combined >>> 31)) ^ checksum) >>> 0
  }
}

/** Reads the tables and symbols of a block, and links its bytes in the order of the text: `next << 8 | byte`. */
function* readBlock(bits: Bits, block: Uint32Array): Generator<undefined, number, undefined> {
  const used = readUsedBytes(bits)
  const count = used.length
  if (count === 0) throw bits.input.fault('a block without bytes')
  const tables = bits.read(3)
  if (tables < 2 || tables > 6) throw bits.input.fault('invalid number of code tables')
  const selectors = yield* readSelectors(bits, tables)
  const codes: Codes[] = []
  for (let i = 0; i < tables; i++) codes.push(yield* readCodes(bits, count + 2))

  const counts = new Uint32Array(256)
  const recent = used.slice()
  const end = count + 1
  let length = 0
  let run = 0
  let runBit = 1
  for (const selector of selectors) {
    yield* bits.ensure(GROUP_BYTES + 4)
    const table = codes[selector] as Codes
    for (let i = 0; i < GROUP_SYMBOLS; i++) {
      const symbol = readSymbol(bits, table)
      if (symbol <= 1) {
        // The digits of a number in base 2, with the digits 1 and 2, the lowest first.
        run += runBit << symbol
        runBit <<= 1
        if (run > block.length) throw bits.input.fault('a run is longer than its block')
        continue
      }
      if (run > 0) {
        const byte = recent[0] as number
        if (length + run > block.length) throw bits.input.fault('more bytes than a block may have')
        block.fill(byte, length, length + run)
        counts[byte] = (counts[byte] as number) + run
        length += run
        run = 0
        runBit = 1
      }
      if (symbol === end) {
        link(block, length, counts)
        return length
      }
      if (length === block.length) throw bits.input.fault('more bytes than a block may have')
      const byte = recent[symbol - 1] as number
      recent.copyWithin(1, 0, symbol - 1)
      recent[0] = byte
      counts[byte] = (counts[byte] as number) + 1
      block[length++] = byte
    }
  }
  throw bits.input.fault('a block has more symbols than selectors')
}

function readUsedBytes(bits: Bits): Uint8Array {
  const rows = bits.read(16)
  const used: number[] = []
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue
    const columns = bits.read(16)
    for (let column = 0; column < 16; column++) if (columns & (0x8000 >> column)) used.push(16 * row + column)
  }
  return Uint8Array.from(used)
}

/** Reads which table each group of symbols uses. */
function* readSelectors(bits: Bits, tables: number): Generator<undefined, Uint8Array, undefined> {
  yield* bits.ensure(8)
  const count = bits.read(15)
  if (count === 0) throw bits.input.fault('a block without symbols')
  const selectors = new Uint8Array(Math.min(count, MAX_SELECTORS))
  const recent = [0, 1, 2, 3, 4, 5]
  for (let i = 0; i < count; i++) {
    if (bits.input.left < 8) yield* bits.ensure(8)
    let at = 0
    while (bits.read(1) === 1) if (++at >= tables) throw bits.input.fault('invalid selector')
    const [selector = 0] = recent.splice(at, 1)
    recent.unshift(selector)
    if (i < selectors.length) selectors[i] = selector
  }
  return selectors
}

/** Reads the lengths of the codes of a table: the first in 5 bits, then the difference of each to the one before. */
function* readCodes(bits: Bits, count: number): Generator<undefined, Codes, undefined> {
  yield* bits.ensure(8)
  const lengths = new Uint8Array(count)
  let length = bits.read(5)
  let longest = 0
  let shortest = LONGEST_CODE
  for (let i = 0; i < count; i++) {
    for (;;) {
      if (length < 1 || length > LONGEST_CODE) throw bits.input.fault('invalid length of a code')
      if (bits.input.left < 8) yield* bits.ensure(8)
      if (bits.read(1) === 0) break
      length += bits.read(1) === 0 ? 1 : -1
    }
    lengths[i] = length
    longest = Math.max(longest, length)
    shortest = Math.min(shortest, length)
  }
  const limits = new Int32Array(longest + 1)
  const bases = new Int32Array(longest + 1)
  const symbols = new Uint16Array(count)
  let code = 0
  let at = 0
  for (let size = 1; size <= longest; size++) {
    code <<= 1
    bases[size] = at - code
    for (let symbol = 0; symbol < count; symbol++) {
      if (lengths[symbol] !== size) continue
      symbols[at++] = symbol
      code++
    }
    if (code > 1 << size) throw bits.input.fault('more codes than their lengths allow')
    limits[size] = code << (longest - size)
  }
  return { shortest, longest, limits, bases, symbols }
}

function readSymbol(bits: Bits, { shortest, longest, limits, bases, symbols }: Codes): number {
  const ahead = bits.peek(longest)
  for (let size = shortest; size <= longest; size++) {
    if (ahead >= (limits[size] as number)) continue
    bits.skip(size)
    return symbols[(ahead >> (longest - size)) + (bases[size] as number)] as number
  }
  throw bits.input.fault('invalid code')
}

/** Reverts the sorting: adds to each byte the position of the one that follows it in the text. */
function link(block: Uint32Array, length: number, counts: Uint32Array): void {
  let sum = 0
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] as number
    counts[byte] = sum
    sum += count
  }
  for (let i = 0; i < length; i++) {
    const byte = (block[i] as number) & 0xff
    const at = counts[byte] as number
    counts[byte] = at + 1
    block[at] = (block[at] as number) | (i << 8)
  }
}

/** Yields the text of a block, with its runs, in chunks. Four equal bytes are followed by the number of further ones. */
function* unrotate(
  block: Uint32Array,
  length: number,
  start: number,
  out: Uint8Array,
): Generator<Uint8Array, void, undefined> {
  let at = (block[start] as number) >>> 8
  let filled = 0
  let previous = -1
  let same = 0
  for (let i = 0; i < length; i++) {
    const entry = block[at] as number
    const byte = entry & 0xff
    at = entry >>> 8
    if (same === 4) {
      out.fill(previous, filled, filled + byte)
      filled += byte
      same = 0
      previous = -1
    } else {
      same = byte === previous ? same + 1 : 1
      previous = byte
      out[filled++] = byte
    }
    if (filled > out.length - LONGEST_RUN) {
      yield out.subarray(0, filled)
      filled = 0
    }
  }
  if (filled > 0) yield out.subarray(0, filled)
}
