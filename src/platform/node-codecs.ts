/**
 * Which codec of node:zlib serves which kind. zstd came to Node with 22.15.
 */

import * as zlib from 'node:zlib'
import { UnsupportedError } from '../errors.ts'
import { gzipHeader, gzipTrailer } from './gzip-frame.ts'
import type { CompressionKind, CompressOptions, DecompressOptions } from './interface.ts'
import { DEFLATE_LEVEL } from './limits.ts'
import { STREAM_OPTIONS, through } from './node-streams.ts'

export function decompress(
  kind: CompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncIterable<Uint8Array> {
  switch (kind) {
    case 'gzip':
      return through(kind, from, () => zlib.createGunzip(STREAM_OPTIONS), options)
    case 'deflate-raw':
      return through(kind, from, () => zlib.createInflateRaw(STREAM_OPTIONS), options)
    case 'zstd':
      throw new UnsupportedError('zstd', 'no zstd decoder')
  }
}

/** zlib makes the deflate stream; the frame is ours, for zlib writes the machine's name into it. */
async function* compressGzip(from: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  let crc = 0
  let size = 0
  async function* measured() {
    for await (const chunk of from) {
      crc = zlib.crc32(chunk, crc)
      size += chunk.length
      yield chunk
    }
  }
  yield gzipHeader(level)
  yield* through('deflate-raw', measured(), () => zlib.createDeflateRaw({ ...STREAM_OPTIONS, level }))
  yield gzipTrailer(crc, size)
}

export function compress(
  kind: CompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: CompressOptions = {},
): AsyncIterable<Uint8Array> {
  switch (kind) {
    case 'gzip':
      return compressGzip(from, options.level ?? DEFLATE_LEVEL)
    case 'deflate-raw':
      return through(kind, from, () =>
        zlib.createDeflateRaw({ ...STREAM_OPTIONS, level: options.level ?? DEFLATE_LEVEL }),
      )
    case 'zstd':
      throw new UnsupportedError('zstd', 'This platform has no zstd encoder; gzip would do')
  }
}
