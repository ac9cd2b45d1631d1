/**
 * Stores a file object that arrives as `.filez`: it is decompressed and checksummed while it is written, in the form of
 * the target repository. A large one is never in memory as a whole.
 */

import { type Checksum, concatBytes, EMPTY_BYTES, SMALL_FILE } from '../../../bytes.ts'
import { CompressionError, FormatError, LimitError } from '../../../errors.ts'
import {
  decodeFilezHeader,
  type FileInfo,
  type FileObject,
  isSymlink,
  validateBareUserOnlyMode,
} from '../../../objects/index.ts'
import { framedSize } from '../../../objects/internal.ts'
import type { Platform } from '../../../platform/index.ts'
import type { Transaction } from '../../core/interface.ts'

/** Bytes of a `.filez` up to which it is read as a whole. */
const MAX_WHOLE = 2 * SMALL_FILE
/** Bytes of a header: a few numbers, a link target, and xattrs, each of which Linux limits to 64 KiB. */
const MAX_HEADER = 16 << 20
/** Bytes that a deflate stream may have beyond its content: 64 KiB, and an eighth of the content. */
const SPARE = 65536
const SPARE_PART = 8

/** A body that is read in chunks. */
export interface ChunkSource {
  next(): Promise<Uint8Array | undefined>
}

/** Where a `.filez` is stored. */
export interface FilezTarget {
  readonly tx: Transaction
  readonly platform: Platform
  /** Refuse files with a mode that bare-user-only repositories cannot store. */
  readonly bareUserOnly: boolean
  /** Store files without verifying their checksums. Default: false. */
  readonly trusted?: boolean | undefined
}

/**
 * Reads a `.filez` and stores it.
 * @throws {ChecksumMismatchError} when it is another file
 * @throws {FormatError}, {CompressionError} or {LimitError} when it is malformed; nothing is stored
 */
export async function storeFilez(source: ChunkSource, checksum: Checksum, target: FilezTarget): Promise<void> {
  const { bytes, ended } = await readHead(source)
  const total = ended ? bytes.length : Number.MAX_SAFE_INTEGER
  const { info, bodyOffset } = decodeFilezHeader(bytes, total)
  const { header, size } = info
  const { tx, platform, bareUserOnly, trusted = false } = target
  const write = (file: FileObject) => (trusted ? tx.writeTrustedFile(file, checksum) : tx.writeFile(file, checksum))
  if (bareUserOnly) validateBareUserOnlyMode(checksum, header.mode)
  const rest = bytes.subarray(bodyOffset)
  if (isSymlink(header)) {
    await write({ header, size: 0, body: EMPTY_BYTES })
    return
  }
  if (ended && size <= SMALL_FILE) {
    const written = write({ header, size, body: inflateSmall(platform, rest, size) })
    if (written instanceof Promise) await written
    return
  }
  const compressed = limited(rest, ended ? undefined : source, info, checksum)
  await write({ header, size, body: inflate(platform, compressed) })
}

/** Reads until the body ends, or its header is complete and there are more than 2 MiB. */
async function readHead(source: ChunkSource): Promise<{ bytes: Uint8Array; ended: boolean }> {
  const parts: Uint8Array[] = []
  let length = 0
  let wanted = MAX_WHOLE
  for (;;) {
    const chunk = await source.next()
    if (chunk === undefined) return { bytes: joined(parts), ended: true }
    parts.push(chunk)
    length += chunk.length
    if (length <= wanted) continue
    const bytes = joined(parts)
    const end = framedSize(bytes, Number.MAX_SAFE_INTEGER)
    if (end > MAX_HEADER) throw new LimitError('file header', MAX_HEADER)
    if (end <= length) return { bytes, ended: false }
    wanted = end
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts)
}

/** Inflates a small file. A file that inflates to another size is passed on as far as its size, as by ostree. */
function inflateSmall(platform: Platform, compressed: Uint8Array, size: number): Uint8Array {
  try {
    return platform.inflateRaw(compressed, size)
  } catch (error) {
    throw inWordsOfGio(error)
  }
}

/** Yields the rest of the body, and refuses a body that goes on for much longer than its content can need. */
async function* limited(
  rest: Uint8Array,
  source: ChunkSource | undefined,
  { size }: FileInfo,
  checksum: Checksum,
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = size + Math.ceil(size / SPARE_PART) + SPARE
  let length = rest.length
  if (length > 0) yield rest
  while (source !== undefined) {
    const chunk = await source.next()
    if (chunk === undefined) return
    length += chunk.length
    if (length > limit) {
      throw new FormatError(`${checksum}.filez`, `${checksum}.filez: more than ${limit} bytes for a file of ${size}`)
    }
    yield chunk
  }
}

async function* inflate(
  platform: Platform,
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* platform.decompress('deflate-raw', compressed)
  } catch (error) {
    throw inWordsOfGio(error)
  }
}

/** Returns the error of damaged content with the message of GLib's GZlibDecompressor, which ostree prints. */
function inWordsOfGio(error: unknown): unknown {
  if (!(error instanceof CompressionError)) return error
  const isCut = /unexpected end/.test(error.message)
  return error.withMessage(isCut ? 'Need more input' : 'Invalid compressed data', { cause: error })
}
