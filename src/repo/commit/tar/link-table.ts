/**
 * A table of hard links in few bytes: numbers in one array, texts in another, because objects and strings for a million
 * links would take several times as much memory.
 *
 * ```
 * link     6 numbers of 32 bits: directory, name, target, next of the hash, next of the directory, file or mark
 * ```
 *
 * Links are found by directory and name in a hash table with chains.
 */

import { type Checksum, decodeUtf8, encodeUtf8 } from '../../../bytes.ts'
import { free, memory, TextPages } from '../../core/tables/text-pages.ts'
import type { MutableTree } from '../../core/tree.ts'

/** Numbers of 32 bits per link, and their places. */
const WORDS = 6
const DIRECTORY = 0
const NAME = 1
const TARGET = 2
/** The next link with the same hash, plus 1; 0 at the end of a chain. */
const NEXT = 3
/** The next link of the same directory, plus 1; 0 at the end. */
const SIBLING = 4
/** A mark, or the position of the file that the link gets, with the highest bit set. */
const FILE = 5
const IS_FILE = 0x80000000

/** Value of `DIRECTORY` for a link that has been dropped. */
const DROPPED = 0xffffffff

const FIRST_LINKS = 16

interface Directory {
  readonly tree: MutableTree
  /** The path of the directory as the first link in it spells it, with a slash at its end, or empty. */
  readonly prefix: string
  /** The last link in it, plus 1; 0 without one. */
  last: number
}

/** Links by number, in the order of the archive. */
export class LinkTable {
  #words = new Uint32Array(memory(FIRST_LINKS * WORDS * 4))
  #offsets = new Float64Array(memory(FIRST_LINKS * 8))
  #heads = new Uint32Array(memory(FIRST_LINKS * 4))
  readonly #texts = new TextPages(true)
  #count = 0
  readonly #files: Checksum[] = []
  readonly #directories: Directory[] = []
  readonly #ids = new Map<MutableTree, number>()
  /** Paths of links that spell their directory in another way than the first link in it. */
  readonly #oddPaths = new Map<number, string>()
  /** The target of the last link, which the next one often shares. */
  #target: string | undefined

  /** Number of links, including those that have been dropped. */
  get count(): number {
    return this.#count
  }

