/**
 * Applies one part of a static delta: verifies its bytes, unpacks them, and executes what is in them in a transaction.
 *
 * Memory: the dictionary of xz (32 MiB for the parts that ostree writes, at most 96 MiB), 16 MiB each of the part and of
 * its payload, and some buffers. What is larger goes to the scratch space of the storage. Nothing is unpacked before
 * size and checksum of the part have been verified.
 *
 * Source: ostree-repo-static-delta-core.c, _ostree_static_delta_part_open; ostree-lzma-decompressor.c.
 */

import { type Checksum, streamOf } from '../../../bytes.ts'
import {
  CompressionError,
  FormatError,
  LimitError,
  OstreeError,
  UnsupportedError,
  withContext,
} from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import type { ProgressOptions } from '../../../progress.ts'
import type { ObjectReader, Transaction } from '../../core/interface.ts'
import type { RandomAccess, Scratch } from '../../core/random-access.ts'
import { createScratch, streamAccess } from '../../core/scratch.ts'
import type { Repo } from '../../repo.ts'
import { UNCOMPRESSED, XZ } from '../format.ts'
import type { DeltaPartInfo, DeltaSuperblock } from '../superblock.ts'
import { PartExecutor } from './execute.ts'
import { DeltaPayload } from './payload.ts'

/**
 * The bytes of a part, as they are in its file: a stream, which is kept until it is verified; or a function that opens it,
 * which is called twice if the bytes can be read again, so that they need not be kept.
 */
export type DeltaPartSource = AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>)

/** Options of `applyDeltaPart`. */
export interface ApplyDeltaPartOptions extends Pick<ProgressOptions, 'signal'> {
  /**
   * Limit on the unpacked payload in bytes. Default: what operations, patches and attributes of the objects can take at
   * most, 64 MiB and 32 times the size of the objects and 256 KiB for each of them, which no sound part exceeds.
   */
  readonly maxPayload?: number | undefined
}

const WHAT = 'static delta part'
const MEBIBYTE = 2 ** 20
/** Bytes of a payload that do not depend on its objects. */
const BASE_PAYLOAD = 64 * MEBIBYTE
/** Bytes of a payload for each byte of an object: a literal, a patch of one byte with its 24 bytes of control, and operations. */
const PAYLOAD_RATIO = 32
/** Bytes of a payload for each object: attributes, operations, and the target of a symbolic link. */
const PAYLOAD_PER_OBJECT = MEBIBYTE / 4
/** Most memory of a decoder of xz, as in ostree, and the largest dictionary that is possible with it. */
const MAX_MEMORY = 100 * MEBIBYTE
const MAX_DICTIONARY = 96 * MEBIBYTE

/** Tells whether all objects that a part creates are stored already, so that it need not be fetched. */
export async function hasObjectsOfPart(reader: ObjectReader, part: DeltaPartInfo): Promise<boolean> {
  for (const name of part.objects()) if (!(await reader.has(name))) return false
  return true
}

/**
 * Applies one part of a delta in a transaction. Parts may be applied in any order, one at a time in a transaction. The
 * files that the source commit of the delta reaches have to be stored, as operations read them.
 *
 * Every object is verified before it is stored. After an error the transaction may hold some objects of the part, each of
 * them verified.
 *
 * @param tx a transaction of `repo`
 * @param delta the superblock, from `readSuperblock`
 * @param part one of `delta.parts`
 * @param source the bytes of the part; not read, and may be omitted, if the part is in the superblock (`part.inline`)
 * @returns whether it was executed; false if all its objects were stored already, and the source was not read
 * @throws {FormatError} `Checksum mismatch in static delta part; …` if the bytes are not those of the superblock, or
 *   another text if the part is malformed or creates other objects than its list has
 * @throws {CompressionError} if it cannot be decompressed
 * @throws {ChecksumMismatchError} if an object that it creates is not the one of the list
 * @throws {ObjectNotFoundError} if a file that it reads is not stored
 * @throws {LimitError} if the payload is too large, or needs too much memory to be decompressed
 * @throws {IoError} if there is no space for it
 */
export async function applyDeltaPart(
  repo: Repo,
  tx: Transaction,
  delta: DeltaSuperblock,
  part: DeltaPartInfo,
  source?: DeltaPartSource,
  options: ApplyDeltaPartOptions = {},
): Promise<boolean> {
  if (await hasObjectsOfPart(tx, part)) return false
  const sizesKnown = delta.byteOrderFrom === 'declared'
  const payload = await openPart(repo, part, source, { ...options, sizesKnown })
  try {
    await new PartExecutor(repo, tx, part, new DeltaPayload(payload), { signal: options.signal, sizesKnown }).run()
    return true
  } catch (error) {
    throw withContext(`Executing delta part ${part.index}`, error)
  } finally {
    payload.close()
  }
}

export interface OpenPartOptions extends ApplyDeltaPartOptions {
  /** Whether the sizes in the superblock are known to be right: its byte order is declared. */
  readonly sizesKnown: boolean
  /** Do not compare the part with size and checksum in the superblock. Default false. */
  readonly unverified?: boolean | undefined
}

