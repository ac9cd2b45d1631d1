/**
 * A directory tree in memory, to be changed and written: each directory has files by name, subdirectories by name, and
 * a dirmeta.
 *
 * A directory can refer to a dirtree in the store, which is then read on demand. Directories that have not changed keep
 * their checksum and are not written again. A change invalidates the checksums of all directories above it.
 *
 * Source: ostree-mutable-tree.c; ostree-repo-commit.c, ostree_repo_write_mtree.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, LimitError, UsageError } from '../../errors.ts'
import { EMPTY_TREE, validateFilename } from '../../objects/index.ts'
import { encodeDirTree } from '../../objects/internal.ts'
import type { ObjectReader, Transaction } from './interface.ts'
import { readDirTree } from './read-metadata.ts'
import { FilePages, FileTable } from './tables/file-table.ts'

/** Maximum nesting of directories. A path of 4096 bytes, the maximum of Linux, has fewer. */
export const MAX_TREE_DEPTH = 2048

/**
 * Maximum memory of a tree in bytes, as estimated below; enough for ten million files. It limits malicious input: a
 * repository can refer to one directory from many places, and a small archive can have many entries.
 */
export const MAX_TREE_MEMORY = 1 << 30

/** Estimated bytes of a file or directory without its name. Measured: at most 60 and 810. */
const FILE_MEMORY = 64
const DIRECTORY_MEMORY = 896
/** Bytes of a UTF-16 unit of a name in UTF-8, at most. */
const NAME_UNIT_MEMORY = 3

/** Limits of a tree. */
export interface TreeLimits {
  /** Nesting of directories. Default MAX_TREE_DEPTH. */
  readonly maxDepth?: number | undefined
  /** Estimated bytes of memory. Default MAX_TREE_MEMORY. */
  readonly maxMemory?: number | undefined
}

/** State that all directories of a tree share: limits, and the estimated memory in bytes. */
interface TreeBounds {
  memory: number
  readonly maxMemory: number
  readonly maxDepth: number
  readonly pages: FilePages
}

/** The checksums of a stored directory: its dirtree and its dirmeta. */
export interface TreeRoot {
  readonly tree: Checksum
  readonly meta: Checksum
}

const NONE: ReadonlyMap<string, never> = new Map<string, never>()
const NO_FILES = new FileTable(new FilePages())

/** A directory of the tree. */
export class MutableTree {
  /** Number of directories above this one; 0 for the root. */
  readonly depth: number
  readonly #parent: MutableTree | undefined
  readonly #bounds: TreeBounds
  // Created on demand, because many directories have no files or no subdirectories, or are never loaded.
  #files: FileTable | undefined
  #dirs: Map<string, MutableTree> | undefined
  #meta: Checksum | undefined
  /** Checksum of the dirtree with this content; `undefined` after a change. */
  #contents: Checksum | undefined
  /** The store to read `#contents` from; `undefined` when loaded. */
  #source: ObjectReader | undefined

