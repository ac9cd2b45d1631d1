/**
 * Applies a whole static delta to a repository, without a remote.
 *
 * Source: ostree-repo-static-delta-core.c, ostree_repo_static_delta_execute_offline_with_signature.
 */

import { NotFoundError, UnsupportedError } from '../../../errors.ts'
import type { BeginOptions, TransactionStats } from '../../core/interface.ts'
import type { Repo } from '../../repo.ts'
import type { DeltaPartInfo, DeltaSuperblock } from '../superblock.ts'
import { type ApplyDeltaPartOptions, applyDeltaPart, type DeltaPartSource } from './apply-part.ts'

/** Options of `applyDelta`. */
export interface ApplyDeltaOptions extends ApplyDeltaPartOptions, BeginOptions {
  /** Returns the bytes of a part that is not in the superblock. They are opened when they are needed. */
  readonly openPart?: ((part: DeltaPartInfo) => DeltaPartSource) | undefined
}

/**
 * Applies a delta in one transaction: stores the target commit with its detached metadata, and all objects that the
 * source commit lacks. No ref is set. Signatures are not verified here: see `verifyDelta`.
 * @throws {NotFoundError} `Commit …, which is the delta source, is not in repository`
 * @throws {UnsupportedError} if objects of the delta have to be fetched one by one
 * @throws as `applyDeltaPart`; in all cases the repository has not changed
 */
export async function applyDelta(
  repo: Repo,
  delta: DeltaSuperblock,
  options: ApplyDeltaOptions = {},
): Promise<TransactionStats> {
  const { openPart, fsync, perObjectFsync, signal, maxPayload } = options
  const { from, to, commit, detachedMetadata, fallbacks, parts } = delta
  if (from !== undefined && !(await repo.objects.has({ checksum: from, type: 'commit' }))) {
    throw new NotFoundError(from, `Commit ${from}, which is the delta source, is not in repository`)
  }
  if (fallbacks.length > 0) {
    throw new UnsupportedError(
      'fallback objects',
      'Cannot execute delta offline: contains nonempty http fallback entries',
    )
  }
  const tx = await repo.begin({ fsync, perObjectFsync })
  try {
    const name = { checksum: to, type: 'commit' } as const
    if (!(await tx.has(name))) {
      if (detachedMetadata !== undefined) await tx.writeAttached('commitmeta', to, detachedMetadata)
      await tx.writeMeta('commit', commit, to)
      // What the source lacks, the target lacks too.
      const state = from === undefined ? 'complete' : await repo.commitState(from)
      if (state !== 'complete') tx.setCommitState(to, state)
    }
    for (const part of parts) {
      const source = part.inline === undefined ? openPart?.(part) : undefined
      await applyDeltaPart(repo, tx, delta, part, source, { signal, maxPayload })
    }
    return await tx.commit()
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}
