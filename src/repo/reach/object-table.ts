/**
 * A set of objects in the order in which libostree comes by them: that of its hash tables. What is looked at first
 * decides which of several faults is told of, and in which order all of them are.
 *
 * Source: ostree-core.c, ostree_hash_object_name; GLib, g_str_hash.
 */

import { GHashSlots, hashByte, STRING_HASH_START } from '../../gvariant/index.ts'
import { ObjectList, type ObjectName } from '../../objects/index.ts'

const CHECKSUM = 32
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

export class ObjectTable {
  readonly #slots = new GHashSlots()
  /** In the order in which they came. */
  readonly #objects = ObjectList.empty()
  /** One that is asked about by its name. */
  readonly #asked = ObjectList.empty()

  get size(): number {
    return this.#objects.length
  }

  has(name: ObjectName): boolean {
    this.#take(name)
    const type = this.#asked.typeNumber(0)
    const { checksums } = this.#asked
    return this.#slots.at(this.#find(hashOf(type, checksums, 0), type, checksums, 0)) !== undefined
  }

  /** @returns whether it is new; one that is there already keeps its place */
  add(name: ObjectName): boolean {
    this.#take(name)
    return this.addAt(this.#asked.typeNumber(0), this.#asked.checksums, 0)
  }

  /** As `add`. @param type as a number (`objectTypeNumber`). @param at where its 32 bytes begin */
  addAt(type: number, bytes: Uint8Array, at: number): boolean {
    const hash = hashOf(type, bytes, at)
    const slot = this.#find(hash, type, bytes, at)
    if (this.#slots.at(slot) !== undefined) return false
    this.#slots.put(slot, hash, this.#objects.length)
    this.#objects.pushAt(type, bytes, at)
    return true
  }

  /** All of them, in the order of the table. */
  list(): ObjectList {
    const list = ObjectList.empty()
    for (const index of this.#slots) list.pushOf(this.#objects, index)
    return list
  }

  #take(name: ObjectName): void {
    this.#asked.clear()
    this.#asked.push(name)
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

/** That of the checksum as text, and the type. */
function hashOf(type: number, bytes: Uint8Array, at: number): number {
  let hash = STRING_HASH_START
  for (let i = at; i < at + CHECKSUM; i++) {
    const byte = bytes[i] as number
    hash = hashByte(hashByte(hash, DIGITS[byte >> 4] as number), DIGITS[byte & 15] as number)
  }
  return (hash + type) >>> 0
}
