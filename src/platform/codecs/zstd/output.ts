/**
 * The output buffer of a frame: decoded bytes that matches may refer to, followed by new bytes. At its end is room for the
 * literals of a block, so that they can be copied within the buffer.
 */

import { STREAM_CHUNK_BYTES } from '../../limits.ts'

/** Largest decompressed size of a block in bytes: 128 KiB. Source: RFC 8878, 3.1.1.2.4. */
export const MAX_BLOCK = 1 << 17
/** Room for new bytes: as much as the window, within these bounds, so that the window is seldom moved. */
const LEAST_ROOM = STREAM_CHUNK_BYTES
const MOST_ROOM = 8 << 20
const FIRST_SIZE = 1 << 19

/** Holds the decoded bytes of the frame that is being decoded. */
export class Output {
  /** `size` bytes of output, then MAX_BLOCK of literals. */
  bytes = new Uint8Array(FIRST_SIZE + MAX_BLOCK)
  #size = FIRST_SIZE
  /** Index at which the next byte is written. */
  at = 0
  /** Index of the first byte that `take` has not returned. */
  fresh = 0
  #window = 0

  /**
   * Starts a frame.
   * @param window distance in bytes that matches may refer back
   */
  begin(window: number): void {
    this.#window = window
    this.at = 0
    this.fresh = 0
  }

  /** Index of the room for literals, MAX_BLOCK bytes. */
  get literals(): number {
    return this.#size
  }

  /** Whether there is room for a block. */
  get hasRoom(): boolean {
    return this.at + MAX_BLOCK <= this.#size
  }

  /** Makes room for a block, and drops bytes before the window. `take` must have returned all bytes. */
  makeRoom(): void {
    const wanted = this.#window + Math.min(Math.max(this.#window, LEAST_ROOM), MOST_ROOM) + MAX_BLOCK
    if (this.#size < wanted) {
      // Doubling makes memory depend on the actual output, not on the size a header claims.
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

  /** Returns the new bytes, a view that is valid until the next block is decoded. */
  take(): Uint8Array {
    const chunk = this.bytes.subarray(this.fresh, this.at)
    this.fresh = this.at
    return chunk
  }
}
