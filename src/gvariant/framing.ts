/**
 * The positions of a container's children. A container with children of variable size ends with a table of the offsets
 * at which they end, counted from the start of the container, and little-endian whatever the value's byte order.
 *
 *     array of variable elements   child 0 │pad│ child 1 │ … │ end 0 │ end 1 │ …
 *     tuple                        member 0 │pad│ member 1 │ … │ … │ end 1 │ end 0      none for fixed or last members
 *
 * Offsets have the width that the size of the whole container requires: 1, 2, 4 or 8 bytes.
 * Source: GLib, gvariant-serialiser.c.
 */

import { type Extent, padTo } from './type-string.ts'

/** Width of an offset in bytes; 0 for an empty container. */
export type OffsetWidth = 0 | 1 | 2 | 4 | 8

/** Returns the width of the offsets in a container of `size` bytes, table included. */
export function offsetWidth(size: number): OffsetWidth {
  if (size <= 0xff) return size === 0 ? 0 : 1
  if (size <= 0xffff) return 2
  return size <= 0xffffffff ? 4 : 8
}

/** Returns the smallest width for a container of `body` bytes and a table of `count` offsets. */
export function offsetWidthFor(body: number, count: number): OffsetWidth {
  if (body + count <= 0xff) return 1
  if (body + count * 2 <= 0xffff) return 2
  return body + count * 4 <= 0xffffffff ? 4 : 8
}

/** Reads an offset. Above 2^53 the result is inexact, which does not matter, as it is larger than any buffer. */
export function readOffset(bytes: Uint8Array, at: number, width: OffsetWidth): number {
  switch (width) {
    case 1:
      return bytes[at] as number
    case 2:
      return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    case 4:
      return readU32(bytes, at)
    case 8:
      return readU32(bytes, at) + readU32(bytes, at + 4) * 0x1_0000_0000
    default:
      return 0
  }
}

/** Reads an unsigned 32-bit little-endian integer. */
export function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
  return low + (bytes[at + 3] as number) * 0x100_0000
}

/** Writes an offset of `width` bytes, little-endian. */
export function writeOffset(bytes: Uint8Array, at: number, width: OffsetWidth, offset: number): void {
  let rest = offset
  for (let i = 0; i < width; i++) {
    bytes[at + i] = rest & 0xff
    rest = Math.floor(rest / 0x100)
  }
}

/**
 * Finds the offset table of an array of variable-size elements in `bytes[start, end)`.
 * @returns its index in `bytes`; `end` if it is invalid, which makes the array empty
 */
function arrayTable(bytes: Uint8Array, start: number, end: number): number {
  const size = end - start
  if (size === 0) return end
  const width = offsetWidth(size)
  const last = readOffset(bytes, end - width, width)
  return last > size || (size - last) % width !== 0 ? end : start + last
}

/**
 * Calls `visit` with the start and end in `bytes` of each element of the array in `bytes[start, end)`. An element with an
 * invalid position gets `0, 0`, which decodes to the default of its type. If an element ends before its predecessor, so
 * do all following elements.
 */
export function eachElement(
  bytes: Uint8Array,
  start: number,
  end: number,
  element: Extent,
  visit: (start: number, end: number) => void,
): void {
  const { align, fixedSize } = element
  if (fixedSize !== undefined) {
    if ((end - start) % fixedSize !== 0) return
    for (let at = start; at < end; at += fixedSize) visit(at, at + fixedSize)
    return
  }
  const table = arrayTable(bytes, start, end)
  const width = offsetWidth(end - start)
  const most = table - start
  let previous = 0
  let inOrder = true
  for (let at = table; at < end; at += width) {
    const from = padTo(previous, align)
    const to = readOffset(bytes, at, width)
    if (to < previous) inOrder = false
    if (inOrder && from < to && to <= most) visit(start + from, start + to)
    else visit(0, 0)
    previous = to
  }
}

/** The layout of a tuple or dict entry type. */
export class TupleLayout {
  readonly #members: readonly Extent[]
  readonly #fixedSize: number | undefined
  /** Number of members whose end is in the offset table. */
  readonly #framed: number
  /** Index of the first of the fixed-size members at the end of the tuple. */
  readonly #tail: number

  /** @param fixedSize size of the tuple in bytes, if it is fixed */
  constructor(members: readonly Extent[], fixedSize: number | undefined) {
    this.#members = members
    this.#fixedSize = fixedSize
    this.#framed = members.filter((m, i) => m.fixedSize === undefined && i < members.length - 1).length
    let tail = members.length
    while (tail > 0 && members[tail - 1]?.fixedSize !== undefined) tail--
    this.#tail = tail
  }

  /**
   * Returns the start and end in `bytes` of each member of the tuple in `bytes[start, end)`: two numbers for each member.
   * A member with an invalid position gets `0, 0`, which decodes to the default of its type.
   */
  locate(bytes: Uint8Array, start: number, end: number): number[] {
    const members = this.#members
    const spans: number[] = []
    const size = end - start
    if (this.#fixedSize !== undefined && size !== this.#fixedSize) return this.#nowhere()
    const width = offsetWidth(size)
    const bodyEnd = this.#bodyEnd(bytes, start, end, width)
    let frames = 0
    let previous = 0
    // A member out of order invalidates all members from there on. For the first member GLib misses that, because its
    // count of valid members wraps around, and then checks each of the others by itself.
    let judgeOrder = true
    let hidden = false
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as Extent
      const from = padTo(previous, member.align)
      let to: number
      if (member.fixedSize !== undefined) to = from + member.fixedSize
      else if (i === members.length - 1) to = size - width * frames
      else {
        frames++
        to = width * frames <= size ? readOffset(bytes, end - width * frames, width) : Number.POSITIVE_INFINITY
      }
      const astray = width * frames > size
      if (judgeOrder && (astray || from > to || to > size)) {
        if (i === 0) judgeOrder = false
        else hidden = true
      }
      if (hidden || astray || from >= to || to > size || to > bodyEnd) spans.push(0, 0)
      else spans.push(start + from, start + to)
      previous = to
    }
    return spans
  }

  #nowhere(): number[] {
    return new Array<number>(this.#members.length * 2).fill(0)
  }

  /** Returns the offset at which the last member ends. No other member may extend beyond it. */
  #bodyEnd(bytes: Uint8Array, start: number, end: number, width: OffsetWidth): number {
    const members = this.#members
    const table = end - width * this.#framed
    if (this.#tail === members.length) return table < start ? Number.POSITIVE_INFINITY : table - start
    let at = this.#framed > 0 && table >= start ? readOffset(bytes, table, width) : 0
    for (let i = this.#tail; i < members.length; i++) {
      const member = members[i] as Extent
      at = padTo(at, member.align) + (member.fixedSize ?? 0)
    }
    return at
  }
}
