/**
 * The interface that images are written through. A destination takes one image: its blobs in any order and several at
 * once, then the manifest, then `commit`, which makes the image visible.
 *
 * ```
 * blobs (layers, config) ──▶ putBlob … putBlob ──▶ putManifest ──▶ commit ──▶ the image is visible, under its name
 *                                                        └ disposed of before that: the image is not visible
 * ```
 */
import type { WritableFiles } from '../../platform/index.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import type { ImageReference } from '../oci/reference.ts'
import type { SourceContext } from './interface.ts'

/** The surroundings that every transport needs in order to write. */
export interface WriteContext extends SourceContext {
  /** The file system to write to. Without it, only transports that do not use files work. */
  readonly files?: WritableFiles | undefined
}

/** Properties of a blob, as far as they are known before it is read. Digest and size are verified. */
export interface PutBlobOptions {
  readonly digest?: Digest | undefined
  /** Bytes. */
  readonly size?: number | undefined
  /**
   * Returns the bytes of the blob once more. With it, a registry destination sends a blob again after a connection broke
   * off; without it, such a failure is an error.
   */
  readonly reopen?: (() => AsyncIterable<Uint8Array>) | undefined
  /** Media type; with it, a `docker-archive:` destination tells the config from layers. */
  readonly mediaType?: string | undefined
}

/** Media type and platform of a manifest. */
export interface PutManifestOptions {
  /** Media type of the manifest, also where its bytes contain it. */
  readonly mediaType: string
  /** Platform of the image, for transports that write an index. */
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string } | undefined
}

/**
 * A place that one image is written to: blobs in any order and several at once, then the manifest, then `commit`. Until
 * then the image is not visible under its name; disposing of the destination before discards what was written.
 */
export interface ImageDestination extends AsyncDisposable {
  /** Name of the destination in messages, without credentials. */
  readonly what: string
  /** Whether layers are stored as plain tar in any case, so that compressing them first is useless. Default false. */
  readonly keepsLayersPlain?: boolean
  /** Tells whether a manifest of that media type can be stored unchanged. */
  acceptsManifest(mediaType: string): boolean
  /**
   * Tells whether the blob need not be sent: the destination has it, or could take it over from `origin`.
   * @param origin the image that the blob comes from, for registries that can mount blobs across repositories
   */
  hasBlob(blob: StoredBlob, origin?: ImageReference): Promise<boolean>
  /**
   * Stores one blob, completely or not at all. `bytes` is read once, in order, one chunk at a time; its producer may
   * reuse a chunk once the next one is requested. Several calls may run at once. Storing a blob twice succeeds.
   * @returns digest and size of the bytes read
   * @throws {DigestMismatchError} when digest or size differ from those in `options`; what `bytes` throws
   * @throws {IoError} when a file cannot be written; {RegistryError} when a registry does not accept the blob
   */
  putBlob(bytes: AsyncIterable<Uint8Array>, options?: PutBlobOptions): Promise<StoredBlob>
  /**
   * Takes the manifest. To be called once, after config and layers were stored.
   * @returns the digest of the manifest
   * @throws {UnsupportedError} when `acceptsManifest` returns false for its media type
   */
  putManifest(bytes: Uint8Array, options: PutManifestOptions): Promise<Digest>
  /**
   * Publishes the image under its name. It replaces an image of that name.
   * @returns the digest of the manifest
   * @throws {UsageError} when `putManifest` was not called
   */
  commit(): Promise<Digest>
}
