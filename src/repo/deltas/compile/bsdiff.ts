/**
 * Makes bsdiff patches without a header, in the form that apply/bspatch.ts reads. The result has the bytes of libostree:
 * the suffix array of the old file is unique, and the search in it is the same.
 *
 * Source: bsdiff by Colin Percival, in the form of Matthew Endsley: bsdiff.c.
 */

import { suffixArray } from './suffix-array.ts'

const TRIPLE = 24
/** A match has to agree in more bytes than the last one by this number, to be worth another triple. */
const WORTH = 8

/** Returns the patch that makes `now` of `old`. */
export function bsdiff(old: Uint8Array, now: Uint8Array): Uint8Array {
  const patch = new Patch(old, now)
  const finder = new Finder(old, now)
  let scan = 0
  let length = 0
  let lastScan = 0
  let lastPosition = 0
  let offset = 0
  while (scan < now.length) {
    let score = 0
    scan += length
    for (let counted = scan; scan < now.length; scan++) {
      length = finder.find(scan)
      for (; counted < scan + length; counted++) if (old[counted + offset] === now[counted]) score++
      if ((length === score && length !== 0) || length > score + WORTH) break
      if (old[scan + offset] === now[scan]) score--
    }
    if (length === score && scan !== now.length) continue
    const position = finder.position
    let forward = extendForward(old, now, lastPosition, lastScan, scan)
    let backward = scan < now.length ? extendBackward(old, now, position, scan, lastScan) : 0
    const overlap = lastScan + forward - (scan - backward)
    if (overlap > 0) {
      // Both reach over the same bytes: these are divided where most of them agree.
      let sum = 0
      let best = 0
      let kept = 0
      for (let i = 0; i < overlap; i++) {
        if (now[lastScan + forward - overlap + i] === old[lastPosition + forward - overlap + i]) sum++
        if (now[scan - backward + i] === old[position - backward + i]) sum--
        if (sum > best) {
          best = sum
          kept = i + 1
        }
      }
      forward += kept - overlap
      backward -= kept
    }
    const extra = scan - backward - (lastScan + forward)
    patch.add(lastScan, lastPosition, forward, extra, position - backward - (lastPosition + forward))
    lastScan = scan - backward
    lastPosition = position - backward
    offset = position - scan
  }
  return patch.bytes()
}

/** Returns how many bytes from the last match on agree more often than not, up to `scan`. */
function extendForward(old: Uint8Array, now: Uint8Array, position: number, from: number, scan: number): number {
  let same = 0
  let best = 0
  let length = 0
  for (let i = 0; from + i < scan && position + i < old.length; ) {
    if (old[position + i] === now[from + i]) same++
    i++
    if (same * 2 - i > best * 2 - length) {
      best = same
      length = i
    }
  }
  return length
}

/** Returns how many bytes before the new match agree more often than not, down to `from`. */
function extendBackward(old: Uint8Array, now: Uint8Array, position: number, scan: number, from: number): number {
  let same = 0
  let best = 0
  let length = 0
  for (let i = 1; scan >= from + i && position >= i; i++) {
    if (old[position - i] === now[scan - i]) same++
    if (same * 2 - i > best * 2 - length) {
      best = same
      length = i
    }
  }
  return length
}

/** Finds the longest match in the old file, by the order of its suffixes. */
class Finder {
  /** Where in the old file the last match was. */
  position = 0
  readonly #old: Uint8Array
  readonly #now: Uint8Array
  readonly #sorted: Int32Array

  constructor(old: Uint8Array, now: Uint8Array) {
    this.#old = old
    this.#now = now
    this.#sorted = suffixArray(old)
  }

  /** @returns the length of the match of the new file from `scan` on */
  find(scan: number): number {
    const sorted = this.#sorted
    let start = 0
    let end = this.#old.length
    while (end - start >= 2) {
      const middle = start + Math.floor((end - start) / 2)
      if (this.#isBefore(sorted[middle] as number, scan)) start = middle
      else end = middle
    }
    const first = sorted[start] as number
    const second = sorted[end] as number
    const a = this.#matchLength(first, scan)
    const b = this.#matchLength(second, scan)
    this.position = a > b ? first : second
    return Math.max(a, b)
  }

  #matchLength(position: number, scan: number): number {
    const old = this.#old
    const now = this.#now
    const most = Math.min(old.length - position, now.length - scan)
    let i = 0
    while (i < most && old[position + i] === now[scan + i]) i++
    return i
  }

  /** Compares as many bytes as both have. */
  #isBefore(position: number, scan: number): boolean {
    const old = this.#old
    const now = this.#now
    const most = Math.min(old.length - position, now.length - scan)
    for (let i = 0; i < most; i++) {
      const difference = (old[position + i] as number) - (now[scan + i] as number)
      if (difference !== 0) return difference < 0
    }
    return false
  }
}

/** The patch as it grows. */
class Patch {
  readonly #old: Uint8Array
  readonly #now: Uint8Array
  #buffer: Uint8Array
  #length = 0

  constructor(old: Uint8Array, now: Uint8Array) {
    this.#old = old
    this.#now = now
    this.#buffer = new Uint8Array(now.length + 64 * TRIPLE)
  }

  add(from: number, position: number, diff: number, extra: number, seek: number): void {
    const needed = this.#length + TRIPLE + diff + extra
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    const buffer = this.#buffer
    let at = this.#length
    const view = new DataView(buffer.buffer, at, TRIPLE)
    for (const [i, value] of [diff, extra, seek].entries()) {
      const magnitude = Math.abs(value)
      view.setUint32(8 * i, magnitude % 2 ** 32, true)
      view.setUint32(8 * i + 4, Math.floor(magnitude / 2 ** 32) + (value < 0 ? 2 ** 31 : 0), true)
    }
    at += TRIPLE
    for (let i = 0; i < diff; i++) {
      buffer[at++] = (this.#now[from + i] as number) - (this.#old[position + i] as number)
    }
    buffer.set(this.#now.subarray(from + diff, from + diff + extra), at)
    this.#length = at + extra
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }
}
