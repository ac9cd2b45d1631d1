/**
 * What a commit reaches: itself, its parents as far as asked, and every dirtree, dirmeta and file of each. Only metadata
 * is read. An object met twice is given once, and what hangs below it is not walked again.
 *
 * Source: ostree-repo-traverse.c.
 */

import type { Checksum } from '../bytes.ts'
import { ObjectNotFoundError } from '../errors.ts'
import type { Commit, DirTree, ObjectName, ObjectType } from '../objects/index.ts'
import type { ProgressOptions } from '../progress.ts'
import type { Repo } from './repo.ts'
import type { TreeRoot } from './tree.ts'

export interface TraverseOptions extends Pick<ProgressOptions, 'signal'> {
  /** Parents to follow: 0 none (default), -1 all; any other number below 0 none, as in ostree. */
  readonly depth?: number | undefined
  /** Commits alone, not their trees. */
  readonly commitOnly?: boolean | undefined
}

type ReachableType = Extract<ObjectType, 'file' | 'dirtree' | 'dirmeta' | 'commit'>

/** The objects found reachable so far; share one between traversals and what they have in common is walked once. */
export class ReachableSet implements Iterable<ObjectName> {
  readonly #checksums: Readonly<Record<ReachableType, Set<Checksum>>> = {
    file: new Set(),
    dirtree: new Set(),
    dirmeta: new Set(),
    commit: new Set(),
  }

  get size(): number {
    return Object.values(this.#checksums).reduce((sum, { size }) => sum + size, 0)
  }

  has({ checksum, type }: ObjectName): boolean {
    return isReachableType(type) && this.#checksums[type].has(checksum)
  }

  /** @returns whether it is new */
  add(type: ReachableType, checksum: Checksum): boolean {
    const checksums = this.#checksums[type]
    const before = checksums.size
    return checksums.add(checksum).size > before
  }

  *[Symbol.iterator](): Iterator<ObjectName> {
    for (const type of ['commit', 'dirtree', 'dirmeta', 'file'] as const) {
      for (const checksum of this.#checksums[type]) yield { checksum, type }
    }
  }
}

function isReachableType(type: ObjectType): type is ReachableType {
  return type === 'file' || type === 'dirtree' || type === 'dirmeta' || type === 'commit'
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

/** As `traverseCommit`, gathered: cheaper by a promise an object. @returns `reached` */
export async function collectReachable(
  repo: Repo,
  commit: Checksum,
  options: TraverseOptions = {},
  reached: ReachableSet = new ReachableSet(),
): Promise<ReachableSet> {
  for await (const _ of batches(repo, commit, options, reached));
  return reached
}

async function* batches(
  repo: Repo,
  start: Checksum,
  { depth = 0, commitOnly = false, signal }: TraverseOptions,
  reached: ReachableSet,
): AsyncGenerator<ObjectName[], void> {
  let checksum: Checksum | undefined = start
  for (let left = depth === -1 ? Number.POSITIVE_INFINITY : depth; checksum !== undefined; left--) {
    const commit: Commit | undefined = await unlessMissing(repo.readCommit(checksum), checksum, 'commit')
    if (commit === undefined || !reached.add('commit', checksum)) return
    yield [{ checksum, type: 'commit' }]
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
): AsyncGenerator<ObjectName[], void> {
  const waiting: TreeRoot[] = [root]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal?.throwIfAborted()
    const batch: ObjectName[] = []
    const add = (type: ReachableType, checksum: Checksum): boolean => {
      const isNew = reached.add(type, checksum)
      if (isNew) batch.push({ checksum, type })
      return isNew
    }
    add('dirmeta', next.meta)
    if (!reached.has({ checksum: next.tree, type: 'dirtree' })) {
      const content: DirTree | undefined = partial
        ? await unlessMissing(repo.readDirTree(next.tree), next.tree, 'dirtree')
        : await repo.readDirTree(next.tree)
      if (content !== undefined) {
        add('dirtree', next.tree)
        for (const file of content.files) add('file', file.checksum)
        // Backwards, so that they come off the stack in their order.
        for (let i = content.dirs.length - 1; i >= 0; i--) waiting.push(content.dirs[i] as DirTree['dirs'][number])
      }
    }
    if (batch.length > 0) yield batch
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