/** Verifies and unpacks a part. @returns its payload, which the caller closes. @throws as `applyDeltaPart` */
export async function openPart(
  repo: Repo,
  part: DeltaPartInfo,
  source: DeltaPartSource | undefined,
  options: OpenPartOptions,
): Promise<RandomAccess> {
  const { signal } = options
  const { inline } = part
  const given = inline === undefined ? source : () => streamOf(inline)
  if (given === undefined) throw new FormatError(WHAT, `Part ${part.index} is not in the superblock`)
  if (options.unverified) return unpack(repo, part, typeof given === 'function' ? given() : given, options)
  const verifier = new PartVerifier(repo, part, options.sizesKnown)
  if (typeof given === 'function') {
    for await (const chunk of given()) {
      signal?.throwIfAborted()
      verifier.update(chunk)
    }
    verifier.finish()
    return unpack(repo, part, given(), options)
  }
  const kept = createScratch(repo.storage)
  try {
    for await (const chunk of given) {
      signal?.throwIfAborted()
      verifier.update(chunk)
      kept.write(chunk)
    }
    verifier.finish()
    return await unpack(repo, part, streamAccess(kept), options)
  } finally {
    kept.close()
  }
}

/** Compares size and checksum of a part with those in the superblock. */
class PartVerifier {
  readonly #part: DeltaPartInfo
  readonly #hasher: { update(bytes: Uint8Array): void; digest(): Checksum }
  readonly #sizesKnown: boolean
  #size = 0

  constructor(repo: Repo, part: DeltaPartInfo, sizesKnown: boolean) {
    this.#part = part
    this.#hasher = repo.platform.createSha256()
    this.#sizesKnown = sizesKnown
  }

  update(bytes: Uint8Array): void {
    this.#size += bytes.length
    if (this.#sizesKnown && BigInt(this.#size) > this.#part.size) {
      throw new FormatError(WHAT, `Static delta part ${this.#part.index} exceeds its size of ${this.#part.size} bytes`)
    }
    this.#hasher.update(bytes)
  }

  finish(): void {
    if (this.#size === 0) {
      throw new FormatError(WHAT, `Reading initial compression flag byte: part ${this.#part.index} is empty`)
    }
    const expected = this.#part.checksum
    const actual = this.#hasher.digest()
    if (actual !== expected) {
      throw new FormatError(WHAT, `Checksum mismatch in static delta part; expected=${expected} actual=${actual}`)
    }
  }
}

async function unpack(
  repo: Repo,
  part: DeltaPartInfo,
  bytes: AsyncIterable<Uint8Array>,
  { signal, maxPayload }: OpenPartOptions,
): Promise<Scratch> {
  const most = maxPayload ?? mostPayload(part)
  const payload = createScratch(repo.storage)
  const write = (chunk: Uint8Array): void => {
    if (payload.size + chunk.length > most) {
      const hint = 'the option maxPayload raises the limit'
      throw new LimitError(WHAT, most, `The payload of static delta part ${part.index} has over ${most} bytes; ${hint}`)
    }
    payload.write(chunk)
  }
  const iterator = bytes[Symbol.asyncIterator]()
  try {
    const { compression, rest } = await splitFirst(iterator)
    if (compression === UNCOMPRESSED) for await (const chunk of rest) write(chunk)
    else if (compression === XZ) {
      for await (const chunk of decompressXz(repo.platform, rest, signal)) write(chunk)
    } else throw new FormatError(WHAT, `Invalid compression type '${compression}'`)
    return payload
  } catch (error) {
    payload.close()
    throw error
  } finally {
    await iterator.return?.()
  }
}

function mostPayload({ unpacked, count }: DeltaPartInfo): number {
  return BASE_PAYLOAD + PAYLOAD_RATIO * Number(unpacked) + PAYLOAD_PER_OBJECT * count
}

/** Takes the first byte of a stream that is not empty. @returns it, and the stream without it */
async function splitFirst(
  iterator: AsyncIterator<Uint8Array>,
): Promise<{ compression: number; rest: AsyncIterable<Uint8Array> }> {
  let first: Uint8Array
  do {
    const next = await iterator.next()
    if (next.done) throw new FormatError(WHAT, 'Reading initial compression flag byte: the part is empty')
    first = next.value
  } while (first.length === 0)
  const [compression = 0] = first
  async function* rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (first.length > 1) yield first.subarray(1)
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  }
  return { compression, rest: rest() }
}

function decompressXz(
  platform: Platform,
  from: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  const native = platform.xz?.()
  if (native !== undefined) return native.decompress(from, MAX_MEMORY)
  return withLzmaTexts(platform.decompress('xz', from, { maxDictionary: MAX_DICTIONARY, signal }))
}

/** Reports faults of xz in the words of libostree. */
async function* withLzmaTexts(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* from
  } catch (error) {
    const text = lzmaText(error)
    if (text === undefined || !(error instanceof OstreeError)) throw error
    const offset = error instanceof CompressionError ? error.data.offset : 0
    if (error instanceof LimitError) throw error.withMessage(text, { cause: error })
    throw new CompressionError('xz', text, offset, { cause: error })
  }
}

function lzmaText(error: unknown): string | undefined {
  if (error instanceof LimitError) return 'Exceeded memory limit'
  if (error instanceof UnsupportedError) return 'Invalid or unsupported options'
  if (!(error instanceof CompressionError)) return undefined
  if (error.message === 'unexpected end of file') return 'Input buffer too small'
  return error.message === 'invalid xz header' ? 'File format not recognized' : 'Data is corrupt'
}
