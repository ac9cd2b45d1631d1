/**
 * XXH64 with seed 0, the checksum of zstd frames. Source: the xxHash specification, "XXH64 algorithm description".
 *
 * 64-bit numbers are pairs of 32-bit halves, because computing with BigInt takes fifty times as long.
 */

const STRIPE = 32
const PRIME64_1_HIGH = 0x9e3779b1
const PRIME64_1_LOW = 0x85ebca87
const PRIME64_2_HIGH = 0xc2b2ae3d
const PRIME64_2_LOW = 0x27d4eb4f
const PRIME64_3_HIGH = 0x165667b1
const PRIME64_3_LOW = 0x9e3779f9
const PRIME64_4_HIGH = 0x85ebca77
const PRIME64_4_LOW = 0xc2b2ae63
const PRIME64_5_HIGH = 0x27d4eb2f
const PRIME64_5_LOW = 0x165667c5

/** Returns the high half of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const p01 = Math.imul(a0, b1)
  const p10 = Math.imul(a1, b0)
  const middle = (Math.imul(a0, b0) >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  return (Math.imul(a1, b1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)) | 0
}

/** A 64-bit accumulator. */
class Word {
  high: number
  low: number

  constructor(high: number, low: number) {
    this.high = high | 0
    this.low = low | 0
  }

  add(high: number, low: number): this {
    const sum = (this.low + low) | 0
    const carry = sum >>> 0 < low >>> 0 ? 1 : 0
    this.high = (this.high + high + carry) | 0
    this.low = sum
    return this
  }

