/**
 * Where a frame is decoded to: what matches may reach back to, then what is new. Behind it there is room for the
 * literals of one block, so that they are copied within one buffer.
 */

import { STREAM_CHUNK_BYTES } from '../../limits.ts'

/** Bytes of the largest block, uncompressed. Source: RFC 8878, 3.1.1.2.4. */
export const MAX_BLOCK = 1 << 17
/** Beside a window there is as much room as it takes itself, within bounds: the window then moves seldom. */
const LEAST_ROOM = STREAM_CHUNK_BYTES
const MOST_ROOM = 8 << 20
const FIRST_SIZE = 1 << 19

export class Output {
  /** `size` bytes of output, then MAX_BLOCK of literals. */
  bytes = new Uint8Array(FIRST_SIZE + MAX_BLOCK)
  #size = FIRST_SIZE
  /** Where writing goes on. */
  at = 0
  /** Where begins what was not given out. */
  fresh = 0
  #window = 0

  /** @param window bytes that matches may reach back */
  begin(window: number): void {
    this.#window = window
    this.at = 0
    this.fresh = 0
  }

  /** Offset of the literals, MAX_BLOCK bytes. */
  get literals(): number {
    return this.#size
  }

  get hasRoom(): boolean {
    return this.at + MAX_BLOCK <= this.#size
  }

  /** Room for one more block. Everything must have been given out: what is behind the window goes. */
  makeRoom(): void {
    const wanted = this.#window + Math.min(Math.max(this.#window, LEAST_ROOM), MOST_ROOM) + MAX_BLOCK
    if (this.#size < wanted) {
      // Doubling: memory is spent as output comes, not as a header claims.
      this.#size = Math.min(this.#size * 2, wanted)
      const grown = new Uint8Array(this.#size + MAX_BLOCK)
      grown.set(this.bytes.subarray(0, this.at))
      this.bytes = grown
    } else {
      const kept = Math.min(this.#window, this.at)
      this.bytes.copyWithin(0, this.at - kept, this.at)
      this.at = kept
    }
    this.fresh = this.at
  }

  /** What is new, valid until the next block. */
  take(): Uint8Array {
    const chunk = this.bytes.subarray(this.fresh, this.at)
    this.fresh = this.at
    return chunk
  }
}
