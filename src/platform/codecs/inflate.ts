/**
 * Decodes raw deflate as strictly as zlib, with zlib's error messages. fflate, the obvious choice, accepts some malformed
 * streams, and does not return where a stream ends, so that a checksum after it cannot be read. Source: RFC 1951.
 */

import { STREAM_CHUNK_BYTES } from '../limits.ts'
import { type Decoder, Input } from './decoder.ts'
import {
  BASE,
  type CodeTable,
  distanceCode,
  END,
  FIXED_DISTANCES,
  FIXED_LITERALS,
  LINK,
  LITERAL,
  lengthCode,
  literalCode,
} from './inflate-tables.ts'

const WINDOW = 32768
const LONGEST_MATCH = 258
/**
 * Bytes that decoding a length and a distance may read: they have at most 15 + 5 + 15 + 13 bits, start anywhere in a byte
 * and are read four bytes at a time.
 */
const SYMBOL_BYTES = 10
/** Bytes that the code lengths of a block may take: 17 + 19 * 3 + 316 * 14 bits. */
const LENGTHS_BYTES = 568
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
const MOST_LITERALS = 286
const MOST_DISTANCES = 30

/** Bytes of output buffer, beyond the expected size, with which `inflate` yields a single chunk and detects a longer stream. */
export const INFLATE_SLACK = LONGEST_MATCH + 1

/** Allocates an output buffer with room for the window and a chunk of 1 MiB. */
export function inflateBuffer(): Uint8Array {
  return new Uint8Array(WINDOW + STREAM_CHUNK_BYTES + LONGEST_MATCH)
}

/**
 * Decodes one stream. At its end, `input.pos` is the first byte after it.
 * @param out output buffer; chunks are views of it, and one is yielded each time it is full
 */
export function inflate(input: Input, out: Uint8Array): Decoder {
  return new Inflater(input, out).run()
}

/**
 * Returns the offsets, in bits, of the start and the end of a stream's last block.
 * @param stream a whole stream
 * @param size bytes that it inflates to
 */
export function findLastBlock(stream: Uint8Array, size: number): { start: number; end: number } {
  const input = new Input('deflate-raw')
  input.append(stream)
  input.ended = true
  const inflater = new Inflater(input, new Uint8Array(size + INFLATE_SLACK))
  const steps = inflater.run()
  while (!steps.next().done);
  return { start: inflater.block, end: inflater.end }
}

class Inflater {
  /** Offset in bits of the block being decoded, and after the end of the last block. */
  block = 0
  /** Offset in bits of the end of the stream, once it has been reached. */
  end = 0
  readonly #input: Input
  /** The last 32 KiB or more that were yielded, followed by new output. */
  readonly #out: Uint8Array
  #at = 0
  #fresh = 0
  /** `input.bytes`. At the end of the source, a copy followed by zeros, so that reads stay within bounds. */
  #src: Uint8Array
  /** Offset of `#src` in `input.bytes`. */
  #base = 0
  /** Number of consumed bits of `#src`. */
  #p: number
  /** Number of bits in `#src` without the zeros at its end. */
  #limit: number

  constructor(input: Input, out: Uint8Array) {
    this.#input = input
    this.#out = out
    this.#src = input.bytes
    this.#p = input.pos * 8
    this.#limit = input.bytes.length * 8
  }

  *run(): Decoder {
    for (let last = false; !last; ) {
      yield* this.#fill(1)
      this.block = this.#base * 8 + this.#p
      last = this.#take(1) === 1
      switch (this.#take(2)) {
        case 0:
          yield* this.#stored()
          break
        case 1:
          yield* this.#coded(FIXED_LITERALS, FIXED_DISTANCES)
          break
        case 2:
          yield* this.#dynamic()
          break
        default:
          throw this.#fault('invalid block type')
      }
    }
    this.#check()
    this.end = this.#base * 8 + this.#p
    this.#input.pos = (this.end + 7) >> 3
    if (this.#at > this.#fresh) yield this.#out.subarray(this.#fresh, this.#at)
  }

  #fault(message: string): Error {
    this.#check()
    this.#input.pos = this.#base + (this.#p >> 3)
    return this.#input.fault(message)
  }

  /**
   * Called before any other error is reported, because one found in the zeros after the input would be wrong.
   * @throws {CompressionError} if reading ran past the end of the input
   */
  #check(): void {
    if (this.#p <= this.#limit) return
    this.#input.pos = this.#input.bytes.length
    throw this.#input.fault('unexpected end of file')
  }

