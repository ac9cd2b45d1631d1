/**
 * Handles redundant whiteouts in a layer. When a file replaces a directory, some builders also write whiteouts for all
 * entries of the old directory:
 *
 * ```
 * usr/share/x           file, or hard link
 * usr/share/x/.wh.a     whiteout of an entry that the file hides anyway
 * ```
 *
 * The two conflict: `x` cannot be both a file and a directory with whiteouts. libostree refuses such an archive or
 * aborts; programs that apply layers to a disk accept it.
 *
 * Source: OCI image spec, layer.md, whiteouts; umoci writes them in the order above.
 */

import type { MutableTree } from '../../core/tree.ts'
import type { DeferredLinks } from './links.ts'
import { splitTarPath } from './path.ts'

/** Drops redundant whiteouts of one archive, whatever the order of its entries. */
export class TarWhiteouts {
  readonly #root: MutableTree
  readonly #prefix: string
  readonly #links: DeferredLinks
  /** Removed directories, and the directories in them. */
  readonly #gone = new Set<MutableTree>()

  /** @param prefix first characters of the names of whiteouts */
  constructor(root: MutableTree, prefix: string, links: DeferredLinks) {
    this.#root = root
    this.#prefix = prefix
    this.#links = links
  }

  /** Tells whether `path` is a whiteout below a file that has replaced its directory. */
  isMoot(path: string): boolean {
    if (!path.startsWith(this.#prefix, path.lastIndexOf('/') + 1)) return false
    let tree = this.#root
    for (const name of splitTarPath(path).slice(0, -1)) {
      const child = tree.dirs.get(name)
      if (child === undefined) return tree.files.has(name)
      tree = child
    }
    return false
  }

  /**
   * Removes a directory that has only whiteouts, so that a file can replace it.
   * @returns whether a directory was removed; an empty directory and any other entry are kept
   */
  giveWay(tree: MutableTree, name: string): boolean {
    const directory = tree.dirs.get(name)
    return directory !== undefined && this.#holdsNothingElse(directory) && tree.remove(name)
  }

  /** Calls `giveWay` for the name of each hard link, at the end of the archive. */
  giveWayToLinks(): void {
    for (const [tree, name] of this.#links.places()) {
      if (this.#gone.has(tree) || !tree.dirs.has(name)) continue
      // A link cannot replace this directory, so the archive is refused, and the other links do not matter.
      if (!this.giveWay(tree, name)) return
    }
  }

  /**
   * Tells whether a directory, with all directories below it, has only whiteouts. Each directory is visited at most
   * once per archive: it is removed then, or the archive is refused.
   */
  #holdsNothingElse(directory: MutableTree): boolean {
    const all = [directory]
    for (const tree of all) {
      const names = [...tree.files.keys(), ...this.#links.namesIn(tree)]
      if (names.length + tree.dirs.size === 0) return false
      if (!names.every((name) => name.startsWith(this.#prefix))) return false
      for (const child of tree.dirs.values()) all.push(child)
    }
    for (const tree of all) this.#gone.add(tree)
    return true
  }
}
