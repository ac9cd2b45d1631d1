/**
 * Writes zstd with the package `@hpcc-js/wasm-zstd`, the original encoder as WebAssembly, where the runtime has no
 * encoder of its own: browsers, and Node before 22.15. The package is an optional peer dependency. Its versions before
 * 1.14 copy results through an array of numbers, and so take ten times as long and 300 MiB more.
 *
 * Its streaming interface has one state for the whole process, which layers written at the same time would share. So
 * each 8 MiB of input become a frame of their own; a stream may hold any number of frames (RFC 8878, 3.1). At level 3
 * these take 1.6 % more than a single frame (60 MB tar of /usr/share/doc).
 */

import { UnsupportedError } from '../../../errors.ts'

/** Bytes of input in each frame but the last. */
const FRAME_SIZE = 8 << 20

/** The part of the package's `Zstd` that is used. */
interface ZstdEncoder {
  /** Compresses `bytes` to one frame. */
  compress(bytes: Uint8Array, level: number): Uint8Array
}

/** @throws {UnsupportedError} if the package is not installed, or the runtime does not run WebAssembly */
async function loadEncoder(): Promise<ZstdEncoder> {
  try {
    const { Zstd } = await import('@hpcc-js/wasm-zstd')
    return await Zstd.load()
  } catch (error) {
    throw new UnsupportedError(
      'zstd compression',
      'Writing zstd needs Node 22.15 or newer, or the package @hpcc-js/wasm-zstd; gzip needs neither (--compression=gzip)',
      { cause: error },
    )
  }
}

/**
 * Compresses a stream to zstd frames without checksums. The output depends on the content and the level alone, not on
 * how the source is cut. Memory: one frame of input and its compressed form, beside what the encoder needs.
 * @param level zstd's levels, 1 to 22; others are clamped by the encoder
 * @throws {UnsupportedError} if there is no encoder, before anything is read
 */
export async function* compressFrames(
  from: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = await loadEncoder()
  const frame = new Uint8Array(FRAME_SIZE)
  let size = 0
  let first = true
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + FRAME_SIZE - size)
      frame.set(part, size)
      size += part.length
      at += part.length
      if (size < FRAME_SIZE) continue
      yield encoder.compress(frame, level)
      size = 0
      first = false
    }
  }
  // An empty source is one empty frame: a stream without frames is not valid.
  if (size > 0 || first) yield encoder.compress(frame.subarray(0, size), level)
}
