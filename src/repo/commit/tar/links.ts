/**
 * Hard links of an archive, kept until its end. A link shows what its target path holds then; where that is a link
 * itself, what the link shows. libostree leaves chains to the order of a hash table.
 *
 * Source: ostree-repo-libarchive.c, aic_import_deferred_hardlinks.
 */

import type { Checksum } from '../../../bytes.ts'
import { displayUtf8 } from '../../../bytes.ts'
import { FormatError, InvalidNameError, LimitError, TarFormatError, UsageError, withContext } from '../../../errors.ts'
import type { MutableTree } from '../../core/tree.ts'

/** Bytes the links of one archive may take, as counted below: near a million of them. */
export const MAX_LINK_MEMORY = 1 << 29

/** Bytes of a link beside its target, which is kept whole and in parts. */
const LINK_MEMORY = 512
const TARGET_UNIT_MEMORY = 4

export interface DeferredLink {
  /** Where the link stands. */
  readonly tree: MutableTree
  readonly name: string
  /** Names on the way to the target, from the root. */
  readonly target: readonly string[]
  /** The target as messages show it. */
  readonly written: string
  /** Of the entry in the stream. */
  readonly offset: number
}

/** What is wrong with names and trees is the archive's fault: the error says where in it. Others pass unchanged. */
export function tarFault(error: unknown, offset: number, path: Uint8Array | string): unknown {
  if (!(error instanceof InvalidNameError || error instanceof FormatError || error instanceof UsageError)) return error
  return new TarFormatError(error.message, offset, typeof path === 'string' ? path : displayUtf8(path), {
    cause: error,
  })
}

export class DeferredLinks {
  readonly #root: MutableTree
  readonly #links: DeferredLink[] = []
  /** By place; the last link of a name counts. */
  readonly #places = new Map<MutableTree, Map<string, DeferredLink>>()
  readonly #resolved = new Map<DeferredLink, Checksum>()

  readonly #maxMemory: number
  #memory = 0

  constructor(root: MutableTree, maxMemory = MAX_LINK_MEMORY) {
    this.#root = root
    this.#maxMemory = maxMemory
  }

  /** @throws {LimitError} */
  add(link: DeferredLink): void {
    this.#memory += LINK_MEMORY + link.written.length * TARGET_UNIT_MEMORY
    if (this.#memory > this.#maxMemory) throw new LimitError('memory of hard links', this.#maxMemory)
    this.#links.push(link)
    let names = this.#places.get(link.tree)
    if (names === undefined) {
      names = new Map()
      this.#places.set(link.tree, names)
    }
    names.set(link.name, link)
  }

  /** Names in `tree` that are to be links. */
  namesIn(tree: MutableTree): Iterable<string> {
    return this.#places.get(tree)?.keys() ?? []
  }

  /** Where links are to stand, each place once. */
  *places(): Generator<readonly [tree: MutableTree, name: string]> {
    for (const [tree, names] of this.#places) for (const name of names.keys()) yield [tree, name]
  }

  /** Puts every link in its place. @throws {TarFormatError} when a target is missing, a directory, or only links in a ring */
  resolve(): void {
    for (const link of this.#links) this.#follow(link)
    for (const link of this.#links) {
      try {
        link.tree.replaceFile(link.name, this.#resolved.get(link) as Checksum)
      } catch (error) {
        throw fault(withContext('Failed to replace file', error), link)
      }
    }
  }

  /** Walks a chain to the file at its end, and remembers that for every link on the way. */
  #follow(start: DeferredLink): void {
    const chain = new Set<DeferredLink>()
    let link = start
    let checksum = this.#resolved.get(link)
    while (checksum === undefined) {
      chain.add(link)
      try {
        const { tree, name } = this.#find(link)
        const next = this.#places.get(tree)?.get(name)
        if (next === undefined) checksum = fileAt(tree, name)
        else if (chain.has(next)) checksum = contentIn(chain) ?? fileAt(tree, name)
        else {
          link = next
          checksum = this.#resolved.get(link)
        }
      } catch (error) {
        throw fault(withContext('Failed to find object', error), link)
      }
    }
    for (const passed of chain) this.#resolved.set(passed, checksum)
  }

  #find({ target, written }: DeferredLink): { tree: MutableTree; name: string } {
    let tree = this.#root
    const last = target.length - 1
    for (const [i, name] of target.entries()) {
      const child = tree.dirs.get(name)
      if (i === last && child === undefined) return { tree, name }
      if (child === undefined) throw new UsageError(`No such file or directory: ${name}`, name)
      tree = child
    }
    throw new UsageError(`Expected hardlink file target at "${written}" but found a directory`, written)
  }
}

/** A ring shows what an entry with content left in one of its places, if one did. */
function contentIn(ring: ReadonlySet<DeferredLink>): Checksum | undefined {
  for (const { tree, name } of ring) {
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

function fault(error: unknown, { offset, written, name }: DeferredLink): unknown {
  return tarFault(withContext(`ostree-tar: Processing deferred hardlink ${written}`, error), offset, name)
}
