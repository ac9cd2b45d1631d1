/**
 * The order in which GLib's hash table gives string keys back. Dictionaries that libostree edits (summaries, detached
 * metadata) go through one, and so its order is in their bytes.
 *
 * Open addressing: a key goes to the slot `hash * 11 mod prime`, and on collision 1, 3, 6, 10… slots further. A removed
 * key leaves a tombstone. Keys come back slot by slot.
 *
 * Source: GLib, ghash.c (2.60 and later), gstring hash g_str_hash.
 */

import { encodeUtf8 } from '../bytes.ts'

const MIN_SHIFT = 3
/** Largest prime below `2 ** shift`, as GLib lists them (1 and 2 for the first two). */
const PRIMES = [
  1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071, 262139, 524287, 1048573,
  2097143, 4194301, 8388593, 16777213, 33554393, 67108859, 134217689, 268435399, 536870909, 1073741789, 2147483647,
] as const

/** State of a slot; anything above is the hash of the key in it. */
const UNUSED = 0
const TOMBSTONE = 1
const FIRST_HASH = 2

/** g_str_hash: bytes count as signed. */
export function stringHash(key: string): number {
  let hash = 5381
  for (const byte of encodeUtf8(key)) hash = (Math.imul(hash, 33) + ((byte << 24) >> 24)) | 0
  return hash >>> 0
}

/** Keys with values, iterated in the order GLib's table would have after the same operations. */
export class GHashOrder<V> {
  #size: number
  #prime: number
  #states: Uint32Array
  #keys: (string | undefined)[]
  #values: (V | undefined)[]
  #used: number
  /** Used slots and tombstones. */
  #occupied: number
  readonly #hash: (key: string) => number

  /** @param hash of the table, an unsigned 32-bit integer; that of strings unless told */
  constructor(entries: Iterable<readonly [string, V]> = [], hash: (key: string) => number = stringHash) {
    this.#hash = hash
    this.#size = 1 << MIN_SHIFT
    this.#prime = PRIMES[MIN_SHIFT]
    this.#states = new Uint32Array(this.#size)
    this.#keys = new Array<string | undefined>(this.#size)
    this.#values = new Array<V | undefined>(this.#size)
    this.#used = 0
    this.#occupied = 0
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.#used
  }

  has(key: string): boolean {
    return (this.#states[this.#find(key)] as number) >= FIRST_HASH
  }

  get(key: string): V | undefined {
    return this.#values[this.#find(key)]
  }

  /** A key that is there already keeps its place. */
  set(key: string, value: V): void {
    const slot = this.#find(key)
    const state = this.#states[slot] as number
    this.#values[slot] = value
    if (state >= FIRST_HASH) return
    this.#states[slot] = this.#slotHash(key)
    this.#keys[slot] = key
    this.#used++
    if (state === UNUSED) {
      this.#occupied++
      this.#maybeResize()
    }
  }

  /** @returns whether the key was there */
  delete(key: string): boolean {
    const slot = this.#find(key)
    if ((this.#states[slot] as number) < FIRST_HASH) return false
    this.#states[slot] = TOMBSTONE
    this.#keys[slot] = undefined
    this.#values[slot] = undefined
    this.#used--
    this.#maybeResize()
    return true
  }

  *[Symbol.iterator](): IterableIterator<[string, V]> {
    for (let slot = 0; slot < this.#size; slot++) {
      const key = this.#keys[slot]
      // A slot with a key has the value set with it.
      if (key !== undefined) yield [key, this.#values[slot] as V]
    }
  }

  /** @returns the slot of the key, or else the one it would go to: the first tombstone met, or the unused slot */
  #find(key: string): number {
    const hash = this.#slotHash(key)
    const mask = this.#size - 1
    let slot = this.#home(hash)
    let tombstone = -1
    for (let step = 1; this.#states[slot] !== UNUSED; step++) {
      if (this.#states[slot] === hash && this.#keys[slot] === key) return slot
      if (this.#states[slot] === TOMBSTONE && tombstone < 0) tombstone = slot
      slot = (slot + step) & mask
    }
    return tombstone < 0 ? slot : tombstone
  }

  /** What a slot holds for the key: never one of the states that are no hash. */
  #slotHash(key: string): number {
    return Math.max(FIRST_HASH, this.#hash(key))
  }

  #home(hash: number): number {
    return (Math.imul(hash, 11) >>> 0) % this.#prime
  }

  #maybeResize(): void {
    const tooLarge = this.#size > this.#used * 4 && this.#size > 1 << MIN_SHIFT
    const tooFull = this.#size <= this.#occupied + Math.floor(this.#occupied / 16)
    if (tooLarge || tooFull) this.#resize()
  }

  #resize(): void {
    const oldSize = this.#size
    const bits = 32 - Math.clz32(Math.floor(this.#used * 1.333))
    const shift = Math.max(bits, MIN_SHIFT)
    this.#size = 2 ** shift
    this.#prime = PRIMES[shift] as number
    this.#rehash(oldSize)
    this.#occupied = this.#used
  }

  /**
   * Moves every key to its slot of the new size, in place: each key taken out goes where it belongs, and turns out the
   * one that sat there, if that has not been moved yet.
   */
  #rehash(oldSize: number): void {
    const larger = Math.max(oldSize, this.#size)
    const states = new Uint32Array(larger)
    states.set(this.#states)
    const keys = this.#keys
    const values = this.#values
    keys.length = larger
    values.length = larger
    const mask = this.#size - 1
    const done = new Uint8Array(this.#size)
    for (let old = 0; old < oldSize; old++) {
      let hash = states[old] as number
      if (hash < FIRST_HASH) {
        states[old] = UNUSED
        continue
      }
      if (done[old] === 1) continue
      let key = keys[old]
      let value = values[old]
      states[old] = UNUSED
      keys[old] = undefined
      values[old] = undefined
      while (hash >= FIRST_HASH) {
        let slot = this.#home(hash)
        for (let step = 1; done[slot] === 1; step++) slot = (slot + step) & mask
        done[slot] = 1
        const displacedHash = states[slot] as number
        const displacedKey = keys[slot]
        const displacedValue = values[slot]
        states[slot] = hash
        keys[slot] = key
        values[slot] = value
        hash = displacedHash
        key = displacedKey
        value = displacedValue
      }
    }
    keys.length = this.#size
    values.length = this.#size
    this.#states = states.slice(0, this.#size)
  }
}
