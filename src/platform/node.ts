/** `Platform` by node:crypto (OpenSSL's SHA-256) and node:zlib, which Node, Bun and Deno have. */

import { createHash, hash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type Checksum, EMPTY_BYTES } from '../bytes.ts'
import { CompressionError } from '../errors.ts'
import type { Hasher, Platform } from './interface.ts'
import { requireLevel } from './levels.ts'
import { MAX_DEFLATE_RATIO } from './limits.ts'
import { compress, decompress, type ExactDeflater } from './node-codecs.ts'

/** Up to this many bytes, joining parts and calling `hash` is faster than a hash object: 0.7 and 1.2 µs for 120 bytes. */
const JOIN_LIMIT = 1 << 15
const scratch = new Uint8Array(JOIN_LIMIT)
/** A result whose buffer has at most this many unused bytes is not copied. */
const MOST_SPARE = 1

class NodeHasher implements Hasher {
  readonly #hash = createHash('sha256')

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  digest(): Checksum {
    return this.#hash.digest('hex') as Checksum
  }
}

function createSha256(): Hasher {
  return new NodeHasher()
}

function sha256(...parts: readonly Uint8Array[]): Checksum {
  // OpenSSL returns 64 lower-case hex digits, which is the form of a Checksum.
  if (parts.length <= 1) return hash('sha256', parts[0] ?? EMPTY_BYTES, 'hex') as Checksum
  let length = 0
  for (const part of parts) length += part.length
  if (length <= JOIN_LIMIT) {
    let offset = 0
    for (const part of parts) {
      scratch.set(part, offset)
      offset += part.length
    }
    return hash('sha256', scratch.subarray(0, length), 'hex') as Checksum
  }
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part)
  return sum.digest('hex') as Checksum
}

/** Returns `bytes` in a buffer of its own, without much unused memory: zlib's results may be views of a shared pool. */
function owned(bytes: Uint8Array): Uint8Array {
  const spare = bytes.buffer.byteLength - bytes.byteLength
  return spare <= MOST_SPARE ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
}

function deflateRaw(bytes: Uint8Array, level: number): Uint8Array {
  requireLevel('deflate-raw', level)
  // Exactly the worst case: zlib's default of 16 KiB for every small file makes much garbage.
  return owned(deflateRawSync(bytes, { level, chunkSize: bytes.length + (bytes.length >> 6) + 64 }))
}

function inflateRaw(bytes: Uint8Array, size: number): Uint8Array {
  if (size > bytes.length * MAX_DEFLATE_RATIO) {
    throw new CompressionError('deflate-raw', `${bytes.length} bytes cannot inflate to ${size}`, 0)
  }
  let inflated: Uint8Array
  try {
    // One byte more than needed: with exactly `size` bytes, zlib allocates a second buffer to find the end of the stream.
    inflated = inflateRawSync(bytes, { chunkSize: Math.max(64, size + 1), maxOutputLength: Math.max(1, size) })
  } catch (error) {
    const tooLong = error instanceof RangeError
    const message = tooLong ? `inflates to more than ${size} bytes` : (error as Error).message
    throw new CompressionError('deflate-raw', message, bytes.length, { cause: error })
  }
  if (inflated.length !== size) {
    throw new CompressionError('deflate-raw', `inflates to ${inflated.length} bytes, expected ${size}`, bytes.length)
  }
  return owned(inflated)
}

/** The platform of Node: hashing by node:crypto, compression by node:zlib, or by pako where zlib's bytes are asked for. */
export const nodePlatform: Platform = {
  name: 'node',
  sha256,
  createSha256,
  deflateRaw,
  inflateRaw,
  decompress: (kind, from, options = {}) => decompress(kind, from, options, createSha256),
  compress,
}

/**
 * Returns the platform of Node with another way to compress as zlib does.
 * @param exactly compresses a stream to raw deflate with the bytes of zlib, at a level from 1 to 9
 */
export function nodePlatformWith(exactly: ExactDeflater): Platform {
  return { ...nodePlatform, compress: (kind, from, options) => compress(kind, from, options, exactly) }
}