  /**
   * Adds a link.
   * @param path its path for messages, which ends with `name`
   * @param offset of its entry in the archive, in bytes
   */
  add(tree: MutableTree, name: string, target: string, path: string, offset: number): void {
    const link = this.#count++
    if (this.#offsets.length === link) this.#grow()
    const id = this.#directoryOf(tree, name, path)
    const directory = this.#directories[id] as Directory
    if (path.length !== directory.prefix.length + name.length || !path.startsWith(directory.prefix))
      this.#oddPaths.set(link, path)
    const words = this.#words
    const at = link * WORDS
    words[at + TARGET] =
      target === this.#target ? (words[at - WORDS + TARGET] as number) : this.#texts.append(this.#encode(target))
    this.#target = target
    const length = this.#encode(name)
    words[at + NAME] = this.#texts.append(length)
    words[at + DIRECTORY] = id
    words[at + SIBLING] = directory.last
    directory.last = link + 1
    this.#offsets[link] = offset
    this.#chain(link, this.#texts.hash(id, length))
  }

  /** Returns the directory that gets the link. */
  treeOf(link: number): MutableTree {
    return (this.#directories[this.#words[link * WORDS + DIRECTORY] as number] as Directory).tree
  }

  nameOf(link: number): string {
    return this.#texts.at(this.#words[link * WORDS + NAME] as number)
  }

  targetOf(link: number): string {
    return this.#texts.at(this.#words[link * WORDS + TARGET] as number)
  }

  /** Tells whether two links have one text as their target; false for some equal ones. */
  haveSameTarget(a: number, b: number): boolean {
    return this.#words[a * WORDS + TARGET] === this.#words[b * WORDS + TARGET]
  }

  /** Returns the path of the link, for messages. */
  pathOf(link: number): string {
    const { prefix } = this.#directories[this.#words[link * WORDS + DIRECTORY] as number] as Directory
    return this.#oddPaths.get(link) ?? prefix + this.nameOf(link)
  }

  /** Returns the offset of the link's entry in the archive, in bytes. */
  offsetOf(link: number): number {
    return this.#offsets[link] as number
  }

  /** Returns the file that `setFile` has set for the link. */
  fileOf(link: number): Checksum | undefined {
    const file = this.#words[link * WORDS + FILE] as number
    return file >= IS_FILE ? this.#files[file - IS_FILE] : undefined
  }

  setFile(link: number, checksum: Checksum): void {
    // Links to one file often follow each other.
    if (this.#files.at(-1) !== checksum) this.#files.push(checksum)
    this.#words[link * WORDS + FILE] = IS_FILE + this.#files.length - 1
  }

  /** Returns the mark of a link without a file: the number that `setMark` has set, or 0. */
  markOf(link: number): number {
    return this.#words[link * WORDS + FILE] as number
  }

  /** Marks a link without a file. @param mark below 2^31 */
  setMark(link: number, mark: number): void {
    this.#words[link * WORDS + FILE] = mark
  }

  /** Finds the last link of that name. @returns its number, or `undefined` */
  find(tree: MutableTree, name: string): number | undefined {
    const id = this.#ids.get(tree)
    if (id === undefined) return undefined
    const length = this.#encode(name)
    const words = this.#words
    let next = this.#heads[this.#texts.hash(id, length) & (this.#heads.length - 1)] as number
    for (; next !== 0; next = words[(next - 1) * WORDS + NEXT] as number) {
      const at = (next - 1) * WORDS
      if (words[at + DIRECTORY] === id && this.#texts.equals(words[at + NAME] as number, length)) return next - 1
    }
    return undefined
  }

  /** Drops all links of that name: they are not found any more. */
  drop(tree: MutableTree, name: string): void {
    const id = this.#ids.get(tree)
    if (id === undefined) return
    const length = this.#encode(name)
    const words = this.#words
    const slot = this.#texts.hash(id, length) & (this.#heads.length - 1)
    let kept: number | undefined
    for (let next = this.#heads[slot] as number; next !== 0; ) {
      const at = (next - 1) * WORDS
      next = words[at + NEXT] as number
      if (words[at + DIRECTORY] === id && this.#texts.equals(words[at + NAME] as number, length)) {
        words[at + DIRECTORY] = DROPPED
        if (kept === undefined) this.#heads[slot] = next
        else words[kept + NEXT] = next
      } else kept = at
    }
  }

  isDropped(link: number): boolean {
    return this.#words[link * WORDS + DIRECTORY] === DROPPED
  }

  /** Yields the names of links in a directory; a name may come more than once. */
  *namesIn(tree: MutableTree): Generator<string, void, undefined> {
    const id = this.#ids.get(tree)
    if (id === undefined) return
    let next = (this.#directories[id] as Directory).last
    for (; next !== 0; next = this.#words[(next - 1) * WORDS + SIBLING] as number) {
      if (!this.isDropped(next - 1)) yield this.nameOf(next - 1)
    }
  }

  /** Frees the texts of all links before this one. They must not be asked for again, nor any link be looked for. */
  releaseBefore(link: number): void {
    // Positions of targets increase from link to link, and the name of a link comes behind its target.
    this.#texts.releaseBefore(this.#words[link * WORDS + TARGET] as number)
  }

  /** Drops all links and frees their memory at once. The table is not to be used again. */
  release(): void {
    free(this.#words, this.#offsets, this.#heads)
    this.#texts.release()
    this.#count = 0
    this.#ids.clear()
  }

  #directoryOf(tree: MutableTree, name: string, path: string): number {
    const known = this.#ids.get(tree)
    if (known !== undefined) return known
    const id = this.#directories.length
    this.#ids.set(tree, id)
    this.#directories.push({ tree, prefix: path.slice(0, path.length - name.length), last: 0 })
    return id
  }

  #grow(): void {
    const size = this.#offsets.length * 2
    const words = new Uint32Array(memory(size * WORDS * 4))
    words.set(this.#words)
    const offsets = new Float64Array(memory(size * 8))
    offsets.set(this.#offsets)
    free(this.#words, this.#offsets, this.#heads)
    this.#words = words
    this.#offsets = offsets
    this.#heads = new Uint32Array(memory(size * 4))
    for (let link = 0; link < size / 2; link++) {
      if (this.isDropped(link)) continue
      const at = link * WORDS
      this.#chain(link, this.#texts.hashAt(words[at + DIRECTORY] as number, words[at + NAME] as number))
    }
  }

  /** Puts a link at the start of its chain, before earlier ones of its name. */
  #chain(link: number, hash: number): void {
    const slot = hash & (this.#heads.length - 1)
    this.#words[link * WORDS + NEXT] = this.#heads[slot] as number
    this.#heads[slot] = link + 1
  }

  /** Encodes a text. A lone surrogate, which no name has that can be stored, becomes U+FFFD. */
  #encode(text: string): number {
    const length = this.#texts.encode(text)
    return length < 0 ? this.#texts.encode(decodeUtf8(encodeUtf8(text)) as string) : length
  }
}
