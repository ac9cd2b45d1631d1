/**
 * A set of checksums as bytes. Asked about bytes, as walks and lists of a whole repository do, it saves the strings: to
 * make them, hash them and collect them again is most of what a set of strings takes.
 */

import { type Checksum, toHex, writeHex } from '../bytes.ts'

const WORDS = 8
const BYTES = 32
const FEW = 256

/** Gives them in the order in which they came. */
export class ChecksumSet implements Iterable<Checksum> {
  /** One checksum after another. */
  #words = new Uint32Array(WORDS * FEW)
  /** Open addressing, half empty at least: 0 is nobody, n the checksum with index n - 1. */
  #slots = new Uint32Array(2 * FEW)
  #size = 0
  /** Nobody can name checksums that all fall on one slot without knowing these. */
  readonly #factors = Uint32Array.from({ length: WORDS }, () => (Math.random() * 2 ** 32) | 1)
  /** The checksum that is asked about. */
  readonly #key = new Uint32Array(WORDS)
  readonly #keyBytes = new Uint8Array(this.#key.buffer)

  get size(): number {
    return this.#size
  }

  has(checksum: Checksum): boolean {
    this.#take(checksum)
    return this.#slots[this.#slotOf(this.#key, 0)] !== 0
  }

  /** @returns whether it is new */
  add(checksum: Checksum): boolean {
    this.#take(checksum)
    return this.#add()
  }

  /** As `has`, of the 32 bytes from `at`. */
  hasAt(bytes: Uint8Array, at: number): boolean {
    this.#takeAt(bytes, at)
    return this.#slots[this.#slotOf(this.#key, 0)] !== 0
  }

  /** As `add`, of the 32 bytes from `at`. */
  addAt(bytes: Uint8Array, at: number): boolean {
    this.#takeAt(bytes, at)
    return this.#add()
  }

  *[Symbol.iterator](): Iterator<Checksum> {
    for (let i = 0; i < this.#size; i++) {
      // Anew each time: adding may have moved them.
      yield toHex(new Uint8Array(this.#words.buffer), BYTES * i, BYTES * (i + 1)) as Checksum
    }
  }

  #take(checksum: Checksum): void {
    if (checksum.length !== 2 * BYTES) throw new RangeError(`a checksum of ${checksum.length} digits`)
    writeHex(checksum, this.#keyBytes, 0)
  }

  #takeAt(bytes: Uint8Array, at: number): void {
    const key = this.#keyBytes
    for (let i = 0; i < BYTES; i++) key[i] = bytes[at + i] as number
  }

  #add(): boolean {
    let slot = this.#slotOf(this.#key, 0)
    if (this.#slots[slot] !== 0) return false
    if (2 * (this.#size + 1) > this.#slots.length) {
      this.#grow()
      slot = this.#slotOf(this.#key, 0)
    }
    this.#words.set(this.#key, WORDS * this.#size)
    this.#slots[slot] = ++this.#size
    return true
  }

  /** @returns where the checksum at `from` of `words` is, or would be */
  #slotOf(words: Uint32Array, from: number): number {
    const own = this.#words
    const slots = this.#slots
    let hash = 0
    for (let i = 0; i < WORDS; i++) {
      hash = (hash + Math.imul(words[from + i] as number, this.#factors[i] as number)) | 0
    }
    const last = slots.length - 1
    for (let slot = (hash ^ (hash >>> 15)) & last; ; slot = (slot + 1) & last) {
      const number = slots[slot] as number
      if (number === 0) return slot
      const at = WORDS * (number - 1)
      let same = 0
      while (same < WORDS && own[at + same] === words[from + same]) same++
      if (same === WORDS) return slot
    }
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let i = 0; i < this.#size; i++) this.#slots[this.#slotOf(words, WORDS * i)] = i + 1
  }
}
