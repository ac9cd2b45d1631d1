/**
 * What a commit reaches: itself, its parents as far as asked, and every dirtree, dirmeta and file of each. Only metadata
 * is read. An object met twice is given once, and what hangs below it is not walked again.
 *
 * Source: ostree-repo-traverse.c.
 */

import type { Checksum } from '../../bytes.ts'
import { ObjectNotFoundError } from '../../errors.ts'
import {
  ChecksumSet,
  type Commit,
  directoryAt,
  ObjectList,
  type ObjectName,
  type ObjectType,
  objectTypeNumber,
} from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { type DirTreeBytes, readDirTreeChecksums } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'
import type { Repo } from '../repo.ts'

export interface TraverseOptions extends Pick<ProgressOptions, 'signal'> {
  /** Parents to follow: 0 none (default), -1 all; any other number below 0 none, as in ostree. */
  readonly depth?: number | undefined
  /** Commits alone, not their trees. */
  readonly commitOnly?: boolean | undefined
}

const CHECKSUM = 32
const FILE = objectTypeNumber('file')

type ReachableType = Extract<ObjectType, 'file' | 'dirtree' | 'dirmeta' | 'commit'>

const ORDER: readonly ReachableType[] = ['commit', 'dirtree', 'dirmeta', 'file']

/** The objects found reachable so far; share one between traversals and what they have in common is walked once. */
export class ReachableSet implements Iterable<ObjectName> {
  /** By the number of their type: file, dirtree, dirmeta, commit. */
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

  /** As `has`, of the object at `index` of a list. */
  hasOf(list: ObjectList, index: number): boolean {
    return this.#checksums[list.typeNumber(index)]?.hasAt(list.checksums, CHECKSUM * index) ?? false
  }

  /** @returns whether it is new */
  add(type: ReachableType, checksum: Checksum): boolean {
    return this.#checksums[objectTypeNumber(type)]?.add(checksum) ?? false
  }

  /** As `add`. @param type as a number (`objectTypeNumber`). @param at where its 32 bytes begin */
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
 * A commit that is not there, the first or a parent, ends the walk without an error, as does one met before. Missing
 * directories are passed over in a commit marked partial.
 * @throws {ObjectNotFoundError} `No such metadata object …` for a directory missing from any other commit
 */
export async function* traverseCommit(
  repo: Repo,
  commit: Checksum,
  options: TraverseOptions = {},
  reached: ReachableSet = new ReachableSet(),
): AsyncGenerator<ObjectName, void> {
  for await (const batch of batches(repo, commit, options, reached)) yield* batch
}

/** As `traverseCommit`, gathered, without making a name of every object. @returns `reached` */
export async function collectReachable(
  repo: Repo,
  commit: Checksum,
  options: TraverseOptions = {},
  reached: ReachableSet = new ReachableSet(),
): Promise<ReachableSet> {
  for await (const _ of batches(repo, commit, options, reached));
  return reached
}

/** Each list is good until the next one is asked for. */
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
      yield* trees(repo, { tree: commit.rootTree, meta: commit.rootMeta }, partial, signal, reached)
    }
    if (left <= 0) return
    checksum = commit.parent
  }
}

async function* trees(
  repo: Repo,
  root: TreeRoot,
  partial: boolean,
  signal: AbortSignal | undefined,
  reached: ReachableSet,
): AsyncGenerator<ObjectList, void> {
  const found = ObjectList.empty()
  const waiting: TreeRoot[] = [root]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal?.throwIfAborted()
    found.clear()
    if (reached.add('dirmeta', next.meta)) found.push({ checksum: next.meta, type: 'dirmeta' })
    const name: ObjectName = { checksum: next.tree, type: 'dirtree' }
    if (!reached.has(name)) {
      const reading = readDirTreeChecksums(repo.objects, next.tree)
      const content: DirTreeBytes | undefined = await (partial ? unlessMissing(reading, next.tree, 'dirtree') : reading)
      if (content !== undefined) {
        const { bytes, files, dirs } = content
        reached.add('dirtree', next.tree)
        found.push(name)
        for (const at of files) if (reached.addAt(FILE, bytes, at)) found.pushAt(FILE, bytes, at)
        // Backwards, so that they come off the stack in their order.
        for (const at of dirs.toReversed()) waiting.push(directoryAt(bytes, at))
      }
    }
    if (found.length > 0) yield found
  }
}

async function unlessMissing<T>(reading: Promise<T>, checksum: Checksum, type: ObjectType): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ObjectNotFoundError && error.data.object === `${checksum}.${type}`) return undefined
    throw error
  }
}
