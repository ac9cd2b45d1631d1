/**
 * Allocates many small byte arrays as views of one buffer. A buffer for each array of more than 64 bytes would be the most
 * expensive part of reading a header: 600 ns instead of 95.
 */

import { EMPTY_BYTES } from '../bytes.ts'

/** Size of a buffer in bytes. Small, because an array that is kept keeps the whole buffer in memory. */
const ROOM = 16 * 1024

/** Arrays of up to this many bytes V8 stores inside the object, which is cheap. */
const ON_HEAP = 64

/** Allocates byte arrays. */
export class Arena {
  #room: Uint8Array = EMPTY_BYTES
  #used = 0

  /** Returns `length` zeros. */
  reserve(length: number): Uint8Array {
    if (length > ROOM / 4) return new Uint8Array(length)
    if (this.#used + length > this.#room.length) {
      this.#room = new Uint8Array(ROOM)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return this.#room.subarray(start, this.#used)
  }

  /** Returns a copy of `bytes[start, end)`. */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (start === end) return EMPTY_BYTES
    if (end - start <= ON_HEAP) return bytes.slice(start, end)
    const copy = this.reserve(end - start)
    copy.set(bytes.subarray(start, end))
    return copy
  }
}
