/** Compact lists of object names, 33 bytes each, for lists of a whole repository and for batches sent to threads. */

import { type Checksum, toHex, writeHex } from '../bytes.ts'
import type { ObjectName, ObjectType } from './interface.ts'
import { objectTypeFromNumber, objectTypeNumber } from './names.ts'

const BYTES = 32
const FEW = 64

/** A growing list of object names. */
export class ObjectList implements Iterable<ObjectName> {
  #checksums: Uint8Array
  #types: Uint8Array
  #length: number

  private constructor(checksums: Uint8Array, types: Uint8Array, length: number) {
    this.#checksums = checksums
    this.#types = types
    this.#length = length
  }

  /** Creates an empty list. */
  static empty(): ObjectList {
    return new ObjectList(new Uint8Array(BYTES * FEW), new Uint8Array(FEW), 0)
  }

  /** Creates a list of the given names. @throws {RangeError} for a checksum that does not have 64 digits */
  static from(names: Iterable<ObjectName>): ObjectList {
    const list = ObjectList.empty()
    for (const name of names) list.push(name)
    return list
  }

  /** Creates a list from the result of `packed`, without copying it. */
  static unpack({ checksums, types }: PackedObjects): ObjectList {
    return new ObjectList(checksums, types, types.length)
  }

  /** Number of names. */
  get length(): number {
    return this.#length
  }

  /** Checksums as bytes, 32 per name; more bytes may follow the last one. Valid until the next `push`. */
  get checksums(): Uint8Array {
    return this.#checksums
  }

  /** Appends a name. @throws {RangeError} unless its checksum has 64 digits; the list is unchanged then */
  push({ checksum, type }: ObjectName): void {
    if (checksum.length !== 2 * BYTES)
      throw new RangeError(`Invalid checksum of ${checksum.length} digits; expected ${2 * BYTES}`)
    if (this.#length >= this.#types.length) this.#grow()
    writeHex(checksum, this.#checksums, BYTES * this.#length)
    this.#append(objectTypeNumber(type))
  }

  /** Appends a type number (see `objectTypeNumber`) and the 32 bytes of a checksum from `at`. */
  pushAt(type: number, bytes: Uint8Array, at: number): void {
    const to = BYTES * this.#append(type)
    const checksums = this.#checksums
    for (let i = 0; i < BYTES; i++) checksums[to + i] = bytes[at + i] as number
  }

  /** Appends the name at `index` of another list. */
  pushOf(list: ObjectList, index: number): void {
    this.pushAt(list.typeNumber(index), list.checksums, BYTES * index)
  }

  /** Appends all names of another list. */
  pushAll(list: ObjectList): void {
    for (let i = 0; i < list.length; i++) this.pushOf(list, i)
  }

  /** Removes all names; the memory is kept for new ones. */
  clear(): void {
    this.#length = 0
  }

  /** Returns the type number of the name at `index`. */
  typeNumber(index: number): number {
    return this.#types[index] as number
  }

  /** Returns the checksum at `index`. */
  checksum(index: number): Checksum {
    return toHex(this.#checksums, BYTES * index, BYTES * (index + 1)) as Checksum
  }

  /** Returns the name at `index`. */
  name(index: number): ObjectName {
    return { checksum: this.checksum(index), type: this.type(index) }
  }

  /** Returns the type at `index`. */
  type(index: number): ObjectType {
    return objectTypeFromNumber(this.typeNumber(index))
  }

  *[Symbol.iterator](): Iterator<ObjectName> {
    for (let i = 0; i < this.#length; i++) yield this.name(i)
  }

  /** Returns a view of the names `from`..`to` (exclusive). Valid until a name is added to this list. */
  slice(from: number, to: number): ObjectList {
    const end = Math.min(to, this.#length)
    const checksums = this.#checksums.subarray(BYTES * from, BYTES * end)
    return new ObjectList(checksums, this.#types.subarray(from, end), end - from)
  }

  /** Copies the list into buffers of exact size, which can be transferred to a thread. */
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

/** An `ObjectList` as buffers. */
export interface PackedObjects {
  /** 32 bytes per name. */
  readonly checksums: Uint8Array
  /** `objectTypeNumber` of each name. */
  readonly types: Uint8Array
}
