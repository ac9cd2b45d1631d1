/**
 * zstd, written: one frame with a check sum, of blocks that are compressed, repeated or as they are. Matches are looked
 * for within 1 MiB, so that is what a reader has to keep. Source: RFC 8878, 3.1.1.
 *
 *   28 b5 2f fd │ 04 │ window │ block … │ check sum
 *   block        = last, 1 bit │ type, 2 bits │ size, 21 bits │ bytes
 */

import { ZSTD_LEVEL } from '../../limits.ts'
import { BitWriter } from './bit-writer.ts'
import { BlockEncoder } from './block-encoder.ts'
import { Matches, WINDOW_LOG } from './matches.ts'
import { MAX_BLOCK } from './output.ts'
import { Xxh64 } from './xxh64.ts'

const WINDOW_DESCRIPTOR = (WINDOW_LOG - 10) << 3
const HEADER = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x04, WINDOW_DESCRIPTOR)
const BLOCK_HEADER = 3
/** More than the worst block becomes before it is found not to pay off. */
const MOST_PACKED = 4 * MAX_BLOCK
/** Candidates looked at for each place, by level. */
const DEPTHS = [1, 1, 2, 4, 6, 8, 12, 16, 24, 32]

/** @param level as zstd's; what is above 9 is as 9 */
export async function* compressFrame(
  from: AsyncIterable<Uint8Array>,
  level: number = ZSTD_LEVEL,
): AsyncGenerator<Uint8Array, void, undefined> {
  const frame = new FrameEncoder(DEPTHS[Math.min(9, Math.max(1, Math.trunc(level)))] ?? 1)
  yield HEADER.slice()
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length; ) {
      // A block is held until more comes: only the last one may say that it is.
      if (frame.isFull) yield frame.block(false)
      at += frame.take(chunk, at)
    }
  }
  yield frame.block(true)
  yield frame.checksum()
}

class FrameEncoder {
  readonly #matches: Matches
  readonly #blocks = new BlockEncoder()
  readonly #hash = new Xxh64()
  readonly #out = new BitWriter(new Uint8Array(MOST_PACKED))
  /** Where the block begins that is being gathered. */
  #start = 0

  constructor(depth: number) {
    this.#matches = new Matches(MAX_BLOCK, depth)
  }

  get isFull(): boolean {
    return this.#matches.end - this.#start === MAX_BLOCK
  }

  /** Takes what still goes into the block. @returns how many bytes that were */
  take(chunk: Uint8Array, from: number): number {
    const matches = this.#matches
    const part = chunk.subarray(from, from + MAX_BLOCK - (matches.end - this.#start))
    matches.bytes.set(part, matches.end)
    matches.end += part.length
    return part.length
  }

  /** What was gathered, as a block. */
  block(last: boolean): Uint8Array {
    const matches = this.#matches
    const content = matches.bytes.subarray(this.#start, matches.end)
    const size = content.length
    const out = this.#out
    this.#hash.update(content)
    out.at = BLOCK_HEADER
    let type = 2
    if (size > 1 && content.every((byte) => byte === content[0])) type = 1
    else if (!this.#blocks.encode(matches, this.#start, out)) type = 0
    if (type < 2) {
      out.at = BLOCK_HEADER
      out.append(type === 1 ? content.subarray(0, 1) : content)
    }
    const header = (last ? 1 : 0) | (type << 1) | ((type === 2 ? out.at - BLOCK_HEADER : size) << 3)
    out.bytes.set([header, header >> 8, header >> 16])
    const packed = out.bytes.slice(0, out.at)
    matches.makeRoom()
    this.#start = matches.end
    return packed
  }

  checksum(): Uint8Array {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, this.#hash.digestLow(), true)
    return bytes
  }
}
