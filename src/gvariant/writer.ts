/** A growing buffer that values are appended to. */

import { offsetWidthFor, writeOffset } from './framing.ts'
import { type Align, padTo } from './type-string.ts'

/** Initial size of a buffer in bytes. */
const FIRST_CAPACITY = 1024
/** A buffer larger than this many bytes is not reused for the next value. */
const MOST_KEPT = 64 * 1024

/**
 * Appends encoded values. Offset 0 is aligned to 8 and every container starts at a multiple of its alignment, so
 * alignment in the buffer is alignment in the value.
 */
export class Writer {
  /** The buffer. It is replaced when it grows, so read this again after every `reserve`. */
  bytes: Uint8Array
  /** Number of bytes written. */
  length: number

  constructor() {
    this.bytes = new Uint8Array(FIRST_CAPACITY)
    this.length = 0
  }

  /** Appends `size` bytes, whose content the caller must set, and returns their index in `bytes`. */
  reserve(size: number): number {
    const at = this.length
    const length = at + size
    if (length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, at))
      this.bytes = grown
    }
    this.length = length
    return at
  }

  /** Appends zeros up to a multiple of `align`. */
  pad(align: Align): void {
    const end = padTo(this.length, align)
    while (this.length < end) this.byte(0)
  }

  /** Appends a byte. */
  byte(value: number): void {
    const at = this.reserve(1)
    this.bytes[at] = value
  }

  /** Appends a copy of `bytes`. */
  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  /**
   * Appends the offset table of a container.
   * @param base index of the container's first byte
   * @param ends ends of its children, counted from `base`
   * @param reverse whether the last end comes first, as in tuples
   */
  offsets(base: number, ends: readonly number[], reverse: boolean): void {
    const count = ends.length
    if (count === 0) return
    const width = offsetWidthFor(this.length - base, count)
    const table = this.reserve(count * width)
    for (let i = 0; i < count; i++) {
      const slot = reverse ? count - 1 - i : i
      writeOffset(this.bytes, table + slot * width, width, ends[i] as number)
    }
  }
}

let idle: Writer | undefined

/** Calls `write` with an empty writer and returns the written bytes in a new buffer. */
export function collect(write: (writer: Writer) => void): Uint8Array {
  // One writer is reused for small values. A nested call, as by a mapped codec, creates its own.
  const writer = idle ?? new Writer()
  idle = undefined
  writer.length = 0
  try {
    write(writer)
    return writer.bytes.slice(0, writer.length)
  } finally {
    if (writer.bytes.length <= MOST_KEPT) idle = writer
  }
}
