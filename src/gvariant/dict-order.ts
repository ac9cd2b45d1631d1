/**
 * Hash tables with the iteration order of GLib's. libostree edits dictionaries, such as those of summaries and detached
 * metadata, in a hash table, so their bytes have its order.
 *
 * The table uses open addressing: a key is stored in the slot `hash * 11 mod prime`, and after a collision 1, 3, 6, 10…
 * slots further. A removed key leaves a tombstone. Iteration goes from slot to slot.
 *
 * Source: GLib, ghash.c (2.60 and later), gstring hash g_str_hash.
 */

import { encodeUtf8 } from '../bytes.ts'

const MIN_SHIFT = 3
/** Largest prime below `2 ** shift` for each shift, as in GLib, which has 1 and 2 for the first two. */
const PRIMES = [
  1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071, 262139, 524287, 1048573,
  2097143, 4194301, 8388593, 16777213, 33554393, 67108859, 134217689, 268435399, 536870909, 1073741789, 2147483647,
] as const

/** States of a slot; from FIRST_HASH on, the state is the hash of its key. */
const UNUSED = 0
const TOMBSTONE = 1
const FIRST_HASH = 2

/** Start value of `hashByte` for a string. */
export const STRING_HASH_START = 5381

/**
 * Adds a byte, taken as signed, to a g_str_hash.
 * @returns a signed 32-bit integer; `>>> 0` makes the hash of it
 */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 33) + ((byte << 24) >> 24)) | 0
}

/** Returns the g_str_hash of the UTF-8 of `key`, an unsigned 32-bit integer. */
export function stringHash(key: string): number {
  let hash = STRING_HASH_START
  for (const byte of encodeUtf8(key)) hash = hashByte(hash, byte)
  return hash >>> 0
}

/** The slots of a hash table. They hold indices of keys, which are stored elsewhere. Iteration gives the indices. */
export class GHashSlots implements Iterable<number> {
  #size = 1 << MIN_SHIFT
  #prime: number = PRIMES[MIN_SHIFT]
  #states = new Uint32Array(this.#size)
  #indices = new Uint32Array(this.#size)
  #used = 0
  /** Used slots and tombstones. */
  #occupied = 0

  /** Number of keys. */
  get used(): number {
    return this.#used
  }

