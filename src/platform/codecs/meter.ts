/** Enforces the options of a decompression, on both platforms. */

import { LimitError } from '../../errors.ts'
import type { DecompressOptions } from '../interface.ts'

/** Counts decompressed bytes. */
export class Meter {
  readonly #maxBytes: number
  readonly #signal: AbortSignal | undefined
  #bytes = 0

  constructor(options: DecompressOptions) {
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY
    this.#signal = options.signal
  }

  /**
   * Adds `bytes` to the count.
   * @throws {LimitError} if the sum exceeds `maxBytes`
   * @throws the signal's reason if it is aborted
   */
  count(bytes: number): void {
    this.#signal?.throwIfAborted()
    this.#bytes += bytes
    if (this.#bytes > this.#maxBytes) throw new LimitError('decompressed size', this.#maxBytes)
  }
}
