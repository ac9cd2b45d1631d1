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

const MEBIBYTE = 2 ** 20

export class FreeSpace {
  readonly #settings: RepoSettings
  readonly #blockSize: number
  /** Blocks that content may still take. */
  #blocks: number

  private constructor(settings: RepoSettings, blockSize: number, blocks: number) {
    this.#settings = settings
    this.#blockSize = blockSize
    this.#blocks = blocks
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
    return new FreeSpace(settings, bsize, Math.max(0, free - reserved))
  }

  /** Counts a file. @param size bytes of content. @throws {IoError} ENOSPC if it would take blocks that are kept free */
  reserve(size: number): void {
    const needed = Math.floor(size / this.#blockSize) + 1
    if (needed > this.#blocks) {
      const { minFreeSpaceBytes, minFreeSpacePercent } = this.#settings
      const rule =
        minFreeSpaceBytes > 0
          ? `min-free-space-size ${Math.floor(minFreeSpaceBytes / MEBIBYTE)}MB`
          : `min-free-space-percent '${minFreeSpacePercent}%'`
      const wanted = formatSize(needed * this.#blockSize)
      throw new IoError(`${rule} would be exceeded, at least ${wanted} requested`, 'ENOSPC')
    }
    this.#blocks -= needed
  }

  /** Gives back what `reserve` took for a file that exists already. @param size bytes of content */
  giveBack(size: number): void {
    this.#blocks += Math.floor(size / this.#blockSize) + 1
  }
}
