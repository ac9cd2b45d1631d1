/**
 * The commit object. Source: ostree-repo-commit.c, ostree_repo_write_commit_with_time.
 */

import type { Checksum } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'
import type { Vardict } from '../../gvariant/index.ts'
import { Commit } from '../../objects/index.ts'
import type { Transaction } from '../core/interface.ts'
import type { TreeRoot } from '../core/tree.ts'

export interface CommitInput {
  readonly root: TreeRoot
  readonly parent?: Checksum | undefined
  readonly subject?: string | undefined
  readonly body?: string | undefined
  /** Seconds since the epoch, UTC. */
  readonly timestamp: bigint
  /** In this order into the object; a key given twice stands twice. */
  readonly metadata?: Vardict | undefined
}

/** @returns its checksum. Any ref is the caller's to set. @throws {InvalidNameError} `Empty metadata key` */
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
