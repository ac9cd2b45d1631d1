/**
 * Implements `core.auto-update-summary`: every change of a ref regenerates the summary.
 *
 * Source: ostree-repo.c, _ostree_repo_maybe_regenerate_summary.
 */

import { ForwardingTransaction } from './forwarding-transaction.ts'
import type { RefPath, RefStore, RefTarget, Transaction, TransactionStats } from './interface.ts'

/** Regenerates the summary. */
export type UpdateSummary = () => Promise<void>

/** Wraps a ref store to call `update` after each write. */
export function refsWithSummary(refs: RefStore, update: UpdateSummary): RefStore {
  return {
    read: (path) => refs.read(path),
    list: (prefix) => refs.list(prefix),
    async write(path, target) {
      await refs.write(path, target)
      await update()
    },
  }
}

class TransactionWithSummary extends ForwardingTransaction {
  readonly #update: UpdateSummary
  #refsChange = false

  constructor(tx: Transaction, update: UpdateSummary) {
    super(tx)
    this.#update = update
  }

  override setRef(path: RefPath, target: RefTarget | undefined): void {
    super.setRef(path, target)
    this.#refsChange = true
  }

  override async commit(): Promise<TransactionStats> {
    const stats = await super.commit()
    if (this.#refsChange) await this.#update()
    return stats
  }
}

/** Wraps a transaction to call `update` after a commit that sets or deletes a ref. */
export function transactionWithSummary(tx: Transaction, update: UpdateSummary): Transaction {
  return new TransactionWithSummary(tx, update)
}
