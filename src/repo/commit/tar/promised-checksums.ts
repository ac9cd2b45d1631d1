/**
 * Checksums for which a store has returned promises. Until one resolves, a placeholder is in the tree instead of it.
 */

import type { Checksum } from '../../../bytes.ts'

interface Promised {
  readonly answer: Promise<Checksum>
  readonly settle: (checksum: Checksum) => void
}

/** The pending checksums of one archive. */
export class PromisedChecksums {
  #promised: Promised[] = []
  #placeholders = 0

  /** Whether there are no pending checksums. */
  get isSettled(): boolean {
    return this.#promised.length === 0
  }

  /** Returns a text that is not a checksum, and another one at each call. */
  placeholder(): Checksum {
    return `pending ${++this.#placeholders}` as Checksum
  }

  /** Adds a pending checksum. @param settle called with the checksum by `settleAll` */
  add(answer: Promise<Checksum>, settle: (checksum: Checksum) => void): void {
    this.#promised.push({ answer, settle })
  }

  /**
   * Waits for the pending checksums, and then calls `settle` of each, in order.
   * @throws the error of a rejected promise
   */
  async settleAll(): Promise<void> {
    const promised = this.#promised
    this.#promised = []
    const checksums = await Promise.all(promised.map(({ answer }) => answer))
    for (const [i, checksum] of checksums.entries()) promised[i]?.settle(checksum)
  }

  /** Drops the pending checksums, and ignores their errors. */
  abandon(): void {
    for (const { answer } of this.#promised) answer.catch(() => undefined)
    this.#promised = []
  }
}