  /** Makes `bytes` bytes readable. If the source ends before, zeros follow; `#check` finds out if they were read. */
  *#fill(bytes: number): Decoder {
    const input = this.#input
    while (this.#src.length * 8 - this.#p < bytes * 8) {
      this.#check()
      input.pos = this.#base + (this.#p >> 3)
      const bit = this.#p & 7
      if (input.ended) {
        const rest = input.bytes.subarray(input.pos)
        this.#src = new Uint8Array(rest.length + LENGTHS_BYTES)
        this.#src.set(rest)
        this.#base = input.pos
        this.#limit = rest.length * 8
        this.#p = bit
      } else {
        yield undefined
        this.#src = input.bytes
        this.#p = input.pos * 8 + bit
        this.#limit = this.#src.length * 8
      }
    }
  }

  /** Consumes up to 16 bits, which `#fill` must have made readable. */
  #take(bits: number): number {
    const at = this.#p >> 3
    const word =
      (this.#src[at] as number) | ((this.#src[at + 1] as number) << 8) | ((this.#src[at + 2] as number) << 16)
    const value = (word >> (this.#p & 7)) & ((1 << bits) - 1)
    this.#p += bits
    return value
  }

  /** Yields the new output, and moves the window to the start of the buffer to make room. */
  *#flush(): Decoder {
    this.#check()
    yield this.#out.subarray(this.#fresh, this.#at)
    const kept = Math.min(WINDOW, this.#at)
    this.#out.copyWithin(0, this.#at - kept, this.#at)
    this.#at = kept
    this.#fresh = kept
  }

  *#stored(): Decoder {
    this.#p = (this.#p + 7) & ~7
    yield* this.#fill(4)
    let left = this.#take(16)
    if (this.#take(16) !== (left ^ 0xffff)) throw this.#fault('invalid stored block lengths')
    while (left > 0) {
      yield* this.#fill(1)
      if (this.#at === this.#out.length) yield* this.#flush()
      const from = this.#p >> 3
      const size = Math.min(left, this.#src.length - from, this.#out.length - this.#at)
      this.#out.set(this.#src.subarray(from, from + size), this.#at)
      this.#at += size
      this.#p += size * 8
      left -= size
      this.#check()
    }
  }

  *#dynamic(): Decoder {
    yield* this.#fill(LENGTHS_BYTES)
    const literals = this.#take(5) + 257
    const distances = this.#take(5) + 1
    const ordered = this.#take(4) + 4
    if (literals > MOST_LITERALS || distances > MOST_DISTANCES) {
      throw this.#fault('too many length or distance symbols')
    }
    const ofLengths = new Uint8Array(LENGTH_ORDER.length)
    for (let i = 0; i < ordered; i++) ofLengths[LENGTH_ORDER[i] as number] = this.#take(3)
    const code = lengthCode(ofLengths)
    if (code === undefined) throw this.#fault('invalid code lengths set')
    const lengths = this.#lengths(literals + distances, code)
    if (lengths[256] === 0) throw this.#fault('invalid code -- missing end-of-block')
    const literal = literalCode(lengths.subarray(0, literals))
    if (literal === undefined) throw this.#fault('invalid literal/lengths set')
    const distance = distanceCode(lengths.subarray(literals))
    if (distance === undefined) throw this.#fault('invalid distances set')
    this.#check()
    yield* this.#coded(literal, distance)
  }

  /** Reads the code lengths of literals and distances, which are one sequence. */
  #lengths(count: number, code: CodeTable): Uint8Array {
    const lengths = new Uint8Array(count)
    for (let i = 0; i < count; ) {
      const entry = code.entries[this.#take(code.rootBits)] as number
      this.#p += (entry & 15) - code.rootBits
      const symbol = entry >>> 16
      if (symbol < 16) {
        lengths[i++] = symbol
        continue
      }
      if (symbol === 16 && i === 0) throw this.#fault('invalid bit length repeat')
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7)
      if (i + times > count) throw this.#fault('invalid bit length repeat')
      lengths.fill(value, i, i + times)
      i += times
    }
    return lengths
  }

  *#coded(literal: CodeTable, distance: CodeTable): Decoder {
    for (;;) {
      yield* this.#fill(SYMBOL_BYTES)
      if (this.#symbols(literal, distance)) return
      this.#check()
      if (this.#at > this.#out.length - LONGEST_MATCH) yield* this.#flush()
    }
  }

  /**
   * Decodes symbols until input or room runs low. The hot loop.
   * @returns whether the end of the block was read
   */
  #symbols(literal: CodeTable, distance: CodeTable): boolean {
    // Reads stay within bounds: those of `src` because of `most`, those of the tables because of the masks.
    const { buffer, byteOffset, length: size } = this.#src
    const src = new DataView(buffer, byteOffset, size)
    const out = this.#out
    const literals = literal.entries
    const distances = distance.entries
    const literalMask = (1 << literal.rootBits) - 1
    const distanceMask = (1 << distance.rootBits) - 1
    const most = (size - SYMBOL_BYTES) * 8
    const room = out.length - LONGEST_MATCH
    let p = this.#p
    let at = this.#at
    let fault = ''
    let end = false
    while (p <= most && at <= room) {
      let bits = src.getUint32(p >> 3, true) >>> (p & 7)
      let entry = literals[bits & literalMask]!
      if (((entry >> 8) & 3) === LINK) {
        const root = entry & 15
        p += root
        bits >>>= root
        entry = literals[(entry >>> 16) + (bits & ((1 << ((entry >> 4) & 15)) - 1))]!
      }
      const length = entry & 15
      const kind = (entry >> 8) & 3
      p += length
      if (kind === LITERAL) {
        if (entry === 0) {
          fault = 'invalid literal/length code'
          break
        }
        out[at++] = entry >>> 16
        continue
      }
      if (kind === END) {
        end = true
        break
      }
      bits >>>= length
      const extra = (entry >> 4) & 15
      let left = (entry >>> 16) + (bits & ((1 << extra) - 1))
      p += extra

      bits = src.getUint32(p >> 3, true) >>> (p & 7)
      entry = distances[bits & distanceMask]!
      if (((entry >> 8) & 3) === LINK) {
        const root = entry & 15
        p += root
        bits >>>= root
        entry = distances[(entry >>> 16) + (bits & ((1 << ((entry >> 4) & 15)) - 1))]!
      }
      if (((entry >> 8) & 3) !== BASE) {
        fault = 'invalid distance code'
        break
      }
      p += entry & 15
      bits = src.getUint32(p >> 3, true) >>> (p & 7)
      const distanceExtra = (entry >> 4) & 15
      const back = (entry >>> 16) + (bits & ((1 << distanceExtra) - 1))
      p += distanceExtra
      if (back > at) {
        fault = 'invalid distance too far back'
        break
      }
      for (let from = at - back; left > 0; left--) out[at++] = out[from++]!
    }
    this.#p = p
    this.#at = at
    if (fault !== '') throw this.#fault(fault)
    return end
  }
}
