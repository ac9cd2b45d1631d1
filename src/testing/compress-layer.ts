/** Compresses layers for tests: plain, gzip, zstd, and valid variants of these that simple readers do not handle. */
import { concatBytes, readAll } from '../bytes.ts'
import type { Platform } from '../platform/index.ts'
import type { LayerFields } from './image-builder.ts'

/**
 * How a layer is compressed:
 *
 * - `gzip-members`  one gzip member per 3000 bytes, as parallel and seekable compressors write
 * - `zstd-frames`   several frames with skippable frames among them, as in zstd:chunked
 */
export type LayerCodec = 'none' | 'gzip' | 'gzip-members' | 'zstd' | 'zstd-frames'

/** All values of `LayerCodec`. */
export const LAYER_CODECS: readonly LayerCodec[] = ['none', 'gzip', 'gzip-members', 'zstd', 'zstd-frames']

const PREFIX = 'application/vnd.oci.image.layer.v1.tar'
/** Bytes per member or frame, for the codecs that write several. */
const PIECE = 3000

/** Compresses a layer for `buildImage`, with the media type of the codec. */
export async function compressLayer(platform: Platform, tar: Uint8Array, codec: LayerCodec): Promise<LayerFields> {
  switch (codec) {
    case 'none':
      return { tar }
    case 'gzip':
      return { tar, blob: await gzip(platform, tar), mediaType: `${PREFIX}+gzip` }
    case 'gzip-members': {
      const members = await Promise.all(pieces(tar).map((piece) => gzip(platform, piece)))
      return { tar, blob: concatBytes(members), mediaType: `${PREFIX}+gzip` }
    }
    case 'zstd':
      return { tar, blob: zstdFrame(tar), mediaType: `${PREFIX}+zstd` }
    case 'zstd-frames': {
      const [first = new Uint8Array(0), ...rest] = pieces(tar)
      const frames = [zstdFrame(first), SKIPPED, ...rest.map(zstdFrame), SKIPPED]
      return { tar, blob: concatBytes(frames), mediaType: `${PREFIX}+zstd` }
    }
  }
}

function pieces(bytes: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / PIECE))
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * PIECE, (i + 1) * PIECE))
}

function gzip(platform: Platform, bytes: Uint8Array): Promise<Uint8Array> {
  async function* whole() {
    yield bytes
  }
  return readAll(platform.compress('gzip', whole()))
}

/** A skippable frame: magic number, four bytes of length, three bytes of content. RFC 8878, 3.1.2. */
const SKIPPED = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)
const MAX_BLOCK = 1 << 16

/**
 * Encodes a zstd frame of raw and RLE blocks only, so that tests need no zstd encoder, which some platforms lack.
 * RFC 8878, 3.1.1.
 *
 *     28 B5 2F FD │ A0 │ content size, 4 bytes │ block ..
 *     block       = last, 1 bit │ type, 2 bits: 0 raw, 1 RLE │ size, 21 bits │ bytes
 */
function zstdFrame(bytes: Uint8Array): Uint8Array {
  const size = bytes.length
  const parts: Uint8Array[] = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, size, size >> 8, size >> 16, size >> 24)]
  let at = 0
  do {
    const block = bytes.subarray(at, at + MAX_BLOCK)
    at += MAX_BLOCK
    const repeated = block.length > 1 && block.every((byte) => byte === block[0])
    const header = (at >= size ? 1 : 0) | (repeated ? 2 : 0) | (block.length << 3)
    parts.push(Uint8Array.of(header, header >> 8, header >> 16), repeated ? block.subarray(0, 1) : block)
  } while (at < size)
  return concatBytes(parts)
}