  /**
   * Finds the slot of a key.
   * @param hash hash of the key, an unsigned 32-bit integer
   * @param isKey tells whether an index is that of the key; called for keys with the same hash
   * @returns the slot of the key, or the one it would be stored in: the first tombstone, otherwise an unused slot
   */
  find(hash: number, isKey: (index: number) => boolean): number {
    const state = stateOf(hash)
    const mask = this.#size - 1
    let slot = this.#home(state)
    let tombstone = -1
    for (let step = 1; this.#states[slot] !== UNUSED; step++) {
      if (this.#states[slot] === state && isKey(this.#indices[slot] as number)) return slot
      if (this.#states[slot] === TOMBSTONE && tombstone < 0) tombstone = slot
      slot = (slot + step) & mask
    }
    return tombstone < 0 ? slot : tombstone
  }

  /** Returns the index in a slot that `find` returned; `undefined` if it has no key. */
  at(slot: number): number | undefined {
    return (this.#states[slot] as number) < FIRST_HASH ? undefined : this.#indices[slot]
  }

  /** Stores a new key in the slot that `find` returned for it. */
  put(slot: number, hash: number, index: number): void {
    const isUnused = this.#states[slot] === UNUSED
    this.#states[slot] = stateOf(hash)
    this.#indices[slot] = index
    this.#used++
    if (!isUnused) return
    this.#occupied++
    this.#maybeResize()
  }

  /** Removes the key in a slot that `find` returned. */
  remove(slot: number): void {
    this.#states[slot] = TOMBSTONE
    this.#used--
    this.#maybeResize()
  }

  /** Iterates over the indices in the order of the slots. */
  *[Symbol.iterator](): Iterator<number> {
    for (let slot = 0; slot < this.#size; slot++) {
      const index = this.at(slot)
      if (index !== undefined) yield index
    }
  }

  #home(state: number): number {
    return (Math.imul(state, 11) >>> 0) % this.#prime
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

  /** Moves every key to its slot for the new size. As in GLib, a moved key displaces an unmoved one, which is moved next. */
  #rehash(oldSize: number): void {
    const larger = Math.max(oldSize, this.#size)
    const states = new Uint32Array(larger)
    states.set(this.#states)
    const indices = new Uint32Array(larger)
    indices.set(this.#indices)
    const mask = this.#size - 1
    const done = new Uint8Array(this.#size)
    for (let old = 0; old < oldSize; old++) {
      let state = states[old] as number
      if (state < FIRST_HASH) {
        states[old] = UNUSED
        continue
      }
      if (done[old] === 1) continue
      let index = indices[old] as number
      states[old] = UNUSED
      while (state >= FIRST_HASH) {
        let slot = this.#home(state)
        for (let step = 1; done[slot] === 1; step++) slot = (slot + step) & mask
        done[slot] = 1
        const displacedState = states[slot] as number
        const displacedIndex = indices[slot] as number
        states[slot] = state
        indices[slot] = index
        state = displacedState
        index = displacedIndex
      }
    }
    this.#states = states.slice(0, this.#size)
    this.#indices = indices.slice(0, this.#size)
  }
}

/** Returns the state of a slot for a key with that hash. */
function stateOf(hash: number): number {
  return Math.max(FIRST_HASH, hash)
}

/** A map that iterates in the order of GLib's hash table after the same operations. */
export class GHashOrder<V> {
  readonly #slots = new GHashSlots()
  /** Entries by index; `undefined` after a key is removed, until the index is used again. */
  readonly #entries: ([key: string, value: V] | undefined)[] = []
  readonly #free: number[] = []
  readonly #hash: (key: string) => number

  /**
   * @param entries initial entries, set one after another
   * @param hash the table's hash function, which returns an unsigned 32-bit integer
   */
  constructor(entries: Iterable<readonly [string, V]> = [], hash: (key: string) => number = stringHash) {
    this.#hash = hash
    for (const [key, value] of entries) this.set(key, value)
  }

  /** Number of entries. */
  get size(): number {
    return this.#slots.used
  }

  /** Returns whether there is an entry for `key`. */
  has(key: string): boolean {
    return this.#slots.at(this.#find(key, this.#hash(key))) !== undefined
  }

  /** Returns the value of `key`; `undefined` if there is none. */
  get(key: string): V | undefined {
    const index = this.#slots.at(this.#find(key, this.#hash(key)))
    return index === undefined ? undefined : this.#entries[index]?.[1]
  }

  /** Sets the value of `key`. An existing key keeps its place in the order. */
  set(key: string, value: V): void {
    const hash = this.#hash(key)
    const slot = this.#find(key, hash)
    const known = this.#slots.at(slot)
    const index = known ?? this.#free.pop() ?? this.#entries.length
    this.#entries[index] = [key, value]
    if (known === undefined) this.#slots.put(slot, hash, index)
  }

  /** Removes the entry of `key`, and returns whether there was one. */
  delete(key: string): boolean {
    const slot = this.#find(key, this.#hash(key))
    const index = this.#slots.at(slot)
    if (index === undefined) return false
    this.#entries[index] = undefined
    this.#free.push(index)
    this.#slots.remove(slot)
    return true
  }

  /** Iterates over the entries in the order of the table. */
  *[Symbol.iterator](): IterableIterator<[string, V]> {
    // The index of a slot always has an entry.
    for (const index of this.#slots) yield this.#entries[index] as [string, V]
  }

  #find(key: string, hash: number): number {
    return this.#slots.find(hash, (index) => this.#entries[index]?.[0] === key)
  }
}
