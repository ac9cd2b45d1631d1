/**
 * Checksums of a tree that a store has promised: until each of them comes, a placeholder takes its place in the tree.
 */

import type { Checksum } from '../../../bytes.ts'

interface Promised {
  readonly answer: Promise<Checksum>
  readonly settle: (checksum: Checksum) => void
}

export class PromisedChecksums {
  #promised: Promised[] = []
  #placeholders = 0

  /** Whether all checksums that were added have come. */
  get isSettled(): boolean {
    return this.#promised.length === 0
  }

  /** Returns a text that is not a checksum, and another one at each call. */
  placeholder(): Checksum {
    return `pending ${++this.#placeholders}` as Checksum
  }

  /** @param settle called with the checksum by `settleAll` */
  add(answer: Promise<Checksum>, settle: (checksum: Checksum) => void): void {
    this.#promised.push({ answer, settle })
  }

  /** Waits for the checksums added so far, and then settles them, in order. @throws the error of a promise */
  async settleAll(): Promise<void> {
    const promised = this.#promised
    this.#promised = []
    const checksums = await Promise.all(promised.map(({ answer }) => answer))
    for (const [i, checksum] of checksums.entries()) promised[i]?.settle(checksum)
  }

  /** Forgets the checksums that have not come. Their errors are ignored. */
  abandon(): void {
    for (const { answer } of this.#promised) answer.catch(() => undefined)
    this.#promised = []
  }
}
