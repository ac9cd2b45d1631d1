/** The staged objects of one type: 40 to 70 bytes for each, as a transaction may have a million of them. */

import type { Checksum } from '../../../bytes.ts'
import { ChecksumSet } from '../../../objects/internal.ts'
import type { LanePlace } from '../../core/interface.ts'

/** Whether this transaction wrote a staged object, or staging held it when the transaction began; or a thread's place. */
export type StagedBy = 'this' | 'earlier' | LanePlace

/** Objects, with who wrote each. */
export class StagedObjects {
  #objects = new ChecksumSet()
  /** For each object, its index in `#writers`. */
  #by = new Uint16Array(0)
  readonly #writers: StagedBy[] = []

  has(checksum: Checksum): boolean {
    return this.#objects.has(checksum)
  }

  /** Returns who wrote an object; `undefined` if it is not staged. */
  get(checksum: Checksum): StagedBy | undefined {
    const index = this.#objects.indexOf(checksum)
    return index < 0 ? undefined : this.#writers[this.#by[index] as number]
  }

  set(checksum: Checksum, by: StagedBy): void {
    const index = this.#objects.place(checksum)
    let writer = this.#writers.lastIndexOf(by)
    if (writer < 0) writer = this.#writers.push(by) - 1
    if (this.#objects.size > this.#by.length) {
      const before = this.#by
      this.#by = new Uint16Array(Math.max(64, 2 * before.length))
      this.#by.set(before)
    }
    this.#by[index] = writer
  }

  keys(): Iterable<Checksum> {
    return this.#objects
  }

  clear(): void {
    this.#objects = new ChecksumSet()
    this.#by = new Uint16Array(0)
    this.#writers.length = 0
  }
}
