/** Deletes static deltas by name. Source: ostree-repo-static-delta-core.c. */

import { NotFoundError } from '../../errors.ts'
import { parseChecksum } from '../../objects/index.ts'
import type { DeltaName } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'
import { deltaPath, formatDeltaName } from './names-and-index.ts'

/**
 * Parses `FROM-TO` or `TO`, the inverse of `formatDeltaName`.
 * @throws {InvalidNameError} `Invalid rev …` when malformed
 */
export function parseDeltaName(text: string): DeltaName {
  const dash = text.indexOf('-')
  if (dash < 0) return { from: undefined, to: parseChecksum(text) }
  return { from: parseChecksum(text.slice(0, dash)), to: parseChecksum(text.slice(dash + 1)) }
}

/**
 * Deletes a static delta.
 * @throws {NotFoundError} `Can't find delta …` when it does not exist
 * @throws {RepoLockedError} when the repository stays locked
 * @throws {UnsupportedError} when the store keeps nothing but objects and refs
 */
export async function deleteDelta(repo: Repo, delta: DeltaName): Promise<void> {
  const lock = await repo.storage.lock('exclusive')
  try {
    const superblock = await requireRepoFiles(repo, 'A static delta').read(`${deltaPath(delta)}/superblock`)
    if (superblock === undefined) {
      const name = formatDeltaName(delta)
      throw new NotFoundError(name, `Can't find delta ${name}`)
    }
    await repo.storage.deltas?.delete(delta)
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}
