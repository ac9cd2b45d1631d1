/**
 * Streaming deflate with an encoder that needs its whole input at once. Each slab of 1 MiB is encoded alone; then the bit
 * that marks its last block is cleared, and an empty stored block aligns the next slab to a byte. fflate's own streaming
 * encoder is not used: it refers to bytes before the start of the stream, which every decoder rejects.
 * Source: RFC 1951, 3.2.3 and 3.2.4.
 */

import { STREAM_CHUNK_BYTES } from '../limits.ts'
import { findLastBlock } from './inflate.ts'

/** An empty last block with the fixed code. */
const END = Uint8Array.of(3, 0)
/** LEN and NLEN of an empty stored block. */
const EMPTY_STORED = [0x00, 0x00, 0xff, 0xff]

/**
 * Compresses a stream to one raw deflate stream. The result does not depend on how the source is cut.
 * @param encode compresses up to 1 MiB to a raw deflate stream
 */
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

/**
 * Returns `stream` changed so that another deflate stream may follow.
 * @param size bytes that it inflates to
 */
function open(stream: Uint8Array, size: number): Uint8Array {
  const { start, end } = findLastBlock(stream, size)
  const header = (end + 3 + 7) >> 3
  const opened = new Uint8Array(header + EMPTY_STORED.length)
  opened.set(stream.subarray(0, (end + 7) >> 3))
  opened[start >> 3] = (opened[start >> 3] as number) & ~(1 << (start & 7))
  // The header of a stored block is three zero bits, followed by zeros up to the next byte.
  opened.set(EMPTY_STORED, header)
  return opened
}
