/**
 * One layer, from the blob as stored to its plain tar, verified on the way:
 *
 *     blob ─ count, sha256 ─ decompress ─ count, sha256 ─▶ chunks
 *              │                            │
 *              └ size, digest               └ diff id          checked before the last step of the loop
 *
 * Whoever reads must read to the end: only then has the layer proved to be what its descriptor says. Source: OCI
 * image-spec 1.1, layer.md and descriptor.md; which media types are layers is ostree-ext's `new_async_decompressor`.
 */
import { DigestMismatchError, LimitError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { CompressionKind, Hasher, Platform } from '../../platform/index.ts'
import { uncompressedTar } from '../../repo/index.ts'
import { digestChecksum, digestOf } from '../oci/digest.ts'
import { DOCKER_LAYER, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../oci/media-types.ts'
import type { Descriptor, DiffId } from '../oci/oci-types.ts'
import type { ImageSource } from './interface.ts'

/** Bytes one layer may decompress to: 1 TiB. */
export const MAX_LAYER_BYTES: number = 2 ** 40
/** Bytes out for each byte in. Deflate cannot give more than 1032, so only what is no honest zstd meets this. */
export const MAX_LAYER_RATIO = 4096
/** Up to here nobody asks for the ratio: 1 GiB. A layer may well begin with a large file of zeros. */
export const LAYER_RATIO_FLOOR: number = 2 ** 30

export interface LayerOptions {
  readonly platform: Platform
  /** What the plain tar must hash to. */
  readonly diffId?: DiffId | undefined
  /** Default: `MAX_LAYER_BYTES`. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told the compressed bytes that came so far, after each piece. */
  readonly onBytes?: ((received: number) => void) | undefined
}

type LayerCompression = CompressionKind | 'none' | 'sniff'

/**
 * The plain tar of a layer. A chunk may be reused once the next one is asked for.
 *
 * A blob that is not what was asked for fails as that even where the damage makes decompression fail first.
 * @throws {UnsupportedError} for a media type that is no layer, or an algorithm that cannot be verified;
 *   {DigestMismatchError} for size, digest and diff id; {CompressionError}; {LimitError}; what the source throws
 */
export function openLayer(
  source: Pick<ImageSource, 'blob' | 'sniffCompression'>,
  layer: Descriptor,
  options: LayerOptions,
): AsyncIterable<Uint8Array> {
  const compression = source.sniffCompression ? 'sniff' : compressionOf(layer.mediaType)
  digestChecksum(layer.digest)
  return stream(() => source.blob(layer), layer, compression, options)
}

/** @throws {UnsupportedError} on what is no layer, or one whose bytes the image does not hold */
function compressionOf(mediaType: string): LayerCompression {
  switch (mediaType) {
    case OCI_LAYER_GZIP:
      return 'gzip'
    case OCI_LAYER_ZSTD:
      return 'zstd'
    case OCI_LAYER:
    case DOCKER_LAYER:
      return 'none'
    default:
      throw new UnsupportedError('layer type', `Unhandled layer type: ${mediaType}`)
  }
}

async function* stream(
  open: () => AsyncIterable<Uint8Array>,
  layer: Descriptor,
  compression: LayerCompression,
  options: LayerOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { platform, diffId, maxBytes = MAX_LAYER_BYTES, signal } = options
  signal?.throwIfAborted()
  const blob = new VerifiedBlob(open(), layer, options)
  const sum = diffId === undefined ? undefined : platform.createSha256()
  let size = 0
  try {
    try {
      for await (const chunk of decompressed(platform, compression, blob, { maxBytes, signal })) {
        signal?.throwIfAborted()
        size += chunk.length
        checkSize(size, blob.received, maxBytes)
        sum?.update(chunk)
        yield chunk
      }
    } catch (error) {
      // The damage of a wrong blob shows in many ways; the one that counts is that it is the wrong one.
      if (error instanceof OstreeError && error.code === 'corrupt') await blob.drain()
      throw error
    }
    await blob.drain()
    if (sum !== undefined && diffId !== undefined) {
      const actual = digestOf(sum.digest())
      if (actual !== diffId) throw new DigestMismatchError('diffId', layer.digest, diffId, actual)
    }
  } catch (error) {
    throw error instanceof DigestMismatchError ? error : withContext(`layer ${layer.digest}`, error)
  } finally {
    await blob.close()
  }
}

function decompressed(
  platform: Platform,
  compression: LayerCompression,
  blob: AsyncIterable<Uint8Array>,
  options: { maxBytes: number; signal: AbortSignal | undefined },
): AsyncIterable<Uint8Array> {
  if (compression === 'none') return blob
  if (compression === 'sniff') return uncompressedTar(platform, blob, options)
  return platform.decompress(compression, blob, options)
}

function checkSize(size: number, received: number, maxBytes: number): void {
  if (size > maxBytes) throw new LimitError('layer size', maxBytes)
  if (size > LAYER_RATIO_FLOOR && size > received * MAX_LAYER_RATIO) {
    throw new LimitError('compression ratio of the layer', MAX_LAYER_RATIO)
  }
}

/**
 * The bytes of a blob, held against its descriptor once all of them came. A reader may leave early: the rest is still
 * to be had by `drain`, so that what a decoder does not care for (trailers, padding) is verified as well.
 */
class VerifiedBlob implements AsyncIterable<Uint8Array> {
  received = 0
  readonly #from: AsyncIterator<Uint8Array>
  readonly #layer: Descriptor
  readonly #options: LayerOptions
  readonly #sum: Hasher
  #ended = false

  constructor(from: AsyncIterable<Uint8Array>, layer: Descriptor, options: LayerOptions) {
    this.#from = from[Symbol.asyncIterator]()
    this.#layer = layer
    this.#options = options
    this.#sum = options.platform.createSha256()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void> {
    return {
      next: () => this.#next(),
      return: async () => ({ done: true, value: undefined }),
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array, void>> {
    if (this.#ended) return { done: true, value: undefined }
    this.#options.signal?.throwIfAborted()
    let next: IteratorResult<Uint8Array>
    try {
      next = await this.#pull()
    } catch (error) {
      // Not ended when aborted: the source has not been told.
      this.#ended = this.#options.signal?.aborted !== true
      throw error
    }
    if (next.done) {
      this.#ended = true
      this.#verify()
      return { done: true, value: undefined }
    }
    this.received += next.value.length
    // No need to read what cannot become right any more, and it might have no end.
    if (this.received > this.#layer.size) this.#wrongSize()
    this.#sum.update(next.value)
    this.#options.onBytes?.(this.received)
    return next
  }

  #pull(): Promise<IteratorResult<Uint8Array>> {
    const { signal } = this.#options
    const next = this.#from.next()
    return signal === undefined ? next : unlessAborted(next, signal)
  }

  #verify(): void {
    const { digest, size } = this.#layer
    if (this.received !== size) this.#wrongSize()
    const actual = digestOf(this.#sum.digest())
    if (actual !== digest) throw new DigestMismatchError('digest', digest, digest, actual)
  }

  #wrongSize(): never {
    const { digest, size } = this.#layer
    throw new DigestMismatchError('size', digest, size, this.received)
  }

  /** Reads what is left. @throws {DigestMismatchError} */
  async drain(): Promise<void> {
    while (!(await this.#next()).done);
  }

  /** An aborted reader does not wait for a source that may never answer. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const returned = this.#from.return?.()
    if (this.#options.signal?.aborted) returned?.catch(() => undefined)
    else await returned
  }
}

/** As `pending`, but rejects at once when the signal is aborted, whether `pending` ever settles or not. */
function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
