/** Expands sparse files. */

import type { TarSink } from './interface.ts'
import type { SparseMap } from './sparse-map.ts'

const ZEROS = new Uint8Array(64 * 1024)

/** Writes a sparse file to a sink: the bytes in the archive, and zeros for the holes. */
export class SparseExpander {
  readonly #map: SparseMap
  readonly #realSize: number
  readonly #sink: TarSink
  #next = 0
  #position = 0
  #left = 0

  /**
   * @param map must be valid: see `isSaneMap`
   * @param realSize size of the whole file in bytes
   */
  constructor(map: SparseMap, realSize: number, sink: TarSink) {
    this.#map = map
    this.#realSize = realSize
    this.#sink = sink
  }

  /** Writes the next bytes from the archive. Bytes after the last piece are dropped. */
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

  /** Writes the hole at the end of the file. */
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
