/**
 * `Platform` in JavaScript alone, for browsers and for comparison with the one of Node. It hashes in
 * WebAssembly, or with @noble/hashes where that is not allowed, deflates with fflate, or with pako where the bytes of
 * zlib are asked for, and writes zstd with an optional package (zstd/compress.ts). The decoders are our own, because
 * those of libraries do not reject all malformed input (inflate.ts, zstd/decompress.ts).
 */

import { deflateSync } from 'fflate'
import type { Checksum } from '../bytes.ts'
import { CompressionError } from '../errors.ts'
import { decompressArchive } from './codecs/archives.ts'
import { crc32 } from './codecs/crc32.ts'
import { type Decoder, drive, Input } from './codecs/decoder.ts'
import { deflateSlabs } from './codecs/deflate-slabs.ts'
import { gunzip } from './codecs/gunzip.ts'
import { gzipMember } from './codecs/gzip-frame.ts'
import { INFLATE_SLACK, inflate, inflateBuffer } from './codecs/inflate.ts'
import { createSha256 } from './codecs/sha256.ts'
import { canBeExact, deflateExactly } from './codecs/stock-zlib.ts'
import { compressFrames } from './codecs/zstd/compress.ts'
import { unzstd } from './codecs/zstd/decompress.ts'
import type { CompressionKind, CompressOptions, DecompressionKind, DecompressOptions, Platform } from './interface.ts'
import { defaultLevel, requireLevel } from './levels.ts'
import { MAX_DEFLATE_RATIO } from './limits.ts'

function sha256(...parts: readonly Uint8Array[]): Checksum {
  const hasher = createSha256()
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}

type Level = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

function deflateRaw(bytes: Uint8Array, level: number): Uint8Array {
  requireLevel('deflate-raw', level)
  return deflateSync(bytes, { level: level as Level })
}

function inflateRaw(bytes: Uint8Array, size: number): Uint8Array {
  if (size > bytes.length * MAX_DEFLATE_RATIO) {
    throw new CompressionError('deflate-raw', `${bytes.length} bytes cannot inflate to ${size}`, 0)
  }
  const input = new Input('deflate-raw')
  input.append(bytes)
  input.ended = true
  const out = new Uint8Array(size + INFLATE_SLACK)
  let length = 0
  for (const step of inflate(input, out)) {
    length += step?.length ?? 0
    if (length > size) throw input.fault(`inflates to more than ${size} bytes`)
  }
  if (length !== size) throw input.fault(`inflates to ${length} bytes, expected ${size}`)
  return out.slice(0, size)
}

/** Decodes a raw deflate stream and ignores the bytes after its end, as ostree does. */
function* inflateAlone(input: Input): Decoder {
  yield* inflate(input, inflateBuffer())
  for (;;) {
    input.pos = input.bytes.length
    if (input.ended) return
    yield undefined
  }
}

function decompress(
  kind: DecompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncIterable<Uint8Array> {
  if (kind === 'xz' || kind === 'bzip2') return decompressArchive(kind, from, options, createSha256)
  const decoders = { gzip: gunzip, zstd: unzstd, 'deflate-raw': inflateAlone }
  return drive(kind, decoders[kind], from, options)
}

function compress(
  kind: CompressionKind,
  from: AsyncIterable<Uint8Array>,
  options: CompressOptions = {},
): AsyncIterable<Uint8Array> {
  const { level = defaultLevel(kind), exact = false } = options
  requireLevel(kind, level)
  if (kind === 'zstd') return compressFrames(from, level)
  const deflate = (source: AsyncIterable<Uint8Array>) =>
    exact && canBeExact(level) ? deflateExactly(source, level) : deflateSlabs(source, (slab) => deflateRaw(slab, level))
  return kind === 'gzip' ? gzipMember(from, level, deflate, crc32) : deflate(from)
}

/** The platform that needs nothing but JavaScript. */
export const portablePlatform: Platform = {
  name: 'portable',
  sha256,
  createSha256,
  deflateRaw,
  inflateRaw,
  decompress,
  compress,
}
