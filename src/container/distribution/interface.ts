/** The interface of a repository of a registry. */
import type { Content } from '../../bytes.ts'
import type { Platform } from '../../platform/index.ts'
import type { Descriptor, Digest, HostPlatform, StoredBlob } from '../oci/oci-types.ts'
import type { HostPolicy } from '../policy/policy-check.ts'
import type { RegistryOptions } from '../registry/options.ts'
import type { PutBlobOptions } from '../transport/destination.ts'

/** How a repository is reached. */
export interface RepositoryOptions extends RegistryOptions {
  readonly platform: Platform
  readonly signal?: AbortSignal | undefined
  /** The signature policy. Manifests of images that it does not accept are not read. Default: every image is accepted. */
  readonly policy?: HostPolicy | undefined
}

/** A manifest, an index, or the manifest of an artifact, as the registry has it. Its digest is verified. */
export interface RegistryManifest extends Descriptor {
  readonly bytes: Uint8Array
}

/** How a blob is read. */
export interface ReadBlobOptions {
  /**
   * Connections over which a large blob is fetched at once, in pieces of 4 MiB, of which as many are in memory. A registry
   * that gives no ranges sends it as one stream. Default 1: one stream, which continues where a connection broke off.
   */
  readonly connections?: number | undefined
}

/** A repository of a registry. All methods throw a `RegistryError` when the registry cannot be reached, or refuses. */
export interface RegistryRepository extends AsyncDisposable {
  /** `HOST/PATH`. */
  readonly name: string
  /**
   * Finds what a tag or digest names, without reading it. Its digest is what the registry says; reading it verifies it.
   * @throws {RegistryError} `not-found` when there is no such tag or digest
   */
  resolve(tagOrDigest: string): Promise<Descriptor>
  /**
   * Reads a manifest or index.
   * @throws {DigestMismatchError} when it has another digest; {LimitError} when it is larger than 4 MiB
   */
  manifest(tagOrDigest: string): Promise<RegistryManifest>
  /**
   * Reads the manifest for a platform. In an index, attestations and entries of the platform `unknown/unknown` are
   * passed over.
   * @throws {NotFoundError} when an index has none for the platform; as `manifest`
   */
  image(tagOrDigest: string, host: HostPlatform): Promise<RegistryManifest>
  /** Lists all tags, page by page, in the order of the registry. */
  tags(): AsyncGenerator<string, void, undefined>
  /**
   * Lists the manifests whose `subject` is this one: signatures, attestations, SBOMs. On registries without the referrers
   * API the index with the fallback tag is read.
   * @param artifactType lists only those of this type
   */
  referrers(digest: Digest, artifactType?: string): Promise<Descriptor[]>
  /**
   * Reads a blob as it is stored. Digest (sha256, sha384, sha512) and size are verified before the iteration ends. Memory
   * does not depend on its size.
   */
  blob(blob: Descriptor, options?: ReadBlobOptions): AsyncGenerator<Uint8Array, void, undefined>
  /** Reads a layer as plain tar, whatever it is compressed with. @throws {DigestMismatchError} as for `blob`, and for the diff id */
  layer(layer: Descriptor, diffId?: Digest): AsyncIterable<Uint8Array>
  /** Tells whether the repository has a blob. */
  hasBlob(blob: StoredBlob): Promise<boolean>
  /**
   * Takes over a blob from another repository of the registry.
   * @param from path of that repository
   * @returns false when the registry does not do that; the blob has to be sent then
   */
  mount(blob: StoredBlob, from: string): Promise<boolean>
  /**
   * Sends a blob, unless the repository has it.
   * @param options digest and size are verified where they are given. A digest of sha384 or sha512 names the blob in place of
   *   that of sha256. With `reopen` a stream is sent again after a failure
   * @throws {DigestMismatchError} when one differs
   */
  pushBlob(content: Content, options?: PutBlobOptions): Promise<StoredBlob>
  /**
   * Sends a manifest, index or artifact manifest. If it has a `subject` and the registry has no referrers API, it is added to
   * the index with the fallback tag.
   * @param tag the name it gets, beside its digest; or its digest of sha384 or sha512, in place of that of sha256
   * @throws {DigestMismatchError} when it has not that digest
   */
  pushManifest(content: Uint8Array | object, mediaType: string, tag?: string): Promise<Descriptor>
  /** Ends all running requests. */
  close(): Promise<void>
}
