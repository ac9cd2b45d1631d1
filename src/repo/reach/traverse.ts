/**
 * Finds the objects that a commit reaches: the commit, its parents up to a depth, and all their dirtrees, dirmetas and
 * files. Only metadata is read. Each object is returned once, and each dirtree is read once.
 *
 * Source: ostree-repo-traverse.c.
 */

import type { Checksum } from '../../bytes.ts'
import { type Commit, ObjectList, type ObjectName, type ObjectType, objectTypeNumber } from '../../objects/index.ts'
import { ChecksumSet } from '../../objects/internal.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { ObjectReader } from '../core/interface.ts'
import { type DirTreeBytes, readDirTreeChecksums } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'
import { isMissing, requireAbsent } from '../core/verify-object.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import type { Repo } from '../repo.ts'

/** Which objects a traversal visits. */
export interface TraverseOptions extends Pick<ProgressOptions, 'signal'> {
  /** Generations of parents to follow: 0 none (default), -1 all. Other negative numbers mean 0, as in ostree. */
  readonly depth?: number | undefined
  /** Return commits only, without their trees. */
  readonly commitOnly?: boolean | undefined
}

/** Bytes of a checksum. */
const CHECKSUM = 32
const FILE = objectTypeNumber('file')

/** The types of objects that a commit reaches. */
export type ReachableType = Extract<ObjectType, 'file' | 'dirtree' | 'dirmeta' | 'commit'>

const ORDER: readonly ReachableType[] = ['commit', 'dirtree', 'dirmeta', 'file']

/** The objects found so far. Traversals that share a set do not visit each other's objects again. */
export class ReachableSet implements Iterable<ObjectName> {
  /** One set per type number: 1 file, 2 dirtree, 3 dirmeta, 4 commit. */
  readonly #checksums: readonly (ChecksumSet | undefined)[] = [
    undefined,
    new ChecksumSet(),
    new ChecksumSet(),
    new ChecksumSet(),
    new ChecksumSet(),
  ]

  get size(): number {
    return this.#checksums.reduce((sum, set) => sum + (set?.size ?? 0), 0)
  }

  has({ checksum, type }: ObjectName): boolean {
    return this.#checksums[objectTypeNumber(type)]?.has(checksum) ?? false
  }

  /** Tells whether the set has the object at `index` of a list. */
  hasOf(list: ObjectList, index: number): boolean {
    return this.#checksums[list.typeNumber(index)]?.hasAt(list.checksums, CHECKSUM * index) ?? false
  }

  /** Adds an object. @returns false when the set has it already */
  add(type: ReachableType, checksum: Checksum): boolean {
    return this.#checksums[objectTypeNumber(type)]?.add(checksum) ?? false
  }

  /**
   * Adds an object by the bytes of its checksum.
   * @param type as in `objectTypeNumber`
   * @param at offset of the 32 bytes in `bytes`
   * @returns false when the set has it already
   */
  addAt(type: number, bytes: Uint8Array, at: number): boolean {
    return this.#checksums[type]?.addAt(bytes, at) ?? false
  }

  *[Symbol.iterator](): Iterator<ObjectName> {
    for (const type of ORDER) {
      for (const checksum of this.#checksums[objectTypeNumber(type)] ?? []) yield { checksum, type }
    }
  }
}

/**
 * Yields the objects that a commit reaches and that are not in `reached` yet, and adds them to it. A commit that does
 * not exist, or is in `reached`, ends the traversal without an error. Missing dirtrees of a partial commit are skipped.
 * @throws {ObjectNotFoundError} `No such metadata object …` when a dirtree of a commit that is not partial is missing
 */
export async function* traverseCommit(
  repo: Repo,
  commit: Checksum,
  options: TraverseOptions = {},
  reached: ReachableSet = new ReachableSet(),
): AsyncGenerator<ObjectName, void> {
  for await (const batch of batches(repo, commit, options, reached)) yield* batch
}

/**
 * Adds all objects that a commit reaches to `reached`. Faster than `traverseCommit`, as it makes no object per name.
 */
export async function collectReachable(
  repo: Repo,
  commit: Checksum,
  options: TraverseOptions = {},
  reached: ReachableSet = new ReachableSet(),
): Promise<ReachableSet> {
  for await (const _ of batches(repo, commit, options, reached));
  return reached
}

/** Yields the newly found objects. Each list is valid until the next one is requested. */
async function* batches(
  repo: Repo,
  start: Checksum,
  { depth = 0, commitOnly = false, signal }: TraverseOptions,
  reached: ReachableSet,
): AsyncGenerator<ObjectList, void> {
  let checksum: Checksum | undefined = start
  for (let left = depth === -1 ? Number.POSITIVE_INFINITY : depth; checksum !== undefined; left--) {
    const commit: Commit | undefined = await unlessMissing(repo.readCommit(checksum), checksum, 'commit')
    if (commit === undefined || !reached.add('commit', checksum)) return
    yield ObjectList.from([{ checksum, type: 'commit' }])
    if (!commitOnly) {
      const partial = (await repo.commitState(checksum)) !== 'complete'
      yield* traverseTree(repo.objects, { tree: commit.rootTree, meta: commit.rootMeta }, reached, { partial, signal })
    }
    if (left <= 0) return
    checksum = commit.parent
  }
}

/**
 * Yields the objects of one tree that are not in `reached` yet, and adds them to it. Each list is valid until the next
 * one is requested. Only dirtrees are read; the other objects need not exist.
 * @throws {ObjectNotFoundError} `No such metadata object …` when a dirtree is missing, unless `partial` is set: then it
 *   is skipped
 */
export async function* traverseTree(
  reader: ObjectReader,
  root: TreeRoot,
  reached: ReachableSet,
  { partial = false, signal }: { readonly partial?: boolean; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<ObjectList, void> {
  const pauses = new Pauses(signal)
  const found = ObjectList.empty()
  const waiting: TreeRoot[] = [root]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    found.clear()
    if (reached.add('dirmeta', next.meta)) found.push({ checksum: next.meta, type: 'dirmeta' })
    const name: ObjectName = { checksum: next.tree, type: 'dirtree' }
    if (!reached.has(name)) {
      const reading = readDirTreeChecksums(reader, next.tree)
      const content: DirTreeBytes | undefined = await (partial ? unlessMissing(reading, next.tree, 'dirtree') : reading)
      if (content !== undefined) {
        const { bytes, files, dirs } = content
        reached.add('dirtree', next.tree)
        found.push(name)
        for (const at of files) if (reached.addAt(FILE, bytes, at)) found.pushAt(FILE, bytes, at)
        // Pushed in reverse, so that they are popped in order.
        for (let i = dirs.length - 1; i >= 0; i--) waiting.push(dirs.directory(i))
      }
    }
    if (found.length > 0) yield found
  }
}

/** Returns `undefined` when that very object does not exist. Errors are those of `requireAbsent`. */
async function unlessMissing<T>(reading: Promise<T>, checksum: Checksum, type: ObjectType): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!isMissing(error, { checksum, type })) throw error
    requireAbsent(error)
    return undefined
  }
}