  constructor(limits: TreeLimits = {}, parent?: MutableTree) {
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.#parent = parent
    const { maxDepth = MAX_TREE_DEPTH, maxMemory = MAX_TREE_MEMORY } = limits
    this.#bounds = parent === undefined ? { memory: 0, maxMemory, maxDepth, pages: new FilePages() } : parent.#bounds
    if (this.depth > this.#bounds.maxDepth) throw new LimitError('directory depth', this.#bounds.maxDepth)
    this.#files = undefined
    this.#dirs = undefined
    this.#meta = undefined
    this.#contents = undefined
    this.#source = undefined
  }

  /** Creates a tree that refers to a stored one. Nothing is read before `load`. */
  static from(reader: ObjectReader, root: TreeRoot, limits?: TreeLimits): MutableTree {
    const tree = new MutableTree(limits)
    tree.fillEmpty(reader, root)
    return tree
  }

  /** Checksum of the dirmeta, if it has been set. */
  get meta(): Checksum | undefined {
    return this.#meta
  }

  /**
   * Checksum of the stored dirtree with this content; `undefined` when this directory, or one below it, has changed.
   */
  get contents(): Checksum | undefined {
    return this.#contents
  }

  /** False for a directory whose dirtree has not been read; `load` it before reading or changing its content. */
  get loaded(): boolean {
    return this.#source === undefined
  }

  /** Files by name, in the order of insertion. @throws {UsageError} when the directory is not loaded */
  get files(): ReadonlyMap<string, Checksum> {
    this.#requireLoaded()
    return this.#files ?? NO_FILES
  }

  /** Subdirectories by name, in the order of insertion. @throws {UsageError} when the directory is not loaded */
  get dirs(): ReadonlyMap<string, MutableTree> {
    this.#requireLoaded()
    return this.#dirs ?? NONE
  }

  /**
   * Reads the dirtree of this directory; subdirectories are not loaded. Idempotent.
   * @throws {ObjectNotFoundError} when the dirtree does not exist; {FormatError} when it is malformed
   * @throws {LimitError} when the tree exceeds its limits
   */
  async load(): Promise<this> {
    const source = this.#source
    const contents = this.#contents
    if (source === undefined || contents === undefined) return this
    const { files, dirs } = await readDirTree(source, contents)
    // Loaded by a concurrent call in the meantime.
    if (this.#source !== source) return this
    if (files.length > 0) this.#files ??= new FileTable(this.#bounds.pages)
    for (const { name, checksum } of files) {
      this.#count(FILE_MEMORY, name)
      this.#files?.set(name, checksum)
    }
    for (const { name, tree, meta } of dirs) this.#addDir(name).#referTo(source, { tree, meta })
    this.#source = undefined
    return this
  }

  /** Reads this directory and all directories below it. Errors are those of `load`. */
  async loadAll(): Promise<this> {
    const waiting: MutableTree[] = [this]
    for (let tree = waiting.pop(); tree !== undefined; tree = waiting.pop()) {
      await tree.load()
      for (const child of tree.dirs.values()) waiting.push(child)
    }
    return this
  }

  /**
   * Makes an empty directory refer to a stored one.
   * @returns false, with nothing changed, when the directory is not empty, so that the caller has to merge
   */
  fillEmpty(reader: ObjectReader, root: TreeRoot): boolean {
    if (this.#source === undefined ? this.files.size > 0 || this.dirs.size > 0 : this.#contents !== EMPTY_TREE) {
      if (this.#contents !== root.tree && root.tree !== EMPTY_TREE) return false
      this.setMeta(root.meta)
      return true
    }
    this.#invalidate()
    this.#referTo(reader, root)
    return true
  }

  /** Makes this directory refer to a stored one, not loaded. */
  #referTo(reader: ObjectReader, root: TreeRoot): void {
    this.#source = reader
    this.#contents = root.tree
    this.#meta = root.meta
  }

  /** Sets the dirmeta of this directory. */
  setMeta(checksum: Checksum): void {
    if (this.#meta === checksum) return
    this.#meta = checksum
    if (this.#parent !== undefined) this.#parent.#invalidate()
  }

  /**
   * Adds a file, or replaces the file of that name.
   * @throws {UsageError} when a directory has that name, or this directory is not loaded
   * @throws {FormatError} when the name is not valid
   * @throws {LimitError} when the tree exceeds its memory limit
   */
  replaceFile(name: string, checksum: Checksum): void {
    this.#requireLoaded()
    this.#files ??= new FileTable(this.#bounds.pages)
    const isSame = this.#files.hasChecksum(name, checksum)
    if (isSame) return
    if (isSame === undefined) {
      requireName(name)
      if (this.#dirs?.has(name)) throw new UsageError(`Can't replace directory with file: ${name}`, name)
      this.#count(FILE_MEMORY, name)
      this.#files.add(checksum)
    } else this.#files.set(name, checksum)
    this.#invalidate()
  }

  /**
   * Returns the subdirectory of that name, which is created if it does not exist.
   * @throws {UsageError} when a file has that name, or this directory is not loaded
   * @throws {FormatError} when the name is not valid
   * @throws {LimitError} when the tree exceeds its limits
   */
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

  /** Removes a file, or a subdirectory with all its content. @returns whether it existed */
  remove(name: string): boolean {
    this.#requireLoaded()
    const removed = (this.#files?.delete(name) ?? false) || (this.#dirs?.delete(name) ?? false)
    if (removed) this.#invalidate()
    return removed
  }

  /** Records the checksum of the dirtree that has been written for this directory. For `writeTree` only. */
  settle(checksum: Checksum): void {
    this.#contents = checksum
  }

  /**
   * Clears the checksums of this directory and all above it. A directory without a checksum has none above it with one,
   * so the loop can stop there.
   */
  #invalidate(): void {
    let tree: MutableTree | undefined = this
    while (tree !== undefined && tree.#contents !== undefined) {
      tree.#contents = undefined
      tree = tree.#parent
    }
  }

  /** Adds to the estimated memory. Removed entries are not subtracted, since few are removed and the limit is high. */
  #count(bytes: number, name: string): void {
    const bounds = this.#bounds
    bounds.memory += bytes + name.length * NAME_UNIT_MEMORY
    if (bounds.memory > bounds.maxMemory) throw new LimitError('memory of a tree', bounds.maxMemory)
  }

  #requireLoaded(): void {
    if (this.#source !== undefined) throw new UsageError(`Tree ${this.#contents} is not loaded`)
  }
}

/** @throws {FormatError} when a name cannot be in a dirtree or on disk */
function requireName(name: string): void {
  validateFilename(name)
  if (name.includes('\0')) throw new FormatError('filename', `Invalid NUL in filename ${JSON.stringify(name)}`)
}

/**
 * Writes the dirtrees of all directories that have changed, subdirectories first.
 * @returns the checksums of the root
 * @throws {UsageError} when a directory has no dirmeta
 */
export async function writeTree(tx: Transaction, tree: MutableTree): Promise<TreeRoot> {
  // A list with parents before their children, which is then processed backwards. No recursion, however deep the tree
  // is.
  const changed = tree.contents === undefined ? [tree] : []
  for (let i = 0; i < changed.length; i++) {
    for (const child of (changed[i] as MutableTree).dirs.values()) {
      if (child.contents === undefined) changed.push(child)
    }
  }
  for (let i = changed.length - 1; i >= 0; i--) {
    const directory = changed[i] as MutableTree
    const written = tx.writeMeta('dirtree', encodeDirTree(directory.files, directory.dirs, rootOf))
    directory.settle(written instanceof Promise ? await written : written)
  }
  return rootOf(tree)
}

function rootOf(tree: MutableTree): TreeRoot {
  if (tree.meta === undefined || tree.contents === undefined) throw new UsageError(`Can't commit an empty tree`)
  return { tree: tree.contents, meta: tree.meta }
}

/**
 * Overlays a stored tree: its files replace files of the same name, its directories are merged, and its dirmetas
 * replace those of existing directories.
 * @throws {UsageError} when a file would replace a directory, or a directory a file
 * @throws {ObjectNotFoundError}, {FormatError} or {LimitError} as `MutableTree.load` does
 */
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
