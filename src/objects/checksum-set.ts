/**
 * A set of checksums, stored as bytes. Walks and lists of a whole repository have checksums as bytes; looking those up
 * directly avoids making, hashing and garbage-collecting strings, which is most of the time a `Set<string>` takes.
 */

import { type Checksum, toHex, writeHex } from '../bytes.ts'

const WORDS = 8
const BYTES = 32
const FEW = 256

/** Set of checksums; iterates in insertion order. */
export class ChecksumSet implements Iterable<Checksum> {
  /** The checksums, concatenated. */
  #words = new Uint32Array(WORDS * FEW)
  /** Hash table with open addressing, at most half full: 0 marks a free slot, n the checksum with index n - 1. */
  #slots = new Uint32Array(2 * FEW)
  #size = 0
  /** Random factors of the hash, so that checksums which all fall on one slot cannot be chosen beforehand. */
  readonly #factors = Uint32Array.from({ length: WORDS }, () => (Math.random() * 2 ** 32) | 1)
  /** The checksum that is looked up. */
  readonly #key = new Uint32Array(WORDS)
  readonly #keyBytes = new Uint8Array(this.#key.buffer)
  /** The checksum in `#key`, if it was given as text: a lookup is often followed by an insertion. */
  #taken: Checksum | undefined

  /** Number of checksums. */
  get size(): number {
    return this.#size
  }

  /** Tests whether the set has the checksum. @throws {RangeError} unless it has 64 digits */
  has(checksum: Checksum): boolean {
    this.#take(checksum)
    return this.#slots[this.#slotOf(this.#key, 0)] !== 0
  }

  /** Returns the index of a checksum in the order of insertion, or -1. @throws {RangeError} unless it has 64 digits */
  indexOf(checksum: Checksum): number {
    this.#take(checksum)
    return (this.#slots[this.#slotOf(this.#key, 0)] as number) - 1
  }

  /** Adds a checksum unless it is there. @returns its index. @throws {RangeError} unless it has 64 digits */
  place(checksum: Checksum): number {
    this.#take(checksum)
    const slot = this.#slotOf(this.#key, 0)
    const number = this.#slots[slot] as number
    if (number !== 0) return number - 1
    this.#insert(slot)
    return this.#size - 1
  }

  /** Adds a checksum. @returns whether it is new. @throws {RangeError} unless it has 64 digits */
  add(checksum: Checksum): boolean {
    this.#take(checksum)
    return this.#add()
  }

  /** Like `has`, for the 32 bytes from `at`. */
  hasAt(bytes: Uint8Array, at: number): boolean {
    this.#takeAt(bytes, at)
    return this.#slots[this.#slotOf(this.#key, 0)] !== 0
  }

  /** Like `add`, for the 32 bytes from `at`. */
  addAt(bytes: Uint8Array, at: number): boolean {
    this.#takeAt(bytes, at)
    return this.#add()
  }

  *[Symbol.iterator](): Iterator<Checksum> {
    for (let i = 0; i < this.#size; i++) {
      // A new view each time: adding a checksum may have replaced the buffer.
      yield toHex(new Uint8Array(this.#words.buffer), BYTES * i, BYTES * (i + 1)) as Checksum
    }
  }

  #take(checksum: Checksum): void {
    if (checksum === this.#taken) return
    if (checksum.length !== 2 * BYTES)
      throw new RangeError(`Invalid checksum of ${checksum.length} digits; expected ${2 * BYTES}`)
    this.#taken = undefined
    writeHex(checksum, this.#keyBytes, 0)
    this.#taken = checksum
  }

  #takeAt(bytes: Uint8Array, at: number): void {
    this.#taken = undefined
    const key = this.#keyBytes
    for (let i = 0; i < BYTES; i++) key[i] = bytes[at + i] as number
  }

  #add(): boolean {
    const slot = this.#slotOf(this.#key, 0)
    if (this.#slots[slot] !== 0) return false
    this.#insert(slot)
    return true
  }

  /** Adds the checksum that was looked up, which is not there. @param free the slot where it would go */
  #insert(free: number): void {
    let slot = free
    if (2 * (this.#size + 1) > this.#slots.length) {
      this.#grow()
      slot = this.#slotOf(this.#key, 0)
    }
    const at = WORDS * this.#size
    for (let i = 0; i < WORDS; i++) this.#words[at + i] = this.#key[i] as number
    this.#slots[slot] = ++this.#size
  }

  /** @returns the slot of the checksum at index `from` of `words`, or the free slot where it would go */
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
