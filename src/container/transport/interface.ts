/** Where images come from. A transport hands out bytes; whoever reads them verifies them. */
import type { LocalFiles, Platform } from '../../platform/index.ts'
import type { Descriptor, Digest, HostPlatform, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'

/** What every transport needs in order to read. */
export interface SourceContext {
  readonly platform: Platform
  /** Absent where there is no file system: then only transports that need none work. */
  readonly files?: LocalFiles | undefined
  readonly host: HostPlatform
  readonly signal?: AbortSignal | undefined
}

/** One image of one platform, open for reading. Blobs are not verified by the source, but by its reader. */
export interface ImageSource extends AsyncDisposable {
  /** Of the original bytes of the selected manifest; never that of an index. */
  readonly manifestDigest: Digest
  /** The very bytes `manifestDigest` is of, and what they are: what a copy hands on. */
  readonly original: { readonly bytes: Uint8Array; readonly mediaType: string }
  /** As OCI, converted where the original is Docker's. */
  readonly manifest: ImageManifest
  /** The config blob as it stands, verified against the original manifest. */
  configBytes(): Promise<Uint8Array>
  /** The same, normalised. */
  config(): Promise<ImageConfiguration>
  /** The blob as stored, not verified. @throws {NotFoundError} naming the digest */
  blob(layer: Descriptor): AsyncIterable<Uint8Array>
  /** The media types of layers may lie about compression (docker-archive): look at the first bytes instead. */
  readonly sniffCompression: boolean
}
