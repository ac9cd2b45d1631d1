/**
 * Objects that nothing reaches, counted and deleted. Source: ostree-repo-prune.c; ot-builtin-prune.c.
 */

import type { Checksum } from '../bytes.ts'
import { encodeTombstone, type ObjectName } from '../objects/index.ts'
import type { ProgressOptions } from '../progress.ts'
import { readRef } from './refs.ts'
import type { Repo } from './repo.ts'
import { collectReachable, ReachableSet } from './traverse.ts'

export interface PruneOptions extends Pick<ProgressOptions, 'signal'> {
  /** What refs reach stays; else all that any commit reaches. */
  readonly refsOnly?: boolean | undefined
  /** Parents that stay with a commit; -1 all (default). */
  readonly depth?: number | undefined
  /** Look at commits alone. */
  readonly commitOnly?: boolean | undefined
  /** Count only. */
  readonly noPrune?: boolean | undefined
  /** Commits to keep, each with so many parents; in place of refs and `refsOnly`. */
  readonly roots?: ReadonlyMap<Checksum, number> | undefined
}

export interface PruneResult {
  /** Objects looked at. */
  readonly total: number
  readonly unreachable: number
  /** Bytes of these in the store. */
  readonly bytes: number
}

/**
 * Holds the repository alone while it runs. Objects of a parent repository are neither counted nor deleted.
 * @throws {RepoLockedError}; {ObjectNotFoundError} when a commit that is not marked partial lacks a directory
 */
export async function prune(repo: Repo, options: PruneOptions = {}): Promise<PruneResult> {
  const lock = await repo.storage.lock('exclusive')
  try {
    const reached = await findReachable(repo, options)
    const unreachable: ObjectName[] = []
    const { objects } = repo.storage
    let total = 0
    for await (const name of objects.list(options.commitOnly ? 'commit' : undefined)) {
      // These belong to a commit, go with it, and are not counted.
      if (name.type === 'commitmeta' || name.type === 'tombstone-commit') continue
      total++
      if (!reached.has(name)) unreachable.push(name)
    }
    let bytes = 0
    for (const name of unreachable) {
      options.signal?.throwIfAborted()
      bytes += await objects.storageSize(name)
      if (options.noPrune) continue
      if (name.type === 'commit') await deleteCommit(repo, name.checksum)
      else await objects.delete(name)
    }
    return { total, unreachable: unreachable.length, bytes }
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

async function findReachable(repo: Repo, options: PruneOptions): Promise<ReachableSet> {
  const { depth = -1, commitOnly, signal, refsOnly } = options
  const reached = new ReachableSet()
  const roots = options.roots ?? new Map<Checksum, number>()
  for (const [commit, own] of roots) await collectReachable(repo, commit, { depth: own, commitOnly, signal }, reached)
  if (options.roots !== undefined) return reached
  const from = refsOnly ? refTargets(repo) : allCommits(repo)
  for await (const commit of from) await collectReachable(repo, commit, { depth, commitOnly, signal }, reached)
  return reached
}

async function* refTargets(repo: Repo): AsyncGenerator<Checksum, void> {
  for (const prefix of ['heads', 'remotes', 'mirrors']) {
    for (const path of await repo.refs.list(prefix)) {
      const commit = await readRef(repo.refs, path)
      if (commit !== undefined) yield commit
    }
  }
}

async function* allCommits(repo: Repo): AsyncGenerator<Checksum, void> {
  for await (const { checksum } of repo.storage.objects.list('commit')) yield checksum
}

/**
 * Deletes a commit with what is attached to it, its tree not; leaves a tombstone where the configuration wants one.
 * @throws {ObjectNotFoundError}
 */
export async function deleteCommit(repo: Repo, commit: Checksum): Promise<void> {
  const { objects } = repo.storage
  await objects.setCommitState(commit, 'complete')
  await objects.delete({ checksum: commit, type: 'commit' })
  await objects.writeAttached('commitmeta', commit, undefined)
  if (repo.config.getBoolean('core', 'tombstone-commits', false)) {
    await objects.writeAttached('tombstone-commit', commit, encodeTombstone(commit))
  }
}
