/** Streaming compression on Node, by node:zlib. zstd is in `node-zstd.ts`. */

import * as zlib from 'node:zlib'
import { decompressArchive } from './codecs/archives.ts'
import { gzipMember } from './codecs/gzip-frame.ts'
import { canBeExact, deflateExactly } from './codecs/stock-zlib.ts'
import type { CompressionKind, CompressOptions, DecompressionKind, DecompressOptions, Hasher } from './interface.ts'
import { defaultLevel, requireLevel } from './levels.ts'
import { STREAM_OPTIONS, through } from './node-streams.ts'
import { compressZstd, decompressZstd } from './node-zstd.ts'

/** Compresses a stream to raw deflate at a level from 1 to 9, with the bytes of zlib. */
export type ExactDeflater = (from: AsyncIterable<Uint8Array>, level: number) => AsyncIterable<Uint8Array>

/**
 * Implements `Platform.decompress`.
 * @param createSha256 starts a SHA-256, which blocks of xz may have as their check
 */
export function decompress(
  kind: DecompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
  createSha256: () => Hasher,
): AsyncIterable<Uint8Array> {
  switch (kind) {
    case 'gzip':
      return through(kind, from, () => zlib.createGunzip(STREAM_OPTIONS), options)
    case 'deflate-raw':
      return through(kind, from, () => zlib.createInflateRaw(STREAM_OPTIONS), options)
    case 'zstd':
      return decompressZstd(from, options)
    case 'xz':
    case 'bzip2':
      return decompressArchive(kind, from, options, createSha256)
  }
}

/**
 * Implements `Platform.compress`.
 * @param exactly compresses a stream as zlib does, at a level from 1 to 9
 */
export function compress(
  kind: CompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: CompressOptions = {},
  exactly: ExactDeflater = deflateExactly,
): AsyncIterable<Uint8Array> {
  const { level = defaultLevel(kind), exact = false } = options
  requireLevel(kind, level)
  if (kind === 'zstd') return compressZstd(from, level)
  const deflate = (source: AsyncIterable<Uint8Array>) => {
    if (exact && canBeExact(level)) return exactly(source, level)
    return through('deflate-raw', source, () => zlib.createDeflateRaw({ ...STREAM_OPTIONS, level }))
  }
  // zlib's own gzip header names the operating system, so the result would depend on it.
  return kind === 'gzip' ? gzipMember(from, level, deflate, zlib.crc32) : deflate(from)
}
