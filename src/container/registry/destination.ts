/**
 * An image on its way into a registry: blobs as they come, the manifest last, under its tag or digest.
 *
 * Source: OCI distribution-spec 1.1, "Push"; containers/image, package `docker`.
 */
import { DigestMismatchError, UnsupportedError, UsageError, withContext } from '../../errors.ts'
import type { Hasher, Platform } from '../../platform/index.ts'
import { digestOf } from '../oci/digest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Digest } from '../oci/oci-types.ts'
import type { ImageReference } from '../oci/reference.ts'
import { formatRegistryReference, parseRegistryReference, type RegistryReference } from '../oci/registry-reference.ts'
import type { ImageDestination, PutBlobOptions, PutManifestOptions, StoredBlob } from '../transport/destination.ts'
import { RegistryClient } from './client.ts'
import { endpointsOf } from './endpoints.ts'
import { clientOptions, type DestinationContext } from './options.ts'
import { pieces } from './pieces.ts'
import { finishPieces, hasBlob, UPLOAD_PIECE, UploadSession, uploadWhole } from './upload.ts'

const ACCEPTED: ReadonlySet<string> = new Set([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])

/** @param name what follows `docker://`; with a digest, only the manifest of that digest can be committed */
export function openRegistryDestination(name: string, context: DestinationContext): ImageDestination {
  const { registry, platform, signal } = context
  const reference = parseRegistryReference(name)
  const closing = new AbortController()
  const ends = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  const endpoints = endpointsOf(reference, registry?.registries, registry?.insecure)
  // Mirrors are for reading; what is written goes to the registry itself.
  const endpoint = endpoints.at(-1) ?? endpoints[0]
  const client = new RegistryClient(endpoint, 'pull,push', clientOptions(registry, ends))
  return new RegistryDestination(reference, client, platform, closing, registry?.uploadPiece ?? UPLOAD_PIECE)
}

class RegistryDestination implements ImageDestination {
  readonly what: string
  readonly #reference: RegistryReference
  readonly #client: RegistryClient
  readonly #platform: Platform
  readonly #closing: AbortController
  readonly #piece: number
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

  /** @returns another repository of the same registry */
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
      // A registry that does not let us read there may say so; that only means that it has to be sent.
      expect: [201, 202, 400, 401, 403, 404, 405],
    })
    if (answer.status === 202) await (await UploadSession.of(this.#client, digest, answer)).cancel()
    else await answer.excerpt()
    return answer.status === 201
  }

  async putBlob(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions = {}): Promise<StoredBlob> {
    const blob = new Counted(bytes, this.#platform, options)
    const session = await UploadSession.begin(this.#client, options.digest ?? 'sending a blob')
    try {
      if (this.#piece === 0) {
        await session.stream(blob, options.size)
        await finishPieces(this.#client, session, (await blob.stored()).digest)
      } else {
        await this.#putPieces(session, blob)
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) await session.cancel()
      throw error
    }
    return await blob.stored()
  }

  /** The next piece is gathered while one is sent. */
  async #putPieces(session: UploadSession, blob: Counted): Promise<void> {
    let sending: Promise<void> = Promise.resolve()
    for await (const { bytes, last } of pieces(blob, Math.max(this.#piece, session.minimum))) {
      await sending
      if (last && session.sent === 0) {
        await uploadWhole(this.#client, bytes, (await blob.stored()).digest, session)
        return
      }
      sending = session.patch(bytes)
      // it is waited for further on, and may fail before that
      sending.catch(() => undefined)
    }
    await sending
    await finishPieces(this.#client, session, (await blob.stored()).digest)
  }

  async putManifest(bytes: Uint8Array, { mediaType }: PutManifestOptions): Promise<Digest> {
    if (!this.acceptsManifest(mediaType)) {
      throw new UnsupportedError('manifest type', `${this.what}: unsupported manifest MIME type: ${mediaType}`)
    }
    if (this.#manifest !== undefined) throw new UsageError(`${this.what}: there is a manifest already`)
    const digest = digestOf(this.#platform.sha256(bytes))
    const wanted = this.#reference.digest
    if (wanted !== undefined && wanted !== digest) throw new DigestMismatchError('digest', wanted, wanted, digest)
    this.#manifest = { bytes: bytes.slice(), mediaType, digest }
    return digest
  }

  async commit(): Promise<Digest> {
    const { what } = this
    if (this.#manifest === undefined) throw new UsageError(`${what}: there is no manifest to commit`)
    const { bytes, mediaType, digest } = this.#manifest
    const name = this.#reference.digest ?? this.#reference.tag ?? 'latest'
    try {
      const answer = await this.#client.ask({
        method: 'PUT',
        path: `/manifests/${name}`,
        what: name,
        headers: { 'content-type': mediaType },
        body: bytes,
        expect: [201, 202],
      })
      await answer.excerpt()
      const stored = answer.header('docker-content-digest') ?? digest
      if (stored !== digest) throw new DigestMismatchError('digest', name, digest, stored)
      return digest
    } catch (error) {
      throw withContext('writing manifest', error)
    }
  }

  /** Stops what is under way; blobs that arrived stay, and the registry's own collection sees to them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
  }
}

/** A blob that is hashed while it is read, and held against what was promised once it has been. */
class Counted implements AsyncIterable<Uint8Array> {
  readonly #from: AsyncIterator<Uint8Array>
  readonly #promised: PutBlobOptions
  readonly #hasher: Hasher
  #size = 0
  #stored: StoredBlob | undefined
  /** The step under way; steps follow one another whoever takes them. */
  #step: Promise<IteratorResult<Uint8Array, void>> | undefined

  constructor(from: AsyncIterable<Uint8Array>, platform: Platform, promised: PutBlobOptions) {
    this.#from = from[Symbol.asyncIterator]()
    this.#promised = promised
    this.#hasher = platform.createSha256()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.#from.return?.()
        return { done: true, value: undefined }
      },
    }
  }

  #next(): Promise<IteratorResult<Uint8Array, void>> {
    // A step that failed makes all that follow fail the same way.
    this.#step = this.#step === undefined ? this.#read() : this.#step.then(() => this.#read())
    return this.#step
  }

  async #read(): Promise<IteratorResult<Uint8Array, void>> {
    const { digest: wanted, size: most } = this.#promised
    const name = wanted ?? 'to be stored'
    if (this.#stored !== undefined) return { done: true, value: undefined }
    const next = await this.#from.next()
    if (!next.done) {
      this.#size += next.value.length
      if (most !== undefined && this.#size > most) throw new DigestMismatchError('size', name, most, this.#size)
      this.#hasher.update(next.value)
      return next
    }
    const digest = digestOf(this.#hasher.digest())
    if (most !== undefined && this.#size !== most) throw new DigestMismatchError('size', name, most, this.#size)
    if (wanted !== undefined && digest !== wanted) throw new DigestMismatchError('digest', wanted, wanted, digest)
    this.#stored = { digest, size: this.#size }
    return { done: true, value: undefined }
  }

  /** What was stored, once all has been read; who knows its length may have left the end of it unread. */
  async stored(): Promise<StoredBlob> {
    while (this.#stored === undefined) {
      const { done } = await this.#next()
      // reading was given up in the middle: what follows is nowhere stored
      if (done !== true) throw new UsageError('The blob has not been read to its end')
    }
    return this.#stored
  }
}
