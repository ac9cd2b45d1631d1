/** Writes commit objects. Source: ostree-repo-commit.c, ostree_repo_write_commit_with_time. */

import type { Checksum } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'
import type { Vardict } from '../../gvariant/index.ts'
import { Commit } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import type { TreeRoot } from '../core/tree.ts'

/** The content of a commit object. */
export interface CommitInput {
  readonly root: TreeRoot
  readonly parent?: Checksum | undefined
  readonly subject?: string | undefined
  readonly body?: string | undefined
  /** Seconds since the epoch, UTC. */
  readonly timestamp: bigint
  /** Written in this order. Duplicate keys are kept. */
  readonly metadata?: Vardict | undefined
}

/**
 * Writes a commit object. No ref is set.
 * @returns the checksum of the commit
 * @throws {InvalidNameError} `Empty metadata key` when a key is empty
 */
export async function writeCommit(tx: Transaction, input: CommitInput): Promise<Checksum> {
  if (input.metadata?.some(([key]) => key === '')) throw new InvalidNameError('', 'Empty metadata key')
  const bytes = Commit.encode({
    metadata: input.metadata ?? [],
    parent: input.parent,
    related: [],
    subject: input.subject ?? '',
    body: input.body ?? '',
    timestamp: input.timestamp,
    rootTree: input.root.tree,
    rootMeta: input.root.meta,
  })
  return tx.writeMeta('commit', bytes)
}
