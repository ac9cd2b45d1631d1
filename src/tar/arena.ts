/**
 * Room for many small byte strings in one allocation. An array of its own for each of more than 64 bytes would be the most
 * costly thing the reader does: 600 ns, where a view and its share of the room take 95.
 */

import { EMPTY_BYTES } from '../bytes.ts'

/** Small, because one string kept alive keeps all of its room alive. */
const ROOM = 16 * 1024

/** V8 keeps arrays up to this many bytes inside the object: they cost next to nothing. */
const ON_HEAP = 64

export class Arena {
  #room: Uint8Array = EMPTY_BYTES
  #used = 0

  /** Zeros that belong to the caller. */
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

  /** A copy of `bytes` from `start` up to `end`. */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (start === end) return EMPTY_BYTES
    if (end - start <= ON_HEAP) return bytes.slice(start, end)
    const copy = this.reserve(end - start)
    copy.set(bytes.subarray(start, end))
    return copy
  }
}
