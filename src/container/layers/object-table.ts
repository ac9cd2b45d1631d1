/**
 * A table of the names of objects in a layer, and of what is known about each, in few bytes: numbers and checksums in
 * typed arrays, because a string and an object for each of 250,000 names would take several times as much memory.
 *
 * ```
 * 19 numbers of 32 bits: 8 of the checksum in the name, 8 of the checksum of the content, marks, object, last link
 *  5 numbers of 64 bits: uid, gid, mode, mtime, size
 * ```
 *
 * The names `objects/XX/YY….file` are those 32 bytes; other names are strings. Names are found in a hash table with open
 * addressing, whose hash has random factors, so that names cannot be chosen that all fall on one slot.
 */

import { type Checksum, type MaybePromise, toHex, writeHex } from '../../bytes.ts'

/** Bytes that a name takes in the table: 116 of numbers, and up to 4 slots of 4 bytes, twice while they are moved. */
const NAME_MEMORY = 140
/** Bytes that a name takes as a string, in addition to twice its length. */
const ODD_NAME_MEMORY = 200

/** The object of that name is in the layer, and is to become the file of its links. */
export const IS_OBJECT = 1
/** The object of that name stays at its own path. */
export const IS_IN_PLACE = 2
/** The name is a hard link to another object. */
export const IS_ALIAS = 4
/** The hard link was modified. */
export const IS_MODIFIED_ALIAS = 8
/** The object was modified. */
export const IS_MODIFIED = 16
/** A link has become a file with the content of the object. */
export const IS_LINKED = 32
const HAS_CHECKSUM = 64

/** Names in a page of the table. */
const PAGE = 1 << 12
const WORDS = 19
const CONTENT = 8
const MARKS = 16
const ALIAS = 17
const LAST_LINK = 18
const NUMBERS = 5
const FIRST_SLOTS = 512

/** The parts of a name that is a checksum, and where it has the digits. */
const PREFIX = 'objects/'
const SUFFIX = '.file'
const DIGITS = Uint8Array.from({ length: 64 }, (_, n) => PREFIX.length + n + (n < 2 ? 0 : 1))
const LENGTH = PREFIX.length + 65 + SUFFIX.length

/** Owner, mode, time and size of an object. */
export interface ObjectFacts {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly mtime: number
  readonly size: number
}

/** Names by number, in the order in which they were added. */
export class ObjectTable {
  readonly #words: Uint32Array[] = []
  readonly #numbers: Float64Array[] = []
  /** At most half full: 0 marks a free slot, n the name with the number n - 1. */
  #slots = new Uint32Array(FIRST_SLOTS)
  readonly #factors = Uint32Array.from({ length: 8 }, () => (Math.random() * 2 ** 32) | 1)
  readonly #odd = new Map<string, number>()
  readonly #oddNames = new Map<number, string>()
  readonly #key = new Uint32Array(8)
  readonly #keyBytes = new Uint8Array(this.#key.buffer)
  /** Checksums of objects that are being written. */
  readonly #writes = new Map<number, Promise<Checksum>>()
  #count = 0
  /** The checksum that was read last. Links to one object often follow each other, and then share its text. */
  #last: { readonly id: number; readonly checksum: Checksum } | undefined

  /** Number of names. */
  get count(): number {
    return this.#count
  }