  multiply(high: number, low: number): this {
    const cross = (Math.imul(this.high, low) + Math.imul(this.low, high)) | 0
    this.high = (multiplyHigh(this.low, low) + cross) | 0
    this.low = Math.imul(this.low, low)
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  /**
   * Rotates left.
   * @param bits 1 to 31
   */
  rotate(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  /**
   * XORs with itself, shifted right.
   * @param bits 1 to 63
   */
  xorShift(bits: number): this {
    return bits < 32
      ? this.xor(this.high >>> bits, (this.low >>> bits) | (this.high << (32 - bits)))
      : this.xor(0, this.high >>> (bits - 32))
  }

  /** Processes eight bytes of input. */
  round(high: number, low: number): this {
    const lane = new Word(high, low).multiply(PRIME64_2_HIGH, PRIME64_2_LOW)
    return this.add(lane.high, lane.low).rotate(31).multiply(PRIME64_1_HIGH, PRIME64_1_LOW)
  }
}

/**
 * Applies `Word.round` to `lane` for the eight bytes at `start` of every stripe. The hot loop, written out. Its constants
 * are local, because a bundler may turn those of a module into variables, which takes twice as long.
 */
function stripeLane(lane: Word, bytes: Uint8Array, start: number): void {
  const prime64_1High = 0x9e3779b1 | 0
  const prime64_1Low = 0x85ebca87 | 0
  const prime64_2High = 0xc2b2ae3d | 0
  const prime64_2Low = 0x27d4eb4f
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let { high, low } = lane
  for (let at = start; at < bytes.length; at += STRIPE) {
    const inputLow = view.getInt32(at, true)
    const inputHigh = view.getInt32(at + 4, true)
    const scaledLow = Math.imul(inputLow, prime64_2Low)
    const cross = (Math.imul(inputHigh, prime64_2Low) + Math.imul(inputLow, prime64_2High)) | 0
    const sumLow = (low + scaledLow) | 0
    const carry = sumLow >>> 0 < scaledLow >>> 0 ? 1 : 0
    const sumHigh = (high + multiplyHigh(inputLow, prime64_2Low) + cross + carry) | 0
    const turnedHigh = (sumHigh << 31) | (sumLow >>> 1)
    const turnedLow = (sumLow << 31) | (sumHigh >>> 1)
    high =
      (multiplyHigh(turnedLow, prime64_1Low) +
        Math.imul(turnedHigh, prime64_1Low) +
        Math.imul(turnedLow, prime64_1High)) |
      0
    low = Math.imul(turnedLow, prime64_1Low)
  }
  lane.high = high
  lane.low = low
}

/** An XXH64 computed piece by piece. */
export class Xxh64 {
  readonly #lanes = [
    new Word(PRIME64_1_HIGH, PRIME64_1_LOW).add(PRIME64_2_HIGH, PRIME64_2_LOW),
    new Word(PRIME64_2_HIGH, PRIME64_2_LOW),
    new Word(0, 0),
    new Word(0, 0).add(~PRIME64_1_HIGH, ~PRIME64_1_LOW).add(0, 1),
  ]
  /** Bytes of an incomplete stripe. */
  readonly #rest = new Uint8Array(STRIPE)
  #restLength = 0
  #size = 0

  /** Adds `bytes` to the data. */
  update(bytes: Uint8Array): void {
    this.#size += bytes.length
    let at = 0
    if (this.#restLength > 0) {
      at = Math.min(STRIPE - this.#restLength, bytes.length)
      this.#rest.set(bytes.subarray(0, at), this.#restLength)
      this.#restLength += at
      if (this.#restLength < STRIPE) return
      this.#stripes(this.#rest)
    }
    const whole = (bytes.length - at) & -STRIPE
    this.#stripes(bytes.subarray(at, at + whole))
    const rest = bytes.subarray(at + whole)
    this.#rest.set(rest)
    this.#restLength = rest.length
  }

  /**
   * Processes input.
   * @param bytes whole stripes
   */
  #stripes(bytes: Uint8Array): void {
    // One loop for each lane, so that everything stays in registers.
    for (let i = 0; i < 4; i++) stripeLane(this.#lanes[i] as Word, bytes, i * 8)
  }

  /** Returns the low 32 bits, unsigned, which a zstd frame stores. No other call may follow. */
  digestLow(): number {
    const hash = this.#size >= STRIPE ? this.#merge() : new Word(PRIME64_5_HIGH, PRIME64_5_LOW)
    hash.add(Math.floor(this.#size / 2 ** 32), this.#size % 2 ** 32)
    const rest = this.#rest.subarray(0, this.#restLength)
    const view = new DataView(rest.buffer, rest.byteOffset, rest.length)
    let at = 0
    for (; at + 8 <= rest.length; at += 8) {
      const lane = new Word(0, 0).round(view.getInt32(at + 4, true), view.getInt32(at, true))
      hash
        .xor(lane.high, lane.low)
        .rotate(27)
        .multiply(PRIME64_1_HIGH, PRIME64_1_LOW)
        .add(PRIME64_4_HIGH, PRIME64_4_LOW)
    }
    if (at + 4 <= rest.length) {
      const lane = new Word(0, view.getInt32(at, true)).multiply(PRIME64_1_HIGH, PRIME64_1_LOW)
      hash
        .xor(lane.high, lane.low)
        .rotate(23)
        .multiply(PRIME64_2_HIGH, PRIME64_2_LOW)
        .add(PRIME64_3_HIGH, PRIME64_3_LOW)
      at += 4
    }
    for (; at < rest.length; at++) {
      const lane = new Word(0, view.getUint8(at)).multiply(PRIME64_5_HIGH, PRIME64_5_LOW)
      hash.xor(lane.high, lane.low).rotate(11).multiply(PRIME64_1_HIGH, PRIME64_1_LOW)
    }
    hash
      .xorShift(33)
      .multiply(PRIME64_2_HIGH, PRIME64_2_LOW)
      .xorShift(29)
      .multiply(PRIME64_3_HIGH, PRIME64_3_LOW)
      .xorShift(32)
    return hash.low >>> 0
  }

  #merge(): Word {
    const hash = new Word(0, 0)
    const turns = [1, 7, 12, 18]
    this.#lanes.forEach(({ high, low }, i) => {
      const turned = new Word(high, low).rotate(turns[i] as number)
      hash.add(turned.high, turned.low)
    })
    for (const { high, low } of this.#lanes) {
      const lane = new Word(0, 0).round(high, low)
      hash.xor(lane.high, lane.low).multiply(PRIME64_1_HIGH, PRIME64_1_LOW).add(PRIME64_4_HIGH, PRIME64_4_LOW)
    }
    return hash
  }
}
