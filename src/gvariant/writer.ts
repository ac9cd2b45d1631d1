/** A growing buffer that values are appended to, so that one pass writes a value of any size. */

import { offsetWidthFor, writeOffset } from './framing.ts'
import { type Align, padTo } from './type-string.ts'

const FIRST_CAPACITY = 1024
/** A buffer grown beyond this is not kept for the next value. */
const MOST_KEPT = 64 * 1024

/**
 * Offset 0 counts as aligned to 8, so alignment in the buffer is alignment in the value: every container starts at a
 * multiple of its own alignment.
 */
export class Writer {
  /** Replaced when it grows: read it again after every `reserve`. */
  bytes: Uint8Array
  length: number

  constructor() {
    this.bytes = new Uint8Array(FIRST_CAPACITY)
    this.length = 0
  }

  /** Makes room for `size` more bytes, whose content the caller sets. @returns their offset in `bytes` */
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

  byte(value: number): void {
    const at = this.reserve(1)
    this.bytes[at] = value
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** Appends the offset table of a container that began at `base`. `ends` count from there. */
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

/** Runs `write` on an empty writer. @returns what it wrote, in a buffer of its own */
export function collect(write: (writer: Writer) => void): Uint8Array {
  // One buffer serves all small values in turn; a nested call, from a mapped codec, finds none and makes its own.
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
