/**
 * Hard links of an archive, resolved at its end. A link gets the file that its target path has then; if the target is a
 * link itself, the file of that link. In libostree, the result for such chains depends on the order of a hash table.
 *
 * Source: ostree-repo-libarchive.c, aic_import_deferred_hardlinks.
 */

import type { Checksum } from '../../../bytes.ts'
import { displayUtf8 } from '../../../bytes.ts'
import { FormatError, InvalidNameError, LimitError, TarFormatError, UsageError, withContext } from '../../../errors.ts'
import type { MutableTree } from '../../core/tree.ts'
import { splitTarPath } from './path.ts'

/** Limit of the estimated memory of an archive's links, in bytes; enough for more than a million. */
export const MAX_LINK_MEMORY = 1 << 29

/** Estimated bytes of a link without its paths. */
const LINK_MEMORY = 256
/** Bytes per UTF-16 unit of a path. */
const TARGET_UNIT_MEMORY = 4

/** A hard link that waits for the end of the archive. */
export interface DeferredLink {
  /** The directory that gets the link. */
  readonly tree: MutableTree
  readonly name: string
  /** The target path from the root, as `splitTarPath` accepts it. */
  readonly target: string
  /** The path of the link for messages. */
  readonly path: string
  /** Offset of the entry in the archive, in bytes. */
  readonly offset: number
}

/** A link with the file that it gets, once that is known. */
interface ResolvedLink extends DeferredLink {
  checksum: Checksum | undefined
}

/**
 * Converts errors about names and trees to a `TarFormatError` with the position in the archive; returns others
 * unchanged.
 */
export function tarFault(error: unknown, offset: number, path: Uint8Array | string): unknown {
  if (!(error instanceof InvalidNameError || error instanceof FormatError || error instanceof UsageError)) return error
  return new TarFormatError(error.message, offset, typeof path === 'string' ? path : displayUtf8(path), {
    cause: error,
  })
}

/** The hard links of one archive. */
export class DeferredLinks {
  readonly #root: MutableTree
  readonly #links: ResolvedLink[] = []
  /** Links by directory and name. Of several with one name, the last one. */
  readonly #places = new Map<MutableTree, Map<string, ResolvedLink>>()
  /** Links that a later entry has replaced. */
  readonly #dropped = new Set<ResolvedLink>()
  /** Directories that a later entry has replaced, by parent and name: links to files in them keep these. */
  readonly #replaced = new Map<MutableTree, Map<string, MutableTree>>()

  readonly #maxMemory: number
  #memory = 0

  constructor(root: MutableTree, maxMemory = MAX_LINK_MEMORY) {
    this.#root = root
    this.#maxMemory = maxMemory
  }

  /** Adds a link. @throws {LimitError} when the links of the archive take too much memory */
  add({ tree, name, target, path, offset }: DeferredLink): void {
    this.#memory += LINK_MEMORY + (target.length + path.length) * TARGET_UNIT_MEMORY
    if (this.#memory > this.#maxMemory) throw new LimitError('memory of hard links', this.#maxMemory)
    // Links to one file often follow each other, and then share the text of their target.
    const before = this.#links.at(-1)?.target
    const shared = before === target ? before : target
    const link: ResolvedLink = { tree, name, target: shared, path, offset, checksum: undefined }
    this.#links.push(link)
    let names = this.#places.get(link.tree)
    if (names === undefined) {
      names = new Map()
      this.#places.set(link.tree, names)
    }
    names.set(link.name, link)
  }

  /**
   * Makes room for an entry that replaces an earlier one of another type, as programs that extract archives do.
   * @param what what comes; a hard link leaves a file, which is replaced at the end
   * @returns whether a directory was removed
   */
  makeRoom(tree: MutableTree, name: string, what: 'directory' | 'file' | 'link'): boolean {
    if (what !== 'link') this.#drop(tree, name)
    if (what === 'directory') {
      if (tree.files.has(name)) tree.remove(name)
      return false
    }
    const directory = tree.dirs.get(name)
    if (directory === undefined) return false
    const names = this.#replaced.get(tree)
    if (names === undefined) this.#replaced.set(tree, new Map([[name, directory]]))
    else names.set(name, directory)
    return tree.remove(name)
  }

  #drop(tree: MutableTree, name: string): void {
    const names = this.#places.get(tree)
    const link = names?.get(name)
    if (link === undefined) return
    names?.delete(name)
    this.#dropped.add(link)
  }

  /** Returns the names of links in a directory. */
  namesIn(tree: MutableTree): Iterable<string> {
    return this.#places.get(tree)?.keys() ?? []
  }

  /** Yields the directory and name of each link, without duplicates. */
  *places(): Generator<readonly [tree: MutableTree, name: string]> {
    for (const [tree, names] of this.#places) for (const name of names.keys()) yield [tree, name]
  }

  /**
   * Resolves all links and adds them to the tree.
   * @throws {TarFormatError} when a target is missing, is a directory, or leads only to links in a cycle
   */
  resolve(): void {
    const links = this.#dropped.size === 0 ? this.#links : this.#links.filter((link) => !this.#dropped.has(link))
    for (const link of links) this.#follow(link)
    for (const link of links) {
      try {
        link.tree.replaceFile(link.name, link.checksum as Checksum)
      } catch (error) {
        throw fault(withContext('Failed to replace file', error), link)
      }
    }
  }

  /** Follows a chain of links to a file, and records that file for every link of the chain. */
  #follow(start: ResolvedLink): void {
    const chain = new Set<ResolvedLink>()
    let link = start
    let { checksum } = link
    while (checksum === undefined) {
      chain.add(link)
      try {
        const { tree, name } = this.#find(link)
        const next = this.#places.get(tree)?.get(name)
        if (next === undefined) checksum = fileAt(tree, name)
        else if (chain.has(next)) checksum = contentIn(chain) ?? fileAt(tree, name)
        else {
          link = next
          checksum = link.checksum
        }
      } catch (error) {
        throw fault(withContext('Failed to find object', error), link)
      }
    }
    for (const passed of chain) passed.checksum = checksum
  }

  /**
   * Finds the directory and name of a target.
   * @throws {UsageError} when a directory is missing, or the target is one
   */
  #find({ target }: DeferredLink): { tree: MutableTree; name: string } {
    let tree = this.#root
    const names = splitTarPath(target)
    const last = names.length - 1
    for (const [i, name] of names.entries()) {
      const isLast = i === last
      const child = tree.dirs.get(name) ?? (isLast ? undefined : this.#replaced.get(tree)?.get(name))
      if (isLast && child === undefined) return { tree, name }
      if (child === undefined) throw new UsageError(`No such file or directory: ${name}`, name)
      tree = child
    }
    throw new UsageError(`Expected hardlink file target at "${target}" but found a directory`, target)
  }
}

/** Finds a file for a cycle of links: one that an entry with content has put at one of its paths. */
function contentIn(cycle: ReadonlySet<DeferredLink>): Checksum | undefined {
  for (const { tree, name } of cycle) {
    const checksum = tree.files.get(name)
    if (checksum !== undefined) return checksum
  }
  return undefined
}

function fileAt(tree: MutableTree, name: string): Checksum {
  const checksum = tree.files.get(name)
  if (checksum === undefined) throw new UsageError(`No such file or directory: ${name}`, name)
  return checksum
}

function fault(error: unknown, { offset, target, path }: DeferredLink): unknown {
  return tarFault(withContext(`ostree-tar: Processing deferred hardlink ${target}`, error), offset, path)
}
