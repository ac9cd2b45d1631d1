/**
 * What a prune clears away besides objects, and the deletion of a single commit.
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
import { deleteObject, enableTombstones, notThere, requireWritable } from './delete.ts'

/**
 * Deletes static deltas to a commit, or to all that are not there.
 * @returns how many; 0 in stores that have no deltas
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

/** Forgets the summaries of remotes that are not configured. */
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
 * Deletes one commit that no ref points to, leaving a tombstone; from then on every commit that is deleted leaves one, by
 * `core.tombstone-commits`. Its tree goes with the next prune.
 * @param commit as a person gave it: what is no checksum is not there
 * @throws {ReadOnlyError}; {ConflictError} `Commit '…' is referenced by …`; {IoError} `Deleting object …: unlinkat(…): …`
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
  if (!isChecksum(commit)) throw notThere(`${commit}.commit`, `${commit.slice(0, 2)}/${commit.slice(2)}.commit`)
  await deleteObject(repo, { checksum: commit, type: 'commit' })
}
