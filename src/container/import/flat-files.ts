/**
 * Notes, while files are written, which of them need no flattening. To read them back instead took a tenth of an import
 * (bench/ingest.mjs).
 */

import { type Checksum, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import type { FileInfo, FileObject } from '../../objects/index.ts'
import { ChecksumSet } from '../../objects/internal.ts'
import type { RepoMode, StagedLane, Transaction } from '../../repo/index.ts'
import { ForwardingTransaction } from '../../repo/internal.ts'
import { type FlattenOptions, isFlat } from '../layers/flatten.ts'

/** Files that are noted, at about 50 bytes each; further ones are read back. */
export const MAX_NOTED_FILES: number = 1 << 18

/** A transaction that notes flat files. */
export class FlatFileNotes extends ForwardingTransaction {
  /** Files written through this transaction that flattening does not change. */
  readonly flat = new ChecksumSet()
  readonly #isFlat: ReturnType<typeof isFlat>

  constructor(tx: Transaction, mode: RepoMode, options: FlattenOptions) {
    super(tx)
    this.#isFlat = isFlat(mode, options)
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    return this.#note(file, this.tx.writeFile(file, expected))
  }

  override writeTrustedFile(file: FileObject, checksum: Checksum): MaybePromise<Checksum> {
    return this.#note(file, this.tx.writeTrustedFile(file, checksum))
  }

  override openLane(): StagedLane | undefined {
    const lane = this.tx.openLane()
    if (lane === undefined) return undefined
    return {
      place: lane.place,
      take: (object) => {
        lane.take(object)
        const { header, size, checksum } = object
        if (header !== undefined && size <= SMALL_FILE) this.#note({ header, size }, checksum)
      },
      finish: () => lane.finish(),
    }
  }

  /** Notes a file when it is written. Larger files are written by `openFile`, and are few. */
  #note({ header, size }: FileInfo, written: MaybePromise<Checksum>): MaybePromise<Checksum> {
    if (!(written instanceof Promise) && this.flat.size < MAX_NOTED_FILES && this.#isFlat(header, size)) {
      this.flat.add(written)
    }
    return written
  }
}
