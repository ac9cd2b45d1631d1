/**
 * The files of the directories of a tree, in few bytes: about 70 for a file with a short name, where a `Map` with strings
 * takes 245.
 *
 * ```
 * of all directories   name │ checksum, name │ checksum, …           in pages, text-pages.ts
 * of a directory       positions of its files, in the order of insertion
 *                      places in that list, by hash of the name      from nine files on
 * ```
 */

import { type Checksum, toHex, writeHex } from '../../../bytes.ts'
import type { EncodableFiles } from '../../../objects/internal.ts'
import { TextPages } from './text-pages.ts'

const CHECKSUM = 32
const HEX = 2 * CHECKSUM
const FIRST_FILES = 4
/** Files above which names are looked up by their hash. */
const FEW = 8
/** Position of a file that has been removed. */
const REMOVED = 0xffffffff

/** What the directories of a tree share. */
export class FilePages {
  readonly texts = new TextPages()
  /** By position, what stands for a checksum that is not known yet, such as a placeholder. */
  readonly pending = new Map<number, Checksum>()
  /** The checksum that was looked up last: equal files often follow each other, and then share its text. */
  last: Checksum = '' as Checksum
}

/** The files of one directory: checksums by name, in the order of insertion. */
export class FileTable implements ReadonlyMap<string, Checksum>, EncodableFiles {
  readonly #pages: FilePages
  #positions = new Uint32Array(FIRST_FILES)
  /** Places in `#positions`, plus 1; 0 for an empty slot. */
  #slots: Uint32Array | undefined
  /** Used places, those of removed files included. */
  #used = 0
  #size = 0
  /** Length and hash of the name that was looked up last, which is still in the scratch buffer of the pages. */
  #length = 0
  #hash = 0

  constructor(pages: FilePages) {
    this.#pages = pages
  }

  get size(): number {
    return this.#size
  }

  has(name: string): boolean {
    return this.#find(name) >= 0
  }

  get(name: string): Checksum | undefined {
    const place = this.#find(name)
    return place < 0 ? undefined : this.#checksumAt(this.#positions[place] as number)
  }

  /** Tells whether the file has that checksum. @returns `undefined` when there is no such file */
  hasChecksum(name: string, checksum: Checksum): boolean | undefined {
    const place = this.#find(name)
    return place < 0 ? undefined : this.#checksumAt(this.#positions[place] as number) === checksum
  }

  /** Adds or replaces a file. @param name must be well-formed */
  set(name: string, checksum: Checksum): void {
    const found = this.#find(name)
    if (found >= 0) {
      this.#setChecksum(this.#positions[found] as number, checksum)
      return
    }
    this.add(checksum)
  }

