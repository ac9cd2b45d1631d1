/**
 * Decompresses an archive. Like libarchive, detects the compression by the first bytes, except that a tar is never taken
 * for something else, whatever the name of its first entry is. zip, which libarchive
 * reads too, is refused. A cpio archive is passed through.
 */

import { concatBytes } from '../../../bytes.ts'
import { UnsupportedError } from '../../../errors.ts'
import type { DecompressionKind, DecompressOptions, Platform } from '../../../platform/index.ts'
import { BLOCK, startsTar } from '../../../tar/internal.ts'

const MAGICS: readonly (readonly [magic: readonly number[], kind: DecompressionKind | 'zip'])[] = [
  [[0x1f, 0x8b], 'gzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 'xz'],
  [[0x42, 0x5a, 0x68], 'bzip2'],
  [[0x50, 0x4b, 0x03, 0x04], 'zip'],
]

/** A zstd stream may begin with a skippable frame (RFC 8878): a byte from 0x50 to 0x5f, then these. */
const SKIPPABLE = [0x2a, 0x4d, 0x18]

/** Options of `uncompressedTar`. */
export interface UncompressedOptions extends DecompressOptions {
  /** The compression of what is not empty and begins neither like compressed data nor like a tar. Default: none. */
  readonly otherwise?: DecompressionKind | undefined
  /** Called when the compression is known, before anything is yielded; with `undefined` for none. */
  readonly onKind?: ((kind: DecompressionKind | undefined) => void) | undefined
}

/**
 * Yields the uncompressed archive.
 * @throws {UnsupportedError} when the archive has a format that is not supported
 * @throws {CompressionError} or {LimitError} as `Platform.decompress` does
 */
export async function* uncompressedTar(
  platform: Platform,
  stream: AsyncIterable<Uint8Array>,
  { otherwise, onKind, ...options }: UncompressedOptions = {},
): AsyncGenerator<Uint8Array, void> {
  const chunks = stream[Symbol.asyncIterator]()
  try {
    const head: Uint8Array[] = []
    let length = 0
    while (length < BLOCK) {
      const { value, done } = await chunks.next()
      if (done) break
      head.push(new Uint8Array(value))
      length += value.length
    }
    const start = concatBytes(head)
    const whole = rejoin(start, chunks)
    const isTar = start.length === 0 || startsTar(start)
    const kind = isTar ? undefined : (compressionOf(start) ?? otherwise)
    onKind?.(kind)
    yield* kind === undefined ? whole : platform.decompress(kind, whole, options)
  } finally {
    await chunks.return?.()
  }
}

/** Detects the compression by a magic number. */
function compressionOf(start: Uint8Array): DecompressionKind | undefined {
  if (((start[0] as number) & 0xf0) === 0x50 && SKIPPABLE.every((byte, i) => start[i + 1] === byte)) return 'zstd'
  const kind = MAGICS.find(([magic]) => magic.every((byte, i) => start[i] === byte))?.[1]
  if (kind !== 'zip') return kind
  const supported = 'use tar or cpio, uncompressed or compressed with gzip, zstd, xz or bzip2'
  throw new UnsupportedError(kind, `Archives in ${kind} are not supported; ${supported}`)
}

async function* rejoin(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield start
  for (;;) {
    const { value, done } = await rest.next()
    if (done) return
    yield value
  }
}
