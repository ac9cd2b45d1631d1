/**
 * What the merge of layers has to know of a stored directory with everything below it. A subtree in which nothing changes
 * is referred to: its files are not listed, and its dirtrees are not written again.
 */

import type { Checksum } from '../../bytes.ts'
import { LimitError } from '../../errors.ts'
import type { DirTreeEntries } from '../../objects/internal.ts'
import type { ObjectReader } from '../../repo/index.ts'
import { type DirTreeBytes, MAX_TREE_DEPTH, Pauses, readDirTreeChecksums } from '../../repo/internal.ts'

const DOT = 0x2e
const LOWER_W = 0x77
const LOWER_H = 0x68

export interface SubtreeFacts {
  /** Whether no name in it may be that of a whiteout, and all its dirtrees are in normal form. */
  readonly isPlain: boolean
  /** Whether flattening leaves it as it is. */
  readonly isFlat: boolean
}

/** Says what flattening leaves as it is. */
export interface FlatRules {
  /** Tests a file by the 32 bytes of its checksum from `at`. False also if it is not known. */
  file(bytes: Uint8Array, at: number): boolean
  meta(checksum: Checksum): Promise<boolean>
}

interface Facts {
  isPlain: boolean
  isFlat: boolean
}

/** A directory whose subdirectories are being looked at. */
interface OpenDirectory extends Facts {
  readonly tree: Checksum
  readonly content: DirTreeBytes
  /** Index of the next subdirectory. */
  next: number
}

/** Stored directories, each of which is read once. */
export class StoredSubtrees {
  readonly #reader: ObjectReader
  readonly #flat: FlatRules | undefined
  readonly #pauses: Pauses
  readonly #facts = new Map<Checksum, Facts>()

  /** @param flat absent if flattening changes nothing */
  constructor(reader: ObjectReader, flat: FlatRules | undefined, signal?: AbortSignal) {
    this.#reader = reader
    this.#flat = flat
    this.#pauses = new Pauses(signal)
  }

  /**
   * Returns the facts about a directory.
   * @param root checksum of its dirtree
   * @throws as `readDirTree`; {LimitError} when directories are nested more than `MAX_TREE_DEPTH` deep
   */
  async of(root: Checksum): Promise<SubtreeFacts> {
    const known = this.#facts.get(root)
    if (known !== undefined) return known
    // No recursion, however deep the tree is.
    const open = [await this.#open(root)]
    for (;;) {
      const directory = open.at(-1) as OpenDirectory
      const { dirs } = directory.content
      if (directory.next === dirs.length) {
        open.pop()
        const facts = { isPlain: directory.isPlain, isFlat: directory.isFlat }
        this.#facts.set(directory.tree, facts)
        const above = open.at(-1)
        if (above === undefined) return facts
        add(above, facts)
        continue
      }
      const { tree, meta } = dirs.directory(directory.next++)
      directory.isFlat &&= (await this.#flat?.meta(meta)) ?? true
      const below = this.#facts.get(tree)
      if (below !== undefined) add(directory, below)
      else if (open.length < MAX_TREE_DEPTH) open.push(await this.#open(tree))
      else throw new LimitError('directory depth', MAX_TREE_DEPTH)
    }
  }

  async #open(tree: Checksum): Promise<OpenDirectory> {
    const pause = this.#pauses.next()
    if (pause !== undefined) await pause
    const content = await readDirTreeChecksums(this.#reader, tree)
    const { bytes, files, isNormal } = content
    const flat = this.#flat
    return {
      tree,
      content,
      next: 0,
      isPlain: isNormal && !mayNameWhiteout(bytes),
      isFlat: flat === undefined || everyFile(files, (at) => flat.file(bytes, at)),
    }
  }
}

function everyFile(files: DirTreeEntries, isFlat: (offset: number) => boolean): boolean {
  for (const at of files) if (!isFlat(at)) return false
  return true
}

function add(above: Facts, below: Facts): void {
  above.isPlain &&= below.isPlain
  above.isFlat &&= below.isFlat
}

/** Returns whether `.wh.`, the prefix of whiteouts, is anywhere in the bytes of a dirtree. */
function mayNameWhiteout(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(DOT); at >= 0; at = bytes.indexOf(DOT, at + 1)) {
    if (bytes[at + 1] === LOWER_W && bytes[at + 2] === LOWER_H && bytes[at + 3] === DOT) return true
  }
  return false
}
