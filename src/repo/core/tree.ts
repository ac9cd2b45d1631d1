/**
 * A tree under construction: names to file checksums, names to trees, and a dirmeta each.
 *
 * A tree may stand for a dirtree that is in the store already and is read only when somebody looks inside. What is not
 * changed keeps its checksum and is not written again; a change is passed on upwards, to the root.
 *
 * Source: ostree-mutable-tree.c; ostree-repo-commit.c, ostree_repo_write_mtree.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, LimitError, UsageError } from '../../errors.ts'
import { DirTree, EMPTY_TREE, validateFilename } from '../../objects/index.ts'
import type { ObjectReader, Transaction } from './interface.ts'
import { readDirTree } from './read-metadata.ts'

/** Directories nested deeper than this are refused. A path of 4096 bytes, the most Linux takes, cannot reach it. */
export const MAX_TREE_DEPTH = 2048

/**
 * Bytes one tree may take in memory, as counted below: five million files. A store can name the same directory over and
 * over, an archive many things in few bytes; what would unfold to more is refused before it fills the memory.
 */
export const MAX_TREE_MEMORY = 1 << 30

/** Bytes of a file or directory beside its name; measured: at most 190 and 630. */
const FILE_MEMORY = 192
const DIRECTORY_MEMORY = 640
const NAME_UNIT_MEMORY = 2

/** Ceilings of one tree, with the constants as defaults. */
export interface TreeLimits {
  readonly maxDepth?: number | undefined
  readonly maxMemory?: number | undefined
}

/** A directory as its parent names it. */
export interface TreeRoot {
  readonly tree: Checksum
  readonly meta: Checksum
}

const NONE: ReadonlyMap<string, never> = new Map<string, never>()

export class MutableTree {
  /** Directories between this one and the root. */
  readonly depth: number
  readonly #parent: MutableTree | undefined
  /** Shared by all trees under one root. */
  readonly #bounds: { memory: number; readonly maxMemory: number; readonly maxDepth: number }
  // Made when needed: most directories are leaves, or are never looked into.
  #files: Map<string, Checksum> | undefined
  #dirs: Map<string, MutableTree> | undefined
  #meta: Checksum | undefined
  /** The dirtree that says the same as this; `undefined` once something changed. */
  #contents: Checksum | undefined
  /** Where `#contents` is still to be read from. */
  #source: ObjectReader | undefined

