/** Expands sparse files. */

import type { TarSink } from './interface.ts'
import type { SparseMap } from './sparse-map.ts'

const ZEROS = new Uint8Array(64 * 1024)

/** Zeros that sparse files of an archive may give to the sink before the parser stops, so that the sink can write them. */
export interface ZeroBudget {
  /** Bytes. */
  left: number
}

/**
 * Writes a sparse file to a sink: the bytes in the archive, and zeros for the holes. A few bytes of an archive can stand
 * for gigabytes of zeros, so `write` and `finish` stop when a budget is spent, and are called again to go on.
 */
export class SparseExpander {
  readonly #map: SparseMap
  readonly #realSize: number
  readonly #sink: TarSink
  readonly #budget: ZeroBudget
  #next = 0
  #position = 0
  /** Offset of the next piece of the map. */
  #start = 0
  #left = 0

  /**
   * @param map must be valid: see `isSaneMap`
   * @param realSize size of the whole file in bytes
   */
  constructor(map: SparseMap, realSize: number, sink: TarSink, budget: ZeroBudget) {
    this.#map = map
    this.#realSize = realSize
    this.#sink = sink
    this.#budget = budget
  }

  /**
   * Writes the next bytes from the archive. Bytes after the last piece are dropped.
   * @returns the number of bytes taken; fewer than there are if the expander has stopped in a hole
   */
  write(bytes: Uint8Array): number {
    let start = 0
    while (start < bytes.length && this.#nextPiece()) {
      if (!this.#skipTo(this.#start)) return start
      const end = Math.min(bytes.length, start + this.#left)
      this.#sink.data(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
      this.#position += end - start
      this.#start = this.#position
      this.#left -= end - start
      start = end
    }
    return bytes.length
  }

  /** Writes the hole at the end of the file. @returns false if the expander has stopped in it */
  finish(): boolean {
    return this.#skipTo(this.#realSize)
  }

  /** Finds the next piece that is not empty. Holes before empty pieces are part of the hole before the next. */
  #nextPiece(): boolean {
    while (this.#left === 0) {
      const offset = this.#map[this.#next]
      if (offset === undefined) return false
      this.#start = offset
      this.#left = this.#map[this.#next + 1] as number
      this.#next += 2
    }
    return true
  }

  #skipTo(offset: number): boolean {
    const end = Math.min(offset, this.#position + this.#budget.left)
    this.#budget.left -= end - this.#position
    while (this.#position < end) {
      const length = Math.min(ZEROS.length, end - this.#position)
      this.#sink.data(ZEROS.subarray(0, length))
      this.#position += length
    }
    return end === offset
  }
}
