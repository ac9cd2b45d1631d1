/**
 * Decodes the LZMA data of one LZMA2 chunk: a range coder whose probabilities adapt bit by bit, and a window of what was
 * decoded, into which matches refer back. Source: the LZMA specification by Igor Pavlov (2015).
 */
import type { Input } from '../decoder.ts'

/** Probabilities are in units of 1/2048 that a bit is 0. */
const HALF = 1024
const STATES = 12
/** States from here on follow a match. */
const AFTER_MATCH = 7
const MAX_POSITIONS = 16

// Where the probabilities of each kind are in the one array.
const IS_MATCH = 0
const IS_REP = IS_MATCH + STATES * MAX_POSITIONS
const IS_REP0 = IS_REP + STATES
const IS_REP1 = IS_REP0 + STATES
const IS_REP2 = IS_REP1 + STATES
const IS_REP0_LONG = IS_REP2 + STATES
const SLOTS = IS_REP0_LONG + STATES * MAX_POSITIONS
const SPECIAL = SLOTS + 4 * 64
const ALIGN = SPECIAL + 128
const LENGTHS = ALIGN + 16
const LENGTH_LOW = 2
const LENGTH_MIDDLE = LENGTH_LOW + MAX_POSITIONS * 8
const LENGTH_HIGH = LENGTH_MIDDLE + MAX_POSITIONS * 8
const REP_LENGTHS = LENGTHS + LENGTH_HIGH + 256
const LITERALS = REP_LENGTHS + LENGTH_HIGH + 256
const LITERAL_SIZE = 0x300
/** Literal contexts that LZMA2 allows: lc + lp is at most 4. */
const MAX_LITERAL_CONTEXTS = 16

/** The last bytes of the output, as a ring. */
export class Window {
  readonly bytes: Uint8Array
  /** Where the next byte goes. */
  pos = 0
  /** Number of bytes that matches may refer back, at most the size of the dictionary. */
  reach = 0
  /** Start of what has not been taken. */
  #taken = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
  }

  /** Returns the bytes since the last call, and makes room for the next ones. They are valid until something is written. */
  take(): Uint8Array {
    const bytes = this.bytes.subarray(this.#taken, this.pos)
    if (this.pos === this.bytes.length) this.pos = 0
    this.#taken = this.pos
    return bytes
  }

  /** Copies bytes that are not compressed. They have to fit before the end of the ring. */
  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.pos)
    this.pos += bytes.length
  }
}

/** The state of the decoder, which goes on from chunk to chunk. */
export class Lzma {
  readonly #probs = new Uint16Array(LITERALS + LITERAL_SIZE * MAX_LITERAL_CONTEXTS)
  readonly #input: Input
  readonly #dictionary: number
  #literalContextBits = 0
  #literalPositionMask = 0
  #positionMask = 0
  #state = 0
  #rep0 = 0
  #rep1 = 0
  #rep2 = 0
  #rep3 = 0
  /** Bytes of the last match that are still to be copied. */
  #pending = 0
  /** Number of bytes since the last reset of the dictionary, for the position bits; wraps. */
  #position = 0

  #bytes: Uint8Array
  #at = 0
  #end = 0
  #range = 0
  #code = 0

  /** @param dictionary its size in bytes */
  constructor(input: Input, dictionary: number) {
    this.#input = input
    this.#bytes = input.bytes
    this.#dictionary = dictionary
  }

  /** Sets the properties, `(pb * 5 + lp) * 9 + lc`. @throws {CompressionError} if LZMA2 does not allow them */
  setProperties(properties: number): void {
    const literalContextBits = properties % 9
    const rest = Math.floor(properties / 9)
    const literalPositionBits = rest % 5
    const positionBits = Math.floor(rest / 5)
    if (positionBits > 4 || literalContextBits + literalPositionBits > 4) {
      throw this.#input.fault('invalid properties of LZMA data')
    }
    this.#literalContextBits = literalContextBits
    this.#literalPositionMask = (1 << literalPositionBits) - 1
    this.#positionMask = (1 << positionBits) - 1
  }

  resetState(): void {
    this.#probs.fill(HALF)
    this.#state = 0
    this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0
  }

  resetDictionary(window: Window): void {
    window.reach = 0
    this.#position = 0
  }

