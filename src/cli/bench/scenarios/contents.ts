/** Sizes and contents of the files of a scenario, all from one seed: the same seed gives the same bytes on every machine. */
import { encodeUtf8 } from '../../../bytes.ts'

/** Bytes that contents are cut from. */
const POOL = 1 << 20
/** Bytes at the start of each file that make its content different from that of all others. */
const MARK = 12

/** Generates contents. */
export class Contents {
  #state: number
  #count = 0
  readonly #noise = new Uint8Array(POOL)
  readonly #text: Uint8Array

  constructor(seed: number) {
    this.#state = seed >>> 0
    for (let i = 0; i < POOL; i++) this.#noise[i] = this.random() * 256
    const words = Array.from({ length: 2048 }, () => Math.floor(this.random() * 2 ** 31).toString(36))
    let text = ''
    while (text.length < POOL) text += `${words[Math.floor(this.random() * words.length)]} `
    this.#text = encodeUtf8(text)
  }

  /** Returns a number from 0 to less than 1 (mulberry32). */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** Returns a log-normal size in bytes, as files of distributions have. @param spread of the logarithm */
  size(median: number, spread: number, most = POOL): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random())
    return Math.min(most, Math.round(median * Math.exp(spread * normal)))
  }

  /**
   * Returns a content of at most 1 MiB that no other call returns, if it has at least 12 bytes.
   * @param noise part of it that does not compress, from 0 to 1
   */
  bytes(size: number, noise = 0.5): Uint8Array {
    const length = Math.min(size, POOL)
    const content = new Uint8Array(length)
    const noisy = Math.floor(length * noise)
    content.set(this.#cut(this.#text, length - noisy))
    content.set(this.#cut(this.#noise, noisy), length - noisy)
    content.set(encodeUtf8((this.#count++).toString(36).padStart(MARK, '0')).subarray(0, length))
    return content
  }

  /** Returns a content of any size in pieces of 1 MiB, which does not compress. */
  async *large(size: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = size; left > 0; left -= POOL) yield this.bytes(Math.min(left, POOL), 1)
  }

  #cut(pool: Uint8Array, length: number): Uint8Array {
    const from = Math.floor(this.random() * (POOL - length))
    return pool.subarray(from, from + length)
  }
}
