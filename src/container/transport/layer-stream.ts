/**
 * Turns one layer, as it is stored, into its plain tar, and verifies both:
 *
 *     blob ─ count, sha256 ─ decompress ─ count, sha256 ─▶ chunks
 *              │                            │
 *              └ size, digest               └ diff id          compared before the iteration ends
 *
 * The tar is verified only when it is read to its end. The first bytes of a blob say how it is compressed, as for container
 * engines: programs that copy images write plain layers with the media type of gzip, gzip with that of zstd, and so on. The
 * diff id decides whether the result is right. The media type counts only for what is neither compressed nor a tar.
 *
 * Source: OCI image-spec 1.1, layer.md and descriptor.md; which media types are layers is decided as in ostree-ext,
 * `new_async_decompressor`.
 */
import { DigestMismatchError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { CompressionKind, Platform } from '../../platform/index.ts'
import { uncompressedTar } from '../../repo/index.ts'
import { digestChecksum } from '../oci/digest.ts'
import {
  DOCKER_FOREIGN_LAYER,
  DOCKER_FOREIGN_LAYER_GZIP,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  OCI_FOREIGN_LAYER,
  OCI_FOREIGN_LAYER_GZIP,
  OCI_FOREIGN_LAYER_ZSTD,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
} from '../oci/media-types.ts'
import type { Descriptor, DiffId } from '../oci/oci-types.ts'
import { limitExpansion, VerifiedBlob } from '../oci/verified-blob.ts'
import { type ImageSource, MAX_LAYER_BYTES } from './interface.ts'

/** How a layer is opened. */
export interface OpenLayerOptions {
  readonly platform: Platform
  /** Digest that the plain tar must have. Not checked when absent. */
  readonly diffId?: DiffId | undefined
  /** Maximum size of the plain tar, in bytes. Default: `MAX_LAYER_BYTES`. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk with the number of compressed bytes received so far. */
  readonly onBytes?: ((received: number) => void) | undefined
}

/**
 * Reads a layer and returns its plain tar. A chunk may be reused once the next one is asked for.
 *
 * A wrong blob fails with `DigestMismatchError`, even where its bytes make decompression fail first.
 * @throws {UnsupportedError} when the media type is not that of a layer, or the digest's algorithm is not SHA-256;
 *   {DigestMismatchError} for size, digest and diff id; {CompressionError}; {LimitError}; what the source throws
 */
export function openLayer(
  source: Pick<ImageSource, 'blob'>,
  layer: Descriptor,
  options: OpenLayerOptions,
): AsyncIterable<Uint8Array> {
  const labelled = compressionOf(layer.mediaType)
  // A blob that has the diff id as its digest is the plain tar.
  const otherwise = layer.digest === options.diffId ? undefined : labelled
  digestChecksum(layer.digest)
  return stream(() => source.blob(layer), layer, otherwise, options)
}

/**
 * Returns the compression for a layer's media type. Builders mix the types of Docker and OCI in one manifest. Layers that
 * may not be distributed are read like others if the image has them; the addresses in their descriptors are not used.
 * @throws {UnsupportedError} when the type is not that of a layer
 */
function compressionOf(mediaType: string): CompressionKind | undefined {
  switch (mediaType) {
    case OCI_LAYER_GZIP:
    case OCI_FOREIGN_LAYER_GZIP:
    case DOCKER_LAYER_GZIP:
    case DOCKER_FOREIGN_LAYER_GZIP:
      return 'gzip'
    case OCI_LAYER_ZSTD:
    case OCI_FOREIGN_LAYER_ZSTD:
    case DOCKER_LAYER_ZSTD:
      return 'zstd'
    case OCI_LAYER:
    case OCI_FOREIGN_LAYER:
    case DOCKER_LAYER:
    case DOCKER_FOREIGN_LAYER:
      return undefined
    default:
      throw new UnsupportedError('layer type', `Unhandled layer type: ${mediaType}`)
  }
}

async function* stream(
  open: () => AsyncIterable<Uint8Array>,
  layer: Descriptor,
  otherwise: CompressionKind | undefined,
  { platform, diffId, maxBytes = MAX_LAYER_BYTES, signal, onBytes }: OpenLayerOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  await using blob = new VerifiedBlob(platform, open(), layer, { signal, onBytes })
  const plain = uncompressedTar(platform, blob, { maxBytes, signal, otherwise })
  await using tar = new VerifiedBlob(platform, limitExpansion(plain, blob, { what: 'layer', maxBytes }))
  try {
    try {
      for await (const chunk of tar) {
        signal?.throwIfAborted()
        yield chunk
      }
    } catch (error) {
      // A blob with a wrong digest can fail to decompress. `drain` reads the rest, and throws the mismatch.
      if (error instanceof OstreeError && error.code === 'corrupt') await blob.drain()
      throw error
    }
    // Bytes after the end of the compressed data, such as padding, are verified too.
    await blob.drain()
    const { digest } = await tar.finish()
    if (diffId !== undefined && digest !== diffId) throw new DigestMismatchError('diffId', layer.digest, diffId, digest)
  } catch (error) {
    throw error instanceof DigestMismatchError ? error : withContext(`layer ${layer.digest}`, error)
  }
}