  /** Adds a file under the well-formed name that was looked up last in this tree, and not found. */
  add(checksum: Checksum): void {
    if (this.#used === this.#positions.length) this.#grow()
    const position = this.#pages.texts.append(this.#length, CHECKSUM)
    this.#positions[this.#used++] = position
    this.#size++
    this.#setChecksum(position, checksum)
    if (this.#slots !== undefined) this.#chain(this.#slots, this.#hash, this.#used)
    else if (this.#used > FEW) this.#index()
  }

  /** Removes a file. @returns whether it existed */
  delete(name: string): boolean {
    const place = this.#find(name)
    if (place < 0) return false
    this.#pages.pending.delete(this.#positions[place] as number)
    this.#positions[place] = REMOVED
    this.#size--
    return true
  }

  /** Returns the place of a file in the list, or -1. */
  #find(name: string): number {
    const { texts } = this.#pages
    const length = texts.encode(name)
    this.#length = length
    if (length < 0) return -1
    const positions = this.#positions
    const slots = this.#slots
    if (slots === undefined) {
      for (let place = 0; place < this.#used; place++) {
        const position = positions[place] as number
        if (position !== REMOVED && texts.equals(position, length)) return place
      }
      return -1
    }
    const mask = slots.length - 1
    this.#hash = texts.hash(0, length)
    for (let slot = this.#hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const place = (slots[slot] as number) - 1
      const position = positions[place] as number
      if (position !== REMOVED && texts.equals(position, length)) return place
    }
    return -1
  }

  #grow(): void {
    const before = this.#positions
    // Places of removed files are not used again as long as most are in use.
    if (this.#size < this.#used / 2) {
      let used = 0
      for (let place = 0; place < this.#used; place++) {
        const position = before[place] as number
        if (position !== REMOVED) before[used++] = position
      }
      this.#used = used
    } else {
      this.#positions = new Uint32Array(before.length * 2)
      this.#positions.set(before)
    }
    if (this.#slots !== undefined) this.#index()
  }

  #index(): void {
    const slots = new Uint32Array(this.#positions.length * 2)
    const { texts } = this.#pages
    for (let place = 0; place < this.#used; place++) {
      const position = this.#positions[place] as number
      if (position !== REMOVED) this.#chain(slots, texts.hashAt(0, position), place + 1)
    }
    this.#slots = slots
  }

  #chain(slots: Uint32Array, hash: number, value: number): void {
    const mask = slots.length - 1
    let slot = hash & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = value
  }

  #setChecksum(position: number, checksum: Checksum): void {
    const { texts, pending } = this.#pages
    if (pending.size > 0) pending.delete(position)
    const { page, end } = texts.spanAt(position)
    if (checksum.length === HEX) writeHex(checksum, page, end)
    else pending.set(position, checksum)
  }

  #checksumAt(position: number): Checksum {
    const { texts, pending } = this.#pages
    const text = pending.size > 0 ? pending.get(position) : undefined
    if (text !== undefined) return text
    const { page, end } = texts.spanAt(position)
    const checksum = toHex(page, end, end + CHECKSUM) as Checksum
    if (this.#pages.last !== checksum) this.#pages.last = checksum
    return this.#pages.last
  }

  *#live(): Generator<number, undefined> {
    for (let place = 0; place < this.#used; place++) {
      const position = this.#positions[place] as number
      if (position !== REMOVED) yield position
    }
  }

  *keys(): MapIterator<string> {
    for (const position of this.#live()) yield this.#pages.texts.at(position)
  }

  *values(): MapIterator<Checksum> {
    for (const position of this.#live()) yield this.#checksumAt(position)
  }

  *entries(): MapIterator<[string, Checksum]> {
    for (const position of this.#live()) yield [this.#pages.texts.at(position), this.#checksumAt(position)]
  }

  [Symbol.iterator](): MapIterator<[string, Checksum]> {
    return this.entries()
  }

  forEach(callback: (checksum: Checksum, name: string, files: ReadonlyMap<string, Checksum>) => void): void {
    for (const [name, checksum] of this) callback(checksum, name, this)
  }

  /** Returns the positions of the files, sorted by the bytes of their names. */
  sortedFiles(): Uint32Array {
    const { texts } = this.#pages
    const positions = new Uint32Array(this.#size)
    let count = 0
    let inOrder = true
    const compare = (a: number, b: number): number => texts.compare(a, b)
    for (let place = 0; place < this.#used; place++) {
      const position = this.#positions[place] as number
      if (position === REMOVED) continue
      if (inOrder && count > 0) inOrder = compare(positions[count - 1] as number, position) < 0
      positions[count++] = position
    }
    return inOrder ? positions : positions.sort(compare)
  }

  nameSize(position: number): number {
    const { start, end } = this.#pages.texts.spanAt(position)
    return end - start
  }

  writeFile(position: number, into: Uint8Array, at: number): void {
    const { texts, pending } = this.#pages
    if (pending.has(position)) throw new RangeError(`not a checksum: ${pending.get(position)}`)
    const { page, start, end } = texts.spanAt(position)
    for (let i = start; i < end; i++) into[at + i - start] = page[i] as number
    const sum = at + end - start + 1
    for (let i = 0; i < CHECKSUM; i++) into[sum + i] = page[end + i] as number
  }
}
