/**
 * Whiteouts in the tar of a layer, where they have nothing to say. A file that takes the place of a directory comes, from
 * some builders, together with a whiteout for everything that was in it:
 *
 * ```
 * usr/share/x           file, or hard link
 * usr/share/x/.wh.a     takes away what the file hides anyway
 * ```
 *
 * Taken one by one, whichever comes first is in the way of the other. libostree refuses such an archive (or aborts); all
 * that apply layers to a disk take it.
 *
 * Source: OCI image spec, layer.md, whiteouts; umoci writes them in the order above.
 */

import type { MutableTree } from '../../core/tree.ts'
import type { DeferredLinks } from './links.ts'
import { splitTarPath } from './path.ts'

export class TarWhiteouts {
  readonly #root: MutableTree
  readonly #prefix: string
  readonly #links: DeferredLinks
  /** Directories taken out, with those in them. */
  readonly #gone = new Set<MutableTree>()

  /** @param prefix what names of whiteouts begin with */
  constructor(root: MutableTree, prefix: string, links: DeferredLinks) {
    this.#root = root
    this.#prefix = prefix
    this.#links = links
  }

  /** Whether `path` is that of a whiteout below what is a file by now. */
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
   * Takes out a directory that is there for whiteouts alone, so that a file can have its name.
   * @returns whether there was one; anything else of that name stays, also a directory with nothing in it
   */
  giveWay(tree: MutableTree, name: string): boolean {
    const directory = tree.dirs.get(name)
    return directory !== undefined && this.#holdsNothingElse(directory) && tree.remove(name)
  }

  /** The same for all hard links, at the end of the archive. */
  giveWayToLinks(): void {
    for (const [tree, name] of this.#links.places()) {
      if (this.#gone.has(tree) || !tree.dirs.has(name)) continue
      // The links will not find their places; no need to look at more of them.
      if (!this.giveWay(tree, name)) return
    }
  }

  /** Sees every directory at most once an archive: after that it is gone, or the archive is refused. */
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
