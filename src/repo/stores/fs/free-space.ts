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
  #space: SharedFreeSpace

  /** @param space in a thread, that of the transaction which the thread writes for */
  constructor(space: SharedFreeSpace) {
    this.#space = space
  }

  /** Returns what threads need that write for the same transaction. Its blocks are shared from the first call on. */
  get shared(): SharedFreeSpace {
    const { blocks } = this.#space
    if (!(blocks.buffer instanceof SharedArrayBuffer)) {
      const shared = new Int32Array(new SharedArrayBuffer(4))
      shared.set(blocks)
      this.#space = { ...this.#space, blocks: shared }
    }
    return this.#space
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
    const left = Int32Array.of(Math.min(Math.max(0, free - reserved), MOST_BLOCKS))
    return new FreeSpace({ blockSize: bsize, blocks: left, settings: { minFreeSpaceBytes, minFreeSpacePercent } })
  }

  /** Counts a file. @param size bytes of content. @throws {IoError} ENOSPC if it would take blocks that are kept free */
  reserve(size: number): void {
    const { blocks, settings, blockSize } = this.#space
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
    Atomics.add(this.#space.blocks, 0, this.#blocksOf(size))
  }

  #blocksOf(size: number): number {
    return Math.floor(size / this.#space.blockSize) + 1
  }
}
