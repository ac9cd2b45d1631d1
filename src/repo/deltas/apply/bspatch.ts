/**
 * Applies a bsdiff patch without a header:
 *
 *     until the output has its size:
 *       length of diff │ length of extra │ seek     8 bytes each, little-endian, the highest bit is the sign
 *       diff …                                      is added byte by byte to the old file, from its position on
 *       extra …                                     is appended as it is
 *
 * The position in the old file moves on by the length of diff, and then by seek. Outside the old file nothing is added.
 *
 * Source: bsdiff by Colin Percival, in the form of Matthew Endsley: bspatch.c.
 */

import { FormatError } from '../../../errors.ts'
import type { BufferedAccess } from '../../core/scratch.ts'
import type { Span } from './payload.ts'

const TRIPLE = 24
/** Largest length of diff and extra, as in libostree. */
const MOST = 2 ** 31 - 1
/** Bytes that are patched at a time: 64 KiB. */
const STEP = 1 << 16

function failed(why: string): FormatError {
  return new FormatError('static delta part', `bsdiff patch failed: ${why}`)
}

/**
 * Yields the new file in pieces, whose memory is reused.
 * @param old the old file, with a buffer of its own
 * @param patch the patch, from `span.start` to `span.end`; bytes behind what the new file needs are ignored
 * @param size bytes of the new file
 * @throws {FormatError} `bsdiff patch failed: …` if the patch is cut off, or does not give exactly `size` bytes
 */
export function* bspatch(
  old: BufferedAccess,
  patch: BufferedAccess,
  span: Span,
  size: number,
): Generator<Uint8Array, void, undefined> {
  const output = new Uint8Array(Math.min(STEP, size))
  let at = span.start
  let position = 0
  let written = 0
  const take = (length: number): Uint8Array => {
    if (length > span.end - at) throw failed('the patch is cut off')
    const bytes = patch.view(at, length)
    at += length
    return bytes
  }
  while (written < size) {
    const triple = take(TRIPLE)
    const view = new DataView(triple.buffer, triple.byteOffset, TRIPLE)
    const diff = signedMagnitude(view, 0)
    const extra = signedMagnitude(view, 8)
    const seek = signedMagnitude(view, 16)
    if (diff < 0 || diff > MOST || extra < 0 || extra > MOST) throw failed(`lengths ${diff} and ${extra}`)
    if (written + diff + extra > size) throw failed('it gives more than the size of the file')
    for (let left = diff; left > 0; ) {
      const count = Math.min(left, output.length)
      const piece = output.subarray(0, count)
      piece.set(take(count))
      const from = Math.max(0, -position)
      const to = Math.min(count, old.size - position)
      if (from < to) {
        const bytes = old.view(position + from, to - from)
        for (let i = from; i < to; i++) piece[i] = (piece[i] as number) + (bytes[i - from] as number)
      }
      yield piece
      position += count
      left -= count
    }
    for (let left = extra; left > 0; ) {
      const count = Math.min(left, STEP)
      yield take(count)
      left -= count
    }
    written += diff + extra
    position += seek
    // Beyond that the sum would be inexact; the old file is nowhere near.
    if (!Number.isSafeInteger(position)) throw failed(`position ${position} in the old file`)
  }
}

/** Reads a number of 63 bits and a sign. Above 2^53 it is inexact, and too large for any use. */
function signedMagnitude(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true)
  const magnitude = view.getUint32(at, true) + (high & 0x7fff_ffff) * 2 ** 32
  return high >= 0x8000_0000 ? -magnitude : magnitude
}