  /** Returns the number of a name, or `undefined` if it has not been added. */
  find(name: string): number | undefined {
    if (!this.#take(name)) return this.#odd.get(name)
    const slot = this.#slots[this.#slotOf(this.#key, 0)] as number
    return slot === 0 ? undefined : slot - 1
  }

  /** Adds a name unless it is there already. @returns its number */
  add(name: string): number {
    const known = this.find(name)
    if (known !== undefined) return known
    const id = this.#count++
    if (id % PAGE === 0) {
      this.#words.push(new Uint32Array(WORDS * PAGE))
      this.#numbers.push(new Float64Array(NUMBERS * PAGE))
    }
    if (!this.#take(name)) {
      this.#odd.set(name, id)
      this.#oddNames.set(id, name)
      return id
    }
    if (2 * (id + 1) > this.#slots.length) this.#grow(id)
    this.#page(id).set(this.#key, place(id))
    this.#slots[this.#slotOf(this.#key, 0)] = id + 1
    return id
  }

  nameOf(id: number): string {
    const odd = this.#oddNames.get(id)
    if (odd !== undefined) return odd
    const hex = this.#hexAt(id, 0)
    return `objects/${hex.slice(0, 2)}/${hex.slice(2)}.file`
  }

  /** Whether the name has one of these marks. */
  is(id: number, marks: number): boolean {
    return ((this.#page(id)[place(id) + MARKS] as number) & marks) !== 0
  }

  mark(id: number, marks: number): void {
    const page = this.#page(id)
    page[place(id) + MARKS] = (page[place(id) + MARKS] as number) | marks
  }

  unmark(id: number, marks: number): void {
    const page = this.#page(id)
    page[place(id) + MARKS] = (page[place(id) + MARKS] as number) & ~marks
  }

  /** Makes the name an object with these facts, without links and content. */
  setObject(id: number, { uid, gid, mode, mtime, size }: ObjectFacts, isModified: boolean): void {
    this.unmark(id, IS_LINKED | IS_MODIFIED | HAS_CHECKSUM)
    this.mark(id, isModified ? IS_OBJECT | IS_MODIFIED : IS_OBJECT)
    const numbers = this.#numbers[Math.floor(id / PAGE)] as Float64Array
    numbers.set([uid, gid, mode, mtime, size], (id % PAGE) * NUMBERS)
    this.#writes.delete(id)
    if (this.#last?.id === id) this.#last = undefined
  }

  /** Returns what `setObject` has set. */
  factsOf(id: number): ObjectFacts {
    const numbers = this.#numbers[Math.floor(id / PAGE)] as Float64Array
    const at = (id % PAGE) * NUMBERS
    const [uid = 0, gid = 0, mode = 0, mtime = 0, size = 0] = numbers.subarray(at, at + NUMBERS)
    return { uid, gid, mode, mtime, size }
  }

  /** Returns the checksum that `setChecksum` has set since `setObject`. */
  checksumOf(id: number): MaybePromise<Checksum> | undefined {
    if (!this.is(id, HAS_CHECKSUM)) return this.#writes.get(id)
    if (this.#last?.id !== id) this.#last = { id, checksum: this.#hexAt(id, CONTENT) as Checksum }
    return this.#last.checksum
  }

  /** Sets the checksum of an object's content. A promise is kept until it resolves; an error of it is the caller's. */
  setChecksum(id: number, checksum: MaybePromise<Checksum>): void {
    if (!(checksum instanceof Promise)) {
      this.#setKnown(id, checksum)
      return
    }
    this.#writes.set(id, checksum)
    checksum.then(
      (known) => {
        // A later object of that name may have replaced this one.
        if (this.#writes.get(id) !== checksum) return
        this.#writes.delete(id)
        this.#setKnown(id, known)
      },
      () => undefined,
    )
  }

  /** Makes the name an alias of another one. */
  setAlias(id: number, object: number): void {
    this.#page(id)[place(id) + ALIAS] = object
    this.mark(id, IS_ALIAS)
  }

  /** Returns the object that `setAlias` has set for an alias. */
  aliasOf(id: number): number {
    return this.#page(id)[place(id) + ALIAS] as number
  }

  /** Returns the number that `setLast` has set, or 0. */
  lastOf(id: number): number {
    return this.#page(id)[place(id) + LAST_LINK] as number
  }

  /** Keeps a number of the caller's beside the name. */
  setLast(id: number, last: number): void {
    this.#page(id)[place(id) + LAST_LINK] = last
  }

  #setKnown(id: number, checksum: Checksum): void {
    const page = this.#page(id)
    writeHex(checksum, new Uint8Array(page.buffer), 4 * (place(id) + CONTENT))
    this.mark(id, HAS_CHECKSUM)
    this.#last = { id, checksum }
  }

  #page(id: number): Uint32Array {
    return this.#words[Math.floor(id / PAGE)] as Uint32Array
  }

  /** Makes a name the key that is looked up. @returns false for a name that is a string in the table */
  #take(name: string): boolean {
    if (!isChecksumName(name)) return false
    for (let i = 0; i < 32; i++) {
      const high = digitAt(name, DIGITS[2 * i] as number)
      this.#keyBytes[i] = (high << 4) | digitAt(name, DIGITS[2 * i + 1] as number)
    }
    return true
  }

  #hexAt(id: number, word: number): string {
    const start = 4 * (place(id) + word)
    return toHex(new Uint8Array(this.#page(id).buffer), start, start + 32)
  }

  /** Returns the slot of a key, which are the words from `from`, or the free slot where it would go. */
  #slotOf(key: Uint32Array, from: number): number {
    let hash = 0
    for (let i = 0; i < 8; i++) hash = (hash + Math.imul(key[from + i] as number, this.#factors[i] as number)) | 0
    const last = this.#slots.length - 1
    for (let slot = (hash ^ (hash >>> 15)) & last; ; slot = (slot + 1) & last) {
      const number = this.#slots[slot] as number
      if (number === 0) return slot
      const page = this.#page(number - 1)
      const at = place(number - 1)
      let same = 0
      while (same < 8 && page[at + same] === key[from + same]) same++
      if (same === 8) return slot
    }
  }

  #grow(count: number): void {
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let id = 0; id < count; id++) {
      if (!this.#oddNames.has(id)) this.#slots[this.#slotOf(this.#page(id), place(id))] = id + 1
    }
  }
}

/** Returns the place of a name's first word in its page. */
function place(id: number): number {
  return (id % PAGE) * WORDS
}

/** Returns the bytes of memory that a name takes, at most. */
export function memoryOf(name: string): number {
  return NAME_MEMORY + (isChecksumName(name) ? 0 : ODD_NAME_MEMORY + 2 * name.length)
}

/** Tests whether a name is a checksum. A regular expression would leave garbage for each name. */
function isChecksumName(name: string): boolean {
  if (name.length !== LENGTH || name[PREFIX.length + 2] !== '/') return false
  if (!name.startsWith(PREFIX) || !name.endsWith(SUFFIX)) return false
  for (const at of DIGITS) if (digitAt(name, at) < 0) return false
  return true
}

/** Returns the value of a hexadecimal digit in lower case; a negative number for any other character. */
function digitAt(name: string, at: number): number {
  const code = name.charCodeAt(at)
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}
