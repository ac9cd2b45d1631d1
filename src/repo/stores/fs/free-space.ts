/**
 * Keeps part of the file system free (`core.min-free-space-size`, `core.min-free-space-percent`): the blocks of content
 * are counted before it is written, even before it is known whether the object exists already; for an object that exists
 * they are given back. Metadata is not counted and never refused.
 *
 * Source: ostree-repo-commit.c, ostree_repo_prepare_transaction (max_blocks), throw_min_free_space_error.
 */

import { statfsSync } from 'node:fs'
import { IoError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import { withIo } from '../../../system/errno.ts'
import type { RepoSettings } from '../../core/config.ts'
import type { SharedFreeSpace } from '../../core/interface.ts'

const MEBIBYTE = 2 ** 20

/** Blocks that are counted at most, 8 TiB if a block has 4 KiB: a transaction does not take more. */
const MOST_BLOCKS = 2 ** 31 - 1

export class FreeSpace {
  /** What threads need that write for the same transaction. */
  readonly shared: SharedFreeSpace

  /** @param shared of the transaction that a thread writes for */
  constructor(shared: SharedFreeSpace) {
    this.shared = shared
  }

  /** Measures the file system of `path`. @returns `undefined` if the settings keep nothing free */
  static measure(path: string, settings: RepoSettings): FreeSpace | undefined {
    const { minFreeSpaceBytes, minFreeSpacePercent } = settings
    if (minFreeSpaceBytes === 0 && minFreeSpacePercent === 0) return undefined
    const { bsize, blocks, bfree, bavail } = withIo(path, () => statfsSync(path))
    const reserved =
      minFreeSpaceBytes > 0 ? Math.floor(minFreeSpaceBytes / bsize) : Math.floor((blocks * minFreeSpacePercent) / 100)
    // Only root may use the blocks that a file system reserves for root.
    const free = process.getuid?.() === 0 ? bfree : bavail
    const shared = new Int32Array(new SharedArrayBuffer(4))
    shared[0] = Math.min(Math.max(0, free - reserved), MOST_BLOCKS)
    return new FreeSpace({ blockSize: bsize, blocks: shared, settings: { minFreeSpaceBytes, minFreeSpacePercent } })
  }

  /** Counts a file. @param size bytes of content. @throws {IoError} ENOSPC if it would take blocks that are kept free */
  reserve(size: number): void {
    const { blocks, settings, blockSize } = this.shared
    const needed = this.#blocksOf(size)
    const before = needed > MOST_BLOCKS ? 0 : Atomics.sub(blocks, 0, needed)
    if (needed <= before) return
    if (needed <= MOST_BLOCKS) Atomics.add(blocks, 0, needed)
    const { minFreeSpaceBytes, minFreeSpacePercent } = settings
    const rule =
      minFreeSpaceBytes > 0
        ? `min-free-space-size ${Math.floor(minFreeSpaceBytes / MEBIBYTE)}MB`
        : `min-free-space-percent '${minFreeSpacePercent}%'`
    throw new IoError(`${rule} would be exceeded, at least ${formatSize(needed * blockSize)} requested`, 'ENOSPC')
  }

  /** Gives back what `reserve` took for a file that exists already. @param size bytes of content */
  giveBack(size: number): void {
    Atomics.add(this.shared.blocks, 0, this.#blocksOf(size))
  }

  #blocksOf(size: number): number {
    return Math.floor(size / this.shared.blockSize) + 1
  }
}
