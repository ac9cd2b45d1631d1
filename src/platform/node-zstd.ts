/**
 * zstd on Node, which has it from 22.15. The first versions of its decoder silently stop after the first frame and accept
 * truncated streams, and layers of many frames are common. So Node's decoder is used only if it passes a test with two
 * frames and with a truncated frame (Node 26 does), and ours otherwise. Node's encoder is used if it exists.
 */

import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { drive } from './codecs/decoder.ts'
import { compressFrames } from './codecs/zstd/compress.ts'
import { unzstd } from './codecs/zstd/decompress.ts'
import type { DecompressOptions } from './interface.ts'
import { MAX_ZSTD_WINDOW } from './limits.ts'
import { type Engine, STREAM_OPTIONS, through } from './node-streams.ts'

interface ZstdOptions {
  chunkSize?: number
  readableHighWaterMark?: number
  params?: Record<number, number>
}

/** The part of node:zlib that the types of the oldest supported version lack. */
interface Zstd {
  readonly createZstdCompress: (options: ZstdOptions) => Transform & Engine
  readonly createZstdDecompress: (options: ZstdOptions) => Transform & Engine
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_d_windowLogMax: number }
}

function findZstd(): Zstd | undefined {
  return 'createZstdDecompress' in zlib ? (zlib as unknown as Zstd) : undefined
}

/** A frame with the content `a`, without a checksum. */
const FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0x00, 0x00, 0x61)

function openDecoder(zstd: Zstd): Engine {
  return zstd.createZstdDecompress({
    ...STREAM_OPTIONS,
    params: { [zstd.constants.ZSTD_d_windowLogMax]: Math.log2(MAX_ZSTD_WINDOW) },
  })
}

async function passesTest(zstd: Zstd): Promise<boolean> {
  const length = async (...parts: Uint8Array[]) => {
    async function* source() {
      yield* parts
    }
    let size = 0
    for await (const chunk of through('zstd', source(), () => openDecoder(zstd))) size += chunk.length
    return size
  }
  try {
    const whole = new Uint8Array(2 * FRAME.length)
    whole.set(FRAME)
    whole.set(FRAME, FRAME.length)
    if ((await length(whole)) !== 2 || (await length(FRAME, FRAME)) !== 2) return false
  } catch {
    return false
  }
  return length(FRAME.subarray(0, -1)).then(
    () => false,
    () => true,
  )
}

let native: Promise<Zstd | undefined> | undefined

/** Returns Node's zstd if its decoder exists and passes the test, which is run once. */
function trustedZstd(): Promise<Zstd | undefined> {
  native ??= (async () => {
    const zstd = findZstd()
    return zstd !== undefined && (await passesTest(zstd)) ? zstd : undefined
  })()
  return native
}

/** Implements `Platform.decompress` for zstd. */
export async function* decompressZstd(
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zstd = await trustedZstd()
  if (zstd === undefined) yield* drive('zstd', unzstd, from, options)
  else yield* through('zstd', from, () => openDecoder(zstd), options)
}

/**
 * Implements `Platform.compress` for zstd: by Node in a thread of its own, otherwise by the optional package.
 * @throws {UnsupportedError} if there is neither
 */
export function compressZstd(from: AsyncIterable<Uint8Array>, level: number): AsyncIterable<Uint8Array> {
  const zstd = findZstd()
  if (zstd === undefined) return compressFrames(from, level)
  const params = { [zstd.constants.ZSTD_c_compressionLevel]: level }
  return through('zstd', from, () => zstd.createZstdCompress({ ...STREAM_OPTIONS, params }))
}
