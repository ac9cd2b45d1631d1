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
import { LinkTable } from './link-table.ts'
import { splitTarPath } from './path.ts'

/** Limit of the estimated memory of an archive's links, in bytes; enough for more than a million. */
export const MAX_LINK_MEMORY = 1 << 29

/** Estimated bytes of a link without its texts, and of a UTF-16 unit of these. Buffers grow to the double. */
const LINK_MEMORY = 128
const UNIT_MEMORY = 4

/** A hard link that waits for the end of the archive. */
export interface DeferredLink {
  /** The directory that gets the link. */
  readonly tree: MutableTree
  readonly name: string
  /** The target path from the root, as `splitTarPath` accepts it. */
  readonly target: string
  /** The path of the link for messages, which ends with its name. */
  readonly path: string
  /** Offset of the entry in the archive, in bytes. */
  readonly offset: number
}

/** Where the target of a link is. */
interface Place {
  readonly tree: MutableTree
  readonly name: string
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
  readonly #links = new LinkTable()
  /** Directories that a later entry has replaced, by parent and name: links to files in them keep these. */
  readonly #replaced = new Map<MutableTree, Map<string, MutableTree>>()

  readonly #maxMemory: number
  #memory = 0

  constructor(root: MutableTree, maxMemory = MAX_LINK_MEMORY) {
    this.#root = root
    // Positions of texts in the table have 32 bits. A text takes at most six for each of its UTF-16 units.
    this.#maxMemory = Math.min(maxMemory, 2 ** 31)
  }

  /** Adds a link. @throws {LimitError} when the links of the archive take too much memory */
  add({ tree, name, target, path, offset }: DeferredLink): void {
    this.#memory += LINK_MEMORY + (target.length + path.length) * UNIT_MEMORY
    if (this.#memory > this.#maxMemory) throw new LimitError('memory of hard links', this.#maxMemory)
    this.#links.add(tree, name, target, path, offset)
  }

  /**
   * Makes room for an entry that replaces an earlier one of another type, as programs that extract archives do.
   * @param what what comes; a hard link leaves a file, which is replaced at the end
   * @returns whether a directory was removed
   */
  makeRoom(tree: MutableTree, name: string, what: 'directory' | 'file' | 'link'): boolean {
    if (what !== 'link') this.#links.drop(tree, name)
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

  /** Yields the names of links in a directory; a name may come more than once. */
  namesIn(tree: MutableTree): Iterable<string> {
    return this.#links.namesIn(tree)
  }

  /** Yields the directory and name of each link, in the order of the archive; a place may come more than once. */
  *places(): Generator<readonly [tree: MutableTree, name: string]> {
    const links = this.#links
    for (let link = 0; link < links.count; link++) {
      if (!links.isDropped(link)) yield [links.treeOf(link), links.nameOf(link)]
    }
  }

  /**
   * Resolves all links and adds them to the tree. To be called once, after which there are no links.
   * @throws {TarFormatError} when a target is missing, is a directory, or leads only to links in a cycle
   */
  resolve(): void {
    const links = this.#links
    this.#followAll()
    for (let link = 0; link < links.count; link++) {
      const checksum = links.isDropped(link) ? undefined : links.fileOf(link)
      if (checksum === undefined) continue
      links.releaseBefore(link)
      try {
        links.treeOf(link).replaceFile(links.nameOf(link), checksum)
      } catch (error) {
        throw this.#fault(withContext('Failed to replace file', error), link)
      }
    }
    links.release()
  }

  /** Finds the file of each link, except of those that have been dropped. */
  #followAll(): void {
    const links = this.#links
    let before: number | undefined
    for (let link = 0; link < links.count; link++) {
      if (links.isDropped(link) || links.fileOf(link) !== undefined) continue
      const known = before !== undefined && links.haveSameTarget(before, link) ? links.fileOf(before) : undefined
      if (known === undefined) this.#follow(link)
      else links.setFile(link, known)
      before = link
    }
  }

  /** Follows a chain of links to a file, and records that file for every link of the chain. */
  #follow(start: number): void {
    const links = this.#links
    const chain: number[] = []
    let link = start
    let checksum: Checksum | undefined
    while (checksum === undefined) {
      chain.push(link)
      links.setMark(link, start + 1)
      try {
        const { tree, name } = this.#find(links.targetOf(link))
        const next = links.find(tree, name)
        if (next === undefined) checksum = fileAt(tree, name)
        else if (links.markOf(next) === start + 1) checksum = this.#contentIn(chain) ?? fileAt(tree, name)
        else {
          link = next
          checksum = links.fileOf(link)
        }
      } catch (error) {
        throw this.#fault(withContext('Failed to find object', error), link)
      }
    }
    for (const passed of chain) links.setFile(passed, checksum)
  }

  /**
   * Finds the directory and name of a target.
   * @throws {UsageError} when a directory is missing, or the target is one
   */
  #find(target: string): Place {
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

  /** Finds a file for a cycle of links: one that an entry with content has put at one of its paths. */
  #contentIn(cycle: readonly number[]): Checksum | undefined {
    for (const link of cycle) {
      const checksum = this.#links.treeOf(link).files.get(this.#links.nameOf(link))
      if (checksum !== undefined) return checksum
    }
    return undefined
  }

  #fault(error: unknown, link: number): unknown {
    const text = `ostree-tar: Processing deferred hardlink ${this.#links.targetOf(link)}`
    return tarFault(withContext(text, error), this.#links.offsetOf(link), this.#links.pathOf(link))
  }
}

function fileAt(tree: MutableTree, name: string): Checksum {
  const checksum = tree.files.get(name)
  if (checksum === undefined) throw new UsageError(`No such file or directory: ${name}`, name)
  return checksum
}
