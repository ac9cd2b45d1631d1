/** The way back from the bytes an archive holds of a sparse file to the whole file. */

import type { TarSink } from './interface.ts'
import type { SparseMap } from './sparse-map.ts'

const ZEROS = new Uint8Array(64 * 1024)

/** Passes on the packed bytes of a sane map at their places, and zeros for the holes between. */
export class SparseExpander {
  readonly #map: SparseMap
  readonly #realSize: number
  readonly #sink: TarSink
  #next = 0
  #position = 0
  #left = 0

  constructor(map: SparseMap, realSize: number, sink: TarSink) {
    this.#map = map
    this.#realSize = realSize
    this.#sink = sink
  }

  /** Packed bytes behind the last piece are dropped. */
  write(bytes: Uint8Array): void {
    let start = 0
    while (start < bytes.length && this.#nextPiece()) {
      const end = Math.min(bytes.length, start + this.#left)
      this.#sink.data(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
      this.#position += end - start
      this.#left -= end - start
      start = end
    }
  }

  /** The hole at the end. */
  finish(): void {
    this.#skipTo(this.#realSize)
  }

  #nextPiece(): boolean {
    while (this.#left === 0) {
      const offset = this.#map[this.#next]
      if (offset === undefined) return false
      this.#left = this.#map[this.#next + 1] as number
      this.#next += 2
      this.#skipTo(offset)
    }
    return true
  }

  #skipTo(offset: number): void {
    while (this.#position < offset) {
      const length = Math.min(ZEROS.length, offset - this.#position)
      this.#sink.data(ZEROS.subarray(0, length))
      this.#position += length
    }
  }
}
