/**
 * One raw deflate stream of many, for an encoder that takes its input whole: each slab of input is encoded alone, its
 * last block is told that it is not the last, and an empty stored block brings the next one to a byte. fflate's own
 * streaming encoder is not used: it refers to bytes before the start, and no decoder takes that.
 * Source: RFC 1951, 3.2.3 and 3.2.4.
 */

import { STREAM_CHUNK_BYTES } from '../limits.ts'
import { findLastBlock } from './inflate.ts'

/** A last block with nothing in it, in the fixed code. */
const END = Uint8Array.of(3, 0)
/** Lengths of an empty stored block. */
const EMPTY_STORED = [0x00, 0x00, 0xff, 0xff]

export async function* deflateSlabs(
  from: AsyncIterable<Uint8Array>,
  encode: (slab: Uint8Array) => Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const slab = new Uint8Array(STREAM_CHUNK_BYTES)
  let length = 0
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + slab.length - length)
      slab.set(part, length)
      length += part.length
      at += part.length
      if (length < slab.length) continue
      yield open(encode(slab), length)
      length = 0
    }
  }
  if (length > 0) yield open(encode(slab.subarray(0, length)), length)
  yield END
}

/** The stream without its end: another may follow. */
function open(stream: Uint8Array, size: number): Uint8Array {
  const { start, end } = findLastBlock(stream, size)
  const header = (end + 3 + 7) >> 3
  const opened = new Uint8Array(header + EMPTY_STORED.length)
  opened.set(stream.subarray(0, (end + 7) >> 3))
  opened[start >> 3] = (opened[start >> 3] as number) & ~(1 << (start & 7))
  // The three bits of the block's header are zeros, as are those up to the byte.
  opened.set(EMPTY_STORED, header)
  return opened
}