  constructor(limits: TreeLimits = {}, parent?: MutableTree) {
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.#parent = parent
    const { maxDepth = MAX_TREE_DEPTH, maxMemory = MAX_TREE_MEMORY } = limits
    this.#bounds = parent === undefined ? { memory: 0, maxMemory, maxDepth } : parent.#bounds
    if (this.depth > this.#bounds.maxDepth) throw new LimitError('directory depth', this.#bounds.maxDepth)
    this.#files = undefined
    this.#dirs = undefined
    this.#meta = undefined
    this.#contents = undefined
    this.#source = undefined
  }

  /** A tree in the store. Nothing is read before `load`. */
  static from(reader: ObjectReader, root: TreeRoot, limits?: TreeLimits): MutableTree {
    const tree = new MutableTree(limits)
    tree.fillEmpty(reader, root)
    return tree
  }

  /** Dirmeta of this directory. */
  get meta(): Checksum | undefined {
    return this.#meta
  }

  /** Checksum of the dirtree as stored, while nothing below differs from it. */
  get contents(): Checksum | undefined {
    return this.#contents
  }

  /** False for a tree that is still only the name of a dirtree: `load` it before you look or change. */
  get loaded(): boolean {
    return this.#source === undefined
  }

  /** In the order they were put in. @throws {UsageError} when not loaded, as does all that looks inside */
  get files(): ReadonlyMap<string, Checksum> {
    this.#requireLoaded()
    return this.#files ?? NONE
  }

  get dirs(): ReadonlyMap<string, MutableTree> {
    this.#requireLoaded()
    return this.#dirs ?? NONE
  }

  /** Reads this one directory; those below stay names. May be repeated. @throws {ObjectNotFoundError}, {FormatError} */
  async load(): Promise<this> {
    const source = this.#source
    const contents = this.#contents
    if (source === undefined || contents === undefined) return this
    const { files, dirs } = await readDirTree(source, contents)
    // Another call was quicker.
    if (this.#source !== source) return this
    for (const { name, checksum } of files) this.#addFile(name, checksum)
    for (const { name, tree, meta } of dirs) this.#addDir(name).#become(source, { tree, meta })
    this.#source = undefined
    return this
  }

  /** Reads this directory and all below. */
  async loadAll(): Promise<this> {
    const waiting: MutableTree[] = [this]
    for (let tree = waiting.pop(); tree !== undefined; tree = waiting.pop()) {
      await tree.load()
      for (const child of tree.dirs.values()) waiting.push(child)
    }
    return this
  }

  /**
   * Makes an empty tree stand for one in the store.
   * @returns false, with nothing changed, when there is something in it: then the caller has to merge
   */
  fillEmpty(reader: ObjectReader, root: TreeRoot): boolean {
    if (this.#source === undefined ? this.files.size > 0 || this.dirs.size > 0 : this.#contents !== EMPTY_TREE) {
      if (this.#contents !== root.tree && root.tree !== EMPTY_TREE) return false
      this.setMeta(root.meta)
      return true
    }
    this.#invalidate()
    this.#become(reader, root)
    return true
  }

  #become(reader: ObjectReader, root: TreeRoot): void {
    this.#source = reader
    this.#contents = root.tree
    this.#meta = root.meta
  }

  setMeta(checksum: Checksum): void {
    if (this.#meta === checksum) return
    this.#meta = checksum
    if (this.#parent !== undefined) this.#parent.#invalidate()
  }

  /** Puts a file in, over another file if there is one. @throws {UsageError} over a directory; {FormatError} on a bad name */
  replaceFile(name: string, checksum: Checksum): void {
    this.#requireLoaded()
    const present = this.#files?.get(name)
    if (present === checksum) return
    if (present === undefined) {
      requireName(name)
      if (this.#dirs?.has(name)) throw new UsageError(`Can't replace directory with file: ${name}`, name)
    }
    if (present === undefined) this.#addFile(name, checksum)
    else this.#files?.set(name, checksum)
    this.#invalidate()
  }

  #addFile(name: string, checksum: Checksum): void {
    this.#count(FILE_MEMORY, name)
    this.#files ??= new Map()
    this.#files.set(name, checksum)
  }

  /** The directory of that name, made when missing. @throws {UsageError} over a file; {FormatError}, {LimitError} */
  ensureDir(name: string): MutableTree {
    this.#requireLoaded()
    const present = this.#dirs?.get(name)
    if (present !== undefined) return present
    requireName(name)
    if (this.#files?.has(name)) throw new UsageError(`Can't replace file with directory: ${name}`, name)
    const child = this.#addDir(name)
    this.#invalidate()
    return child
  }

  #addDir(name: string): MutableTree {
    this.#count(DIRECTORY_MEMORY, name)
    const child = new MutableTree(undefined, this)
    this.#dirs ??= new Map()
    this.#dirs.set(name, child)
    return child
  }

  /** Takes a file, or a directory and all below, out. @returns whether it was there */
  remove(name: string): boolean {
    this.#requireLoaded()
    const removed = (this.#files?.delete(name) ?? false) || (this.#dirs?.delete(name) ?? false)
    if (removed) this.#invalidate()
    return removed
  }

  /** Notes that the dirtree `checksum` says what this tree says. Only the writer calls this. */
  settle(checksum: Checksum): void {
    this.#contents = checksum
  }

  /** A tree without a checksum has none above it either, so the way up is walked once. */
  #invalidate(): void {
    let tree: MutableTree | undefined = this
    while (tree !== undefined && tree.#contents !== undefined) {
      tree.#contents = undefined
      tree = tree.#parent
    }
  }

  /** Things taken out are not taken off: the ceiling is far, and few are. */
  #count(bytes: number, name: string): void {
    const bounds = this.#bounds
    bounds.memory += bytes + name.length * NAME_UNIT_MEMORY
    if (bounds.memory > bounds.maxMemory) throw new LimitError('memory of a tree', bounds.maxMemory)
  }

  #requireLoaded(): void {
    if (this.#source !== undefined) throw new UsageError(`Tree ${this.#contents} is not loaded`)
  }
}

/** What neither a dirtree nor a disk can hold. */
function requireName(name: string): void {
  validateFilename(name)
  if (name.includes('\0')) throw new FormatError('filename', `Invalid NUL in filename ${JSON.stringify(name)}`)
}

/**
 * Writes every dirtree of the tree that is not in the store yet, children first, names in byte order.
 * @throws {UsageError} when a directory has no dirmeta
 */
export async function writeTree(tx: Transaction, tree: MutableTree): Promise<TreeRoot> {
  // Parents stand before their children here, so backwards is bottom-up; a list needs no stack, however deep.
  const changed = tree.contents === undefined ? [tree] : []
  for (let i = 0; i < changed.length; i++) {
    for (const child of (changed[i] as MutableTree).dirs.values()) {
      if (child.contents === undefined) changed.push(child)
    }
  }
  for (let i = changed.length - 1; i >= 0; i--) {
    const directory = changed[i] as MutableTree
    const written = tx.writeMeta('dirtree', encodeTree(directory))
    directory.settle(written instanceof Promise ? await written : written)
  }
  return rootOf(tree)
}

function encodeTree(directory: MutableTree): Uint8Array {
  const files = Array.from(directory.files, ([name, checksum]) => ({ name, checksum }))
  const dirs = Array.from(directory.dirs, ([name, child]) => ({ name, ...rootOf(child) }))
  const byName = (a: { name: string }, b: { name: string }) => compareUtf8(a.name, b.name)
  return DirTree.encode({ files: files.sort(byName), dirs: dirs.sort(byName) })
}

function rootOf(tree: MutableTree): TreeRoot {
  if (tree.meta === undefined || tree.contents === undefined) throw new UsageError(`Can't commit an empty tree`)
  return { tree: tree.contents, meta: tree.meta }
}

/** Lays a stored tree over another: its files replace, its directories merge, its dirmetas win. */
export async function overlayTree(onto: MutableTree, reader: ObjectReader, root: TreeRoot): Promise<void> {
  const waiting: [MutableTree, TreeRoot][] = [[onto, root]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [target, source] = next
    if (target.fillEmpty(reader, source)) continue
    await target.load()
    target.setMeta(source.meta)
    const { files, dirs } = await readDirTree(reader, source.tree)
    for (const { name, checksum } of files) target.replaceFile(name, checksum)
    for (const { name, tree, meta } of dirs) waiting.push([target.ensureDir(name), { tree, meta }])
  }
}
