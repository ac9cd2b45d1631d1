/** Names of many objects, at 33 bytes each: lists of a whole repository, and batches of them on their way to threads. */

import { type Checksum, toHex, writeHex } from '../bytes.ts'
import type { ObjectName, ObjectType } from './interface.ts'
import { objectTypeFromNumber, objectTypeNumber } from './names.ts'

const BYTES = 32
const FEW = 64

export class ObjectList implements Iterable<ObjectName> {
  #checksums: Uint8Array
  #types: Uint8Array
  #length: number

  private constructor(checksums: Uint8Array, types: Uint8Array, length: number) {
    this.#checksums = checksums
    this.#types = types
    this.#length = length
  }

  static empty(): ObjectList {
    return new ObjectList(new Uint8Array(BYTES * FEW), new Uint8Array(FEW), 0)
  }

  static from(names: Iterable<ObjectName>): ObjectList {
    const list = ObjectList.empty()
    for (const name of names) list.push(name)
    return list
  }

  /** The inverse of `packed`. */
  static unpack({ checksums, types }: PackedObjects): ObjectList {
    return new ObjectList(checksums, types, types.length)
  }

  get length(): number {
    return this.#length
  }

  /** Bytes of all checksums, one after another, at least; good until the next `push`. */
  get checksums(): Uint8Array {
    return this.#checksums
  }

  /** @throws {RangeError} for a checksum that is none; the list is as before then */
  push({ checksum, type }: ObjectName): void {
    if (checksum.length !== 2 * BYTES) throw new RangeError(`a checksum of ${checksum.length} digits`)
    if (this.#length >= this.#types.length) this.#grow()
    writeHex(checksum, this.#checksums, BYTES * this.#length)
    this.#append(objectTypeNumber(type))
  }

  /** @param type as a number (`objectTypeNumber`). @param at where its 32 bytes begin */
  pushAt(type: number, bytes: Uint8Array, at: number): void {
    const to = BYTES * this.#append(type)
    const checksums = this.#checksums
    for (let i = 0; i < BYTES; i++) checksums[to + i] = bytes[at + i] as number
  }

  /** The object at `index` of another list. */
  pushOf(list: ObjectList, index: number): void {
    this.pushAt(list.typeNumber(index), list.checksums, BYTES * index)
  }

  pushAll(list: ObjectList): void {
    for (let i = 0; i < list.length; i++) this.pushOf(list, i)
  }

  clear(): void {
    this.#length = 0
  }

  typeNumber(index: number): number {
    return this.#types[index] as number
  }

  checksum(index: number): Checksum {
    return toHex(this.#checksums, BYTES * index, BYTES * (index + 1)) as Checksum
  }

  name(index: number): ObjectName {
    return { checksum: this.checksum(index), type: this.type(index) }
  }

  type(index: number): ObjectType {
    return objectTypeFromNumber(this.typeNumber(index))
  }

  *[Symbol.iterator](): Iterator<ObjectName> {
    for (let i = 0; i < this.#length; i++) yield this.name(i)
  }

  /** Objects `from`..`to` (exclusive): a view, to be read while nothing is added to this list. */
  slice(from: number, to: number): ObjectList {
    const end = Math.min(to, this.#length)
    const checksums = this.#checksums.subarray(BYTES * from, BYTES * end)
    return new ObjectList(checksums, this.#types.subarray(from, end), end - from)
  }

  /** Copies, in buffers of their own. */
  packed(): PackedObjects {
    const types = this.#types.slice(0, this.#length)
    return { checksums: this.#checksums.slice(0, BYTES * this.#length), types }
  }

  #append(type: number): number {
    const index = this.#length++
    if (index >= this.#types.length) this.#grow()
    this.#types[index] = type
    return index
  }

  #grow(): void {
    const types = new Uint8Array(2 * this.#types.length + FEW)
    types.set(this.#types)
    const checksums = new Uint8Array(BYTES * types.length)
    checksums.set(this.#checksums)
    this.#types = types
    this.#checksums = checksums
  }
}

/** What can be sent to a thread. */
export interface PackedObjects {
  readonly checksums: Uint8Array
  /** `objectTypeNumber` of each. */
  readonly types: Uint8Array
}
