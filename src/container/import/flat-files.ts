/**
 * Notes, while files are written, which of them need no flattening. To read them back instead took a tenth of an import
 * (bench/ingest.mjs).
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import type { FileObject } from '../../objects/index.ts'
import type { RepoMode, Transaction } from '../../repo/index.ts'
import { ForwardingTransaction } from '../../repo/internal.ts'
import { type FlattenOptions, isFlat } from '../layers/flatten.ts'

/** Files that are noted, at about 100 bytes each; further ones are read back. */
export const MAX_NOTED_FILES: number = 1 << 18

/** A transaction that notes flat files. */
export class FlatFileNotes extends ForwardingTransaction {
  /** Files written through this transaction that flattening does not change. */
  readonly flat = new Set<Checksum>()
  readonly #isFlat: ReturnType<typeof isFlat>

  constructor(tx: Transaction, mode: RepoMode, options: FlattenOptions) {
    super(tx)
    this.#isFlat = isFlat(mode, options)
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    const written = this.tx.writeFile(file, expected)
    // Larger files are written by `openFile`, and are few.
    if (!(written instanceof Promise) && this.flat.size < MAX_NOTED_FILES && this.#isFlat(file.header, file.size)) {
      this.flat.add(written)
    }
    return written
  }
}
