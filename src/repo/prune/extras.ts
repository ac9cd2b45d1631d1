/**
 * Deletes static deltas, cached summaries and single commits.
 *
 * Source: ostree-repo-prune.c (ostree_repo_prune_static_deltas, _ostree_repo_prune_tmp), ot-builtin-prune.c
 * (delete_commit).
 */

import type { Checksum } from '../../bytes.ts'
import { ConflictError } from '../../errors.ts'
import { isChecksum } from '../../objects/index.ts'
import type { RefPath } from '../core/interface.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import { collectionRefsInOrder, plainRefsInOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { deleteObject, enableTombstones, missingObjectError, requireWritable } from './delete.ts'

/**
 * Deletes the static deltas to `commit`, or, without one, to all commits that do not exist.
 * @returns the number of deltas deleted; 0 in stores without deltas
 */
export async function pruneDeltas(repo: Repo, commit?: Checksum): Promise<number> {
  const { deltas } = repo.storage
  if (deltas === undefined) return 0
  let deleted = 0
  for (const delta of await deltas.list()) {
    const keep =
      commit === undefined ? await repo.objects.has({ checksum: delta.to, type: 'commit' }) : delta.to !== commit
    if (keep) continue
    await deltas.delete(delta)
    deleted++
  }
  return deleted
}

/** Deletes the cached summaries of remotes that are no longer configured, here or in a parent repository. */
export async function pruneSummaryCache(repo: Repo): Promise<void> {
  const cache = repo.storage.summaryCache
  if (cache === undefined) return
  const known = new Set<string>()
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    for (const group of at.config.groups()) {
      const remote = /^remote "(.*)"$/.exec(group)?.[1]
      if (remote !== undefined) known.add(remote)
    }
  }
  for (const name of await cache.list()) {
    if (!known.has(name.replace(/(?<=.)\.sig$/, ''))) await cache.delete(name)
  }
}

/**
 * Deletes a commit that no ref points to, and leaves a tombstone. Also sets `core.tombstone-commits`, so that commits
 * deleted later leave one too. The commit's tree is deleted by the next prune.
 * @param commit a checksum as typed by a user; any other text is reported as a commit that does not exist
 * @throws {ReadOnlyError} when the repository cannot be written
 * @throws {ConflictError} `Commit '…' is referenced by …` when a ref points to it
 * @throws {IoError} `Deleting object …: unlinkat(…): …` when it does not exist
 */
export async function deleteCommit(repo: Repo, commit: string): Promise<void> {
  await requireWritable(repo)
  const { refs } = repo
  const refuse = async (path: RefPath, shown: string): Promise<void> => {
    if ((await readRef(refs, path)) !== commit) return
    throw new ConflictError(commit, `Commit '${commit}' is referenced by ${shown}`)
  }
  for (const path of await plainRefsInOrder(refs)) await refuse(path, `'${refspecOf(path)}'`)
  for (const { collection, name, path } of await collectionRefsInOrder(refs, undefined)) {
    await refuse(path, `(${collection}, ${name})`)
  }
  await enableTombstones(repo)
  if (!isChecksum(commit))
    throw missingObjectError(`${commit}.commit`, commit && `${commit.slice(0, 2)}/${commit.slice(2)}.commit`)
  await deleteObject(repo, { checksum: commit, type: 'commit' })
}
