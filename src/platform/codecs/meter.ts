/**
 * The ceilings of a decompression, kept by both providers alike.
 */

import { LimitError } from '../../errors.ts'
import type { DecompressOptions } from '../interface.ts'

/** Counts what came out. */
export class Meter {
  readonly #maxBytes: number
  readonly #signal: AbortSignal | undefined
  #bytes = 0

  constructor(options: DecompressOptions) {
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY
    this.#signal = options.signal
  }

  /** @throws {LimitError}, or the reason of the signal when it fired */
  count(bytes: number): void {
    this.#signal?.throwIfAborted()
    this.#bytes += bytes
    if (this.#bytes > this.#maxBytes) throw new LimitError('decompressed size', this.#maxBytes)
  }
}
