/**
 * Writes an image to a registry: first the blobs, then the manifest, under its tag or digest.
 *
 * Source: OCI distribution-spec 1.1, "Push"; containers/image, package `docker`.
 */
import { DigestMismatchError, UnsupportedError, UsageError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { digestOf } from '../oci/digest.ts'
import { hasherFor } from '../oci/digest-hasher.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import type { ImageReference } from '../oci/reference.ts'
import { formatRegistryReference, parseRegistryReference, type RegistryReference } from '../oci/registry-reference.ts'
import { VerifiedBlob } from '../oci/verified-blob.ts'
import type { ImageDestination, PutBlobOptions, PutManifestOptions } from '../transport/destination.ts'
import { RegistryClient } from './client.ts'
import { endpointsOf } from './endpoints.ts'
import { RegistryError } from './errors.ts'
import { clientOptions, type DestinationContext } from './options.ts'
import { Patience } from './retry.ts'
import { sendBlob } from './send-blob.ts'
import { ANY_SUCCESS, hasBlob, hasStatus, UploadSession } from './upload.ts'

/** Bytes of a piece after a registry has refused a stream as too large. */
const FALLBACK_PIECE: number = 16 * 1024 * 1024
const ACCEPTED: ReadonlySet<string> = new Set([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])

/**
 * Opens an image in a registry for writing.
 * @param name the part of a reference after `docker://`. With a digest, only the manifest of that digest is accepted
 */
export function openRegistryDestination(name: string, context: DestinationContext): ImageDestination {
  const { registry, platform, signal } = context
  const reference = parseRegistryReference(name)
  const closing = new AbortController()
  const ends = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  const endpoints = endpointsOf(reference, registry?.registries, registry?.insecure)
  // Mirrors are only read; blobs and manifests are written to the registry itself.
  const endpoint = endpoints.at(-1) ?? endpoints[0]
  const client = new RegistryClient(endpoint, 'pull,push', clientOptions(registry, ends))
  return new RegistryDestination(reference, client, platform, closing, registry?.uploadPiece ?? 0)
}

class RegistryDestination implements ImageDestination {
  readonly what: string
  readonly #reference: RegistryReference
  readonly #client: RegistryClient
  readonly #platform: Platform
  readonly #closing: AbortController
  /** Bytes of one piece of an upload; 0 for uploads as one stream. */
  #piece: number
  #manifest: { readonly bytes: Uint8Array; readonly mediaType: string; readonly digest: Digest } | undefined

  constructor(
    reference: RegistryReference,
    client: RegistryClient,
    platform: Platform,
    closing: AbortController,
    piece: number,
  ) {
    this.what = `docker://${formatRegistryReference(reference)}`
    this.#reference = reference
    this.#client = client
    this.#platform = platform
    this.#closing = closing
    this.#piece = piece
  }

  acceptsManifest(mediaType: string): boolean {
    return ACCEPTED.has(mediaType)
  }

  async hasBlob({ digest }: StoredBlob, origin?: ImageReference): Promise<boolean> {
    if (await hasBlob(this.#client, digest)) return true
    const from = this.#mountable(origin)
    return from !== undefined && (await this.#mount(digest, from))
  }

  /** Returns the repository of `origin` if it is another one of the same registry. */
  #mountable(origin: ImageReference | undefined): string | undefined {
    if (origin?.transport !== 'registry') return undefined
    const { domain, repository } = parseRegistryReference(origin.name)
    return domain === this.#reference.domain && repository !== this.#reference.repository ? repository : undefined
  }

  async #mount(digest: Digest, from: string): Promise<boolean> {
    const answer = await this.#client.ask({
      method: 'POST',
      path: `/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
      what: digest,
      scopes: [`repository:${from}:pull`],
      // The registry may deny access to the other repository. The blob is then uploaded.
      expect: [201, 202, 400, 401, 403, 404, 405],
    })
    if (answer.status === 202) await (await UploadSession.of(this.#client, digest, answer)).cancel()
    else await answer.excerpt()
    return answer.status === 201
  }

  async putBlob(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions = {}): Promise<StoredBlob> {
    const { reopen } = options
    const patience = new Patience(this.#client.retry)
    for (let source = bytes; ; ) {
      try {
        return await this.#putOnce(source, options)
      } catch (error) {
        // A failure of the source is not retried here, since the source has its own retries.
        const isOwn = error instanceof RegistryError && error.data.registry === this.#reference.domain
        if (reopen === undefined || !isOwn) throw error
        if (hasStatus(error, 413) && this.#piece === 0) this.#piece = FALLBACK_PIECE
        else await patience.wait(error)
        source = reopen()
      }
    }
  }

  async #putOnce(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions): Promise<StoredBlob> {
    const { digest, size } = options
    const hasher = digest && (await hasherFor(this.#platform, digest))
    await using blob = new VerifiedBlob(this.#platform, bytes, options, { hasher })
    await sendBlob(this.#client, blob, { what: digest ?? 'uploading a blob', size, piece: this.#piece })
    return await blob.finish()
  }

  async putManifest(bytes: Uint8Array, { mediaType }: PutManifestOptions): Promise<Digest> {
    if (!this.acceptsManifest(mediaType)) {
      throw new UnsupportedError('manifest type', `${this.what}: unsupported manifest MIME type: ${mediaType}`)
    }
    if (this.#manifest !== undefined) throw new UsageError(`${this.what}: the image already has a manifest`)
    const digest = digestOf(this.#platform.sha256(bytes))
    const wanted = this.#reference.digest
    if (wanted !== undefined && wanted !== digest) throw new DigestMismatchError('digest', wanted, wanted, digest)
    this.#manifest = { bytes: new Uint8Array(bytes), mediaType, digest }
    return digest
  }

  async commit(): Promise<Digest> {
    const { what } = this
    if (this.#manifest === undefined) throw new UsageError(`${what}: the image has no manifest to commit`)
    const { bytes, mediaType, digest } = this.#manifest
    const name = this.#reference.digest ?? this.#reference.tag ?? 'latest'
    try {
      const answer = await this.#client.ask({
        method: 'PUT',
        path: `/manifests/${name}`,
        what: name,
        headers: { 'content-type': mediaType },
        body: bytes,
        expect: ANY_SUCCESS,
      })
      await answer.excerpt()
      const stored = answer.header('docker-content-digest') ?? digest
      if (stored !== digest) throw new DigestMismatchError('digest', name, digest, stored)
      return digest
    } catch (error) {
      throw withContext('writing manifest', error)
    }
  }

  /** Aborts running requests. Blobs that were sent stay; the registry's garbage collection removes them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
  }
}