  /** Notes that `count` bytes were added to the window otherwise. */
  advance(window: Window, count: number): void {
    this.#position = (this.#position + count) >>> 0
    window.reach = Math.min(this.#dictionary, window.reach + count)
  }

  /** Starts with the data of a chunk: the next `size` bytes of the input. */
  start(size: number): void {
    const { bytes, pos } = this.#input
    this.#bytes = bytes
    this.#at = pos + 5
    this.#end = pos + size
    if (size < 5 || bytes[pos] !== 0) throw this.#input.fault('invalid start of LZMA data')
    this.#range = 0xffffffff
    this.#code = new DataView(bytes.buffer, bytes.byteOffset + pos + 1, 4).getUint32(0)
    this.#pending = 0
  }

  /** Checks that a chunk's data ends where it should. */
  finish(): void {
    this.#normalize()
    if (this.#at !== this.#end || this.#code !== 0 || this.#pending !== 0) this.#corrupt()
  }

  #corrupt(): never {
    throw this.#input.fault('corrupt LZMA data')
  }

  /**
   * Decodes until `limit` bytes are written, or the end of the ring is reached.
   * @returns how many bytes were written
   */
  decode(window: Window, limit: number): number {
    const { bytes: ring } = window
    const size = ring.length
    const stop = Math.min(size, window.pos + limit)
    const first = window.pos
    let pos = first
    let reach = window.reach
    let position = this.#position
    while (pos < stop) {
      if (this.#pending === 0) {
        if (this.#at > this.#end) this.#corrupt()
        const positionState = position & this.#positionMask
        const state = this.#state
        if (this.#bit(IS_MATCH + state * MAX_POSITIONS + positionState) === 0) {
          const previous = reach === 0 ? 0 : (ring[pos === 0 ? size - 1 : pos - 1] as number)
          const context =
            ((position & this.#literalPositionMask) << this.#literalContextBits) |
            (previous >> (8 - this.#literalContextBits))
          const literals = LITERALS + LITERAL_SIZE * context
          if (state < AFTER_MATCH) {
            ring[pos] = this.#tree(literals, 8)
          } else {
            if (this.#rep0 >= reach) this.#corrupt()
            const from = pos - this.#rep0 - 1
            ring[pos] = this.#matchedLiteral(literals, ring[from < 0 ? from + size : from] as number)
          }
          this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
          pos++
          position++
          if (reach < this.#dictionary) reach++
          continue
        }
        this.#pending = this.#match(state, positionState)
        if (this.#rep0 >= reach) this.#corrupt()
      }
      const count = Math.min(this.#pending, stop - pos)
      let from = pos - this.#rep0 - 1
      if (from < 0) from += size
      for (let i = 0; i < count; i++) {
        ring[pos++] = ring[from++] as number
        if (from === size) from = 0
      }
      this.#pending -= count
      position += count
      reach = Math.min(this.#dictionary, reach + count)
    }
    window.pos = pos
    window.reach = reach
    this.#position = position >>> 0
    return pos - first
  }

  /** Reads a match and the distance to it. @returns its length */
  #match(state: number, positionState: number): number {
    if (this.#bit(IS_REP + state) === 0) {
      this.#rep3 = this.#rep2
      this.#rep2 = this.#rep1
      this.#rep1 = this.#rep0
      const length = this.#length(LENGTHS, positionState)
      this.#rep0 = this.#distance(length)
      this.#state = state < AFTER_MATCH ? 7 : 10
      return length
    }
    if (this.#bit(IS_REP0 + state) === 0) {
      if (this.#bit(IS_REP0_LONG + state * MAX_POSITIONS + positionState) === 0) {
        this.#state = state < AFTER_MATCH ? 9 : 11
        return 1
      }
    } else {
      let distance = this.#rep1
      if (this.#bit(IS_REP1 + state) === 1) {
        distance = this.#rep2
        if (this.#bit(IS_REP2 + state) === 1) {
          distance = this.#rep3
          this.#rep3 = this.#rep2
        }
        this.#rep2 = this.#rep1
      }
      this.#rep1 = this.#rep0
      this.#rep0 = distance
    }
    this.#state = state < AFTER_MATCH ? 8 : 11
    return this.#length(REP_LENGTHS, positionState)
  }

  #length(base: number, positionState: number): number {
    if (this.#bit(base) === 0) return 2 + this.#tree(base + LENGTH_LOW + positionState * 8, 3)
    if (this.#bit(base + 1) === 0) return 10 + this.#tree(base + LENGTH_MIDDLE + positionState * 8, 3)
    return 18 + this.#tree(base + LENGTH_HIGH, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(SLOTS + Math.min(length - 2, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const base = (2 | (slot & 1)) << bits
    if (slot < 14) return base + this.#reverseTree(SPECIAL + base - slot, bits)
    const high = this.#direct(bits - 4)
    return ((base >>> 0) + high * 16 + this.#reverseTree(ALIGN, 4)) >>> 0
  }

  #normalize(): void {
    if (this.#range < 0x1000000) {
      this.#range = (this.#range << 8) >>> 0
      this.#code = ((this.#code << 8) | (this.#bytes[this.#at++] as number)) >>> 0
    }
  }

  #bit(index: number): 0 | 1 {
    this.#normalize()
    const prob = this.#probs[index] as number
    const bound = Math.imul(this.#range >>> 11, prob) >>> 0
    if (this.#code < bound) {
      this.#range = bound
      this.#probs[index] = prob + ((2048 - prob) >>> 5)
      return 0
    }
    this.#range -= bound
    this.#code -= bound
    this.#probs[index] = prob - (prob >>> 5)
    return 1
  }

  #tree(base: number, bits: number): number {
    let symbol = 1
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(base + symbol)
    return symbol - (1 << bits)
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1
    let value = 0
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol)
      symbol = (symbol << 1) | bit
      value |= bit << i
    }
    return value
  }

  /** Reads a literal after a match, predicted by the byte at the distance of that match. */
  #matchedLiteral(base: number, predicted: number): number {
    let symbol = 1
    let match = predicted
    while (symbol < 0x100) {
      const matchBit = (match >> 7) & 1
      match <<= 1
      const bit = this.#bit(base + ((1 + matchBit) << 8) + symbol)
      symbol = (symbol << 1) | bit
      if (matchBit !== bit) {
        while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol)
      }
    }
    return symbol & 0xff
  }

  /** Reads bits that have no probabilities. */
  #direct(bits: number): number {
    let value = 0
    for (let i = 0; i < bits; i++) {
      this.#normalize()
      this.#range >>>= 1
      const bit = this.#code >= this.#range ? 1 : 0
      if (bit === 1) this.#code -= this.#range
      value = value * 2 + bit
    }
    return value
  }
}
