/** The interface that images are read through. A transport returns bytes; its caller verifies them. */
import type { LocalFiles, Platform } from '../../platform/index.ts'
import type { Descriptor, Digest, HostPlatform, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'

/** Default of `ImageLimits.maxLayers`: layers of one image. Linux stacks at most 500, container builders 128. */
export const MAX_LAYERS = 1000
/** Default of `ImageLimits.maxLayerBytes`: maximum size of one decompressed layer, in bytes, 1 TiB. */
export const MAX_LAYER_BYTES: number = 2 ** 40

/** The surroundings that every transport needs in order to read. */
export interface SourceContext {
  readonly platform: Platform
  /** The file system to read from. Without it, only transports that do not use files work. */
  readonly files?: LocalFiles | undefined
  /** The platform for which an image is chosen from an index. */
  readonly host: HostPlatform
  readonly signal?: AbortSignal | undefined
  /** Layers of the image, checked before any of them is read. Default `MAX_LAYERS`. */
  readonly maxLayers?: number | undefined
  /** Bytes of one layer that is decompressed to open the image (docker-archive). Default `MAX_LAYER_BYTES`. */
  readonly maxLayerBytes?: number | undefined
}

/** One image of one platform, open for reading. Blobs are not verified by the source, but by its reader. */
export interface ImageSource extends AsyncDisposable {
  /** Digest of the original bytes of the selected manifest. Never the digest of an index. */
  readonly manifestDigest: Digest
  /** The manifest unchanged, with its media type, for copies of the image. `manifestDigest` is its digest. */
  readonly original: { readonly bytes: Uint8Array; readonly mediaType: string }
  /** The manifest in OCI form, converted if the original is a Docker manifest. */
  readonly manifest: ImageManifest
  /**
   * Reads the config blob, unchanged.
   * @throws {DigestMismatchError} when it does not match the original manifest; {NotFoundError} when it is missing
   */
  configBytes(): Promise<Uint8Array>
  /** Reads and parses the config. @throws {FormatError} when it is malformed; as `configBytes` */
  config(): Promise<ImageConfiguration>
  /** Reads a blob as it is stored, without verifying it. @throws {NotFoundError} when it is missing */
  blob(layer: Descriptor): AsyncIterable<Uint8Array>
  /** Whether layers are given as plain tar under their diff ids, whatever their media types say (docker-archive). */
  readonly givesPlainLayers: boolean
}
