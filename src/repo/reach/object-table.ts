/**
 * A set of objects in the iteration order of libostree's hash tables. fsck verifies objects in that order, which
 * decides which of several errors it reports first.
 *
 * Source: ostree-core.c, ostree_hash_object_name; GLib, g_str_hash.
 */

import { GHashSlots, hashByte, STRING_HASH_START } from '../../gvariant/internal.ts'
import { ObjectList, type ObjectName } from '../../objects/index.ts'

/** Bytes of a checksum. */
const CHECKSUM = 32
/** ASCII codes of the hex digits. */
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** Stores 32 bytes and a type per object, in a GLib hash table of indexes. */
export class ObjectTable {
  readonly #slots = new GHashSlots()
  /** The objects, in the order in which they were added. */
  readonly #objects = ObjectList.empty()
  /** Holds the argument of `has` and `add`, to get its checksum as bytes. */
  readonly #query = ObjectList.empty()

  get size(): number {
    return this.#objects.length
  }

  has(name: ObjectName): boolean {
    this.#setQuery(name)
    const type = this.#query.typeNumber(0)
    const { checksums } = this.#query
    return this.#slots.at(this.#find(hashOf(type, checksums, 0), type, checksums, 0)) !== undefined
  }

  /** Adds an object. @returns false when the table has it already */
  add(name: ObjectName): boolean {
    this.#setQuery(name)
    return this.addAt(this.#query.typeNumber(0), this.#query.checksums, 0)
  }

  /**
   * Adds an object by the bytes of its checksum. The bytes are copied.
   * @param type as in `objectTypeNumber`
   * @param at offset of the 32 bytes in `bytes`
   * @returns false when the table has it already
   */
  addAt(type: number, bytes: Uint8Array, at: number): boolean {
    const hash = hashOf(type, bytes, at)
    const slot = this.#find(hash, type, bytes, at)
    if (this.#slots.at(slot) !== undefined) return false
    this.#slots.put(slot, hash, this.#objects.length)
    this.#objects.pushAt(type, bytes, at)
    return true
  }

  /** Returns all objects, in the order of the hash table. */
  list(): ObjectList {
    const list = ObjectList.empty()
    for (const index of this.#slots) list.pushOf(this.#objects, index)
    return list
  }

  #setQuery(name: ObjectName): void {
    this.#query.clear()
    this.#query.push(name)
  }

  #find(hash: number, type: number, bytes: Uint8Array, at: number): number {
    const objects = this.#objects
    return this.#slots.find(hash, (index) => {
      if (objects.typeNumber(index) !== type) return false
      const { checksums } = objects
      const known = CHECKSUM * index
      let same = 0
      while (same < CHECKSUM && checksums[known + same] === bytes[at + same]) same++
      return same === CHECKSUM
    })
  }
}

/** Returns the hash of an object name: GLib's string hash of the hex checksum, plus the type number. */
function hashOf(type: number, bytes: Uint8Array, at: number): number {
  let hash = STRING_HASH_START
  for (let i = at; i < at + CHECKSUM; i++) {
    const byte = bytes[i] as number
    hash = hashByte(hashByte(hash, DIGITS[byte >> 4] as number), DIGITS[byte & 15] as number)
  }
  return (hash + type) >>> 0
}
