/** Where images come from. A transport hands out bytes; whoever reads them verifies them. */
import type { LocalFiles, Platform } from '../../platform/index.ts'
import type { Descriptor, Digest, HostPlatform, ImageConfiguration, ImageManifest } from '../oci-types.ts'

export interface TransportContext {
  readonly platform: Platform
  /** Absent where there is no file system: then only transports that need none work. */
  readonly files?: LocalFiles | undefined
  readonly host: HostPlatform
  readonly signal?: AbortSignal | undefined
}

/** One image of one platform, open for reading. */
export interface ImageSource extends AsyncDisposable {
  /** Of the original bytes of the selected manifest; never that of an index. */
  readonly manifestDigest: Digest
  /** As OCI, converted where the original is Docker's. */
  readonly manifest: ImageManifest
  /** Normalised; verified against the manifest. */
  config(): Promise<ImageConfiguration>
  /** The blob as stored, not verified. @throws {NotFoundError} naming the digest */
  blob(layer: Descriptor): AsyncIterable<Uint8Array>
  /** The media types of layers may lie about compression (docker-archive): look at the first bytes instead. */
  readonly sniffCompression: boolean
}
