/**
 * Where images go. One image a destination: its blobs in any order and several at once, then the manifest, then `commit`,
 * which is when others get to see it.
 *
 * ```
 * blobs (layers, config) ──▶ putBlob … putBlob ──▶ putManifest ──▶ commit ──▶ there, whole, under its name
 *                                                        └ disposed of before that: nothing of it shows
 * ```
 */
import type { WritableFiles } from '../../platform/index.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import type { ImageReference } from '../oci/reference.ts'
import type { SourceContext } from './interface.ts'

/** What every transport needs in order to write. */
export interface WriteContext extends SourceContext {
  /** Absent where there is no file system, or none to write to: then only transports that need none work. */
  readonly files?: WritableFiles | undefined
}

/** What is known of a blob before it is read. Transports that need it first use a temporary file without it. */
export interface PutBlobOptions {
  /** What the blob is, where the sender knows before it is through: lets a transport do without a spool. */
  readonly digest?: Digest | undefined
  readonly size?: number | undefined
  readonly mediaType?: string | undefined
}

/** Media type and platform of a manifest. */
export interface PutManifestOptions {
  /** One of the types of manifest, whether the bytes name it or not. */
  readonly mediaType: string
  /** For the index entry of transports that keep one. */
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string } | undefined
}

/**
 * A place that one image is written to: blobs in any order and several at once, then the manifest, then `commit`. Until
 * then the image is not visible under its name; disposing of the destination before discards what was written.
 */
export interface ImageDestination extends AsyncDisposable {
  /** Names it in messages; without credentials. */
  readonly what: string
  /** Layers are kept as plain tar, whatever they come as: who compresses them for this works in vain. */
  readonly keepsLayersPlain?: boolean
  /** Whether a manifest of that media type can be kept as it is. */
  acceptsManifest(mediaType: string): boolean
  /**
   * Whether the blob need not be sent: it is there, or the destination could fetch it from a place nearer to itself.
   * @param origin where the image that has it comes from, for transports that can mount across repositories
   */
  hasBlob(blob: StoredBlob, origin?: ImageReference): Promise<boolean>
  /**
   * Stores one blob, whole or not at all. `bytes` is read once, in order, one chunk at a time; each chunk may be reused
   * by its producer once the next one is asked for. Several calls may be in flight; the same blob twice is success.
   * @returns digest and size of what came
   * @throws {DigestMismatchError} when that is not what `options` promised; what `bytes` throws; {IoError},
   *   network errors of the transport
   */
  putBlob(bytes: AsyncIterable<Uint8Array>, options?: PutBlobOptions): Promise<StoredBlob>
  /**
   * Takes the manifest, once, when config and layers are all there. The bytes are kept as they are.
   * @throws {UnsupportedError} for a type that `acceptsManifest` denies
   */
  putManifest(bytes: Uint8Array, options: PutManifestOptions): Promise<Digest>
  /**
   * Publishes the image under its name, in one step; what had that name before is replaced.
   * @returns the digest of the manifest
   * @throws {UsageError} without a manifest
   */
  commit(): Promise<Digest>
}
