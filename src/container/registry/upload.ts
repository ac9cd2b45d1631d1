/**
 * Uploads blobs to a registry. A blob that fits into one piece is sent in one request. A larger one is sent in pieces,
 * each held in memory until the registry has it, so that after a broken connection only one piece is sent again.
 *
 * ```
 * POST  …/blobs/uploads/                     202, Location
 * PATCH Location   Content-Range: 0-n        202, Location (a new one), Range: 0-n     as often as needed
 * PUT   Location&digest=sha256:…             201
 * ```
 *
 * Source: OCI distribution-spec 1.1, "Pushing blobs".
 */
import { EMPTY_BYTES } from '../../bytes.ts'
import { LimitError } from '../../errors.ts'
import type { Digest } from '../oci/oci-types.ts'
import type { ClientRequest, RegistryClient } from './client.ts'
import { RegistryError } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Patience, withRetries } from './retry.ts'

/** Default size of one piece, in bytes. */
export const UPLOAD_PIECE: number = 16 * 1024 * 1024
/** Largest minimum size of a piece that a registry may require, in bytes. */
const MAX_PIECE: number = 256 * 1024 * 1024
const BINARY = { 'content-type': 'application/octet-stream' }

/** One upload that a registry has accepted. */
export class UploadSession {
  readonly #client: RegistryClient
  readonly #what: string
  #location: string
  /** Smallest piece the registry accepts, in bytes, from the header `OCI-Chunk-Min-Length`. */
  readonly minimum: number
  /** Bytes that the registry has received. */
  sent = 0

  private constructor(client: RegistryClient, what: string, answer: Answer) {
    this.#client = client
    this.#what = what
    this.#location = locationOf(client, what, answer)
    this.minimum = Number(/^\d{1,12}$/.exec(answer.header('oci-chunk-min-length') ?? '')?.[0] ?? 0)
    if (this.minimum > MAX_PIECE) throw new LimitError('minimum upload piece of the registry', MAX_PIECE)
  }

  /**
   * Begins an upload.
   * @param what the digest of the blob, or words for it when the digest is not known yet; for errors
   * @throws {RegistryError} when the registry refuses; {LimitError} when its smallest piece is larger than 256 MiB
   */
  static async begin(client: RegistryClient, what: string): Promise<UploadSession> {
    const answer = await client.ask({ method: 'POST', path: '/blobs/uploads/', what, expect: [202] })
    return await UploadSession.of(client, what, answer)
  }

  /** Continues the upload that an answer of status 202 offers. @throws as `begin` */
  static async of(client: RegistryClient, what: string, answer: Answer): Promise<UploadSession> {
    await answer.excerpt()
    return new UploadSession(client, what, answer)
  }

  /**
   * Sends one piece. After a temporary failure, sends the part that the registry does not have.
   * @throws {RegistryError} when the upload fails, or the registry cannot continue it
   */
  async patch(piece: Uint8Array): Promise<void> {
    const patience = new Patience(this.#client.retry)
    const start = this.sent
    const end = start + piece.length
    while (this.sent < end) {
      const rest = piece.subarray(this.sent - start)
      try {
        await this.#patchOnce(rest, end)
      } catch (error) {
        await patience.wait(error)
        await this.#resume(start, end, error)
      }
    }
  }

  async #patchOnce(bytes: Uint8Array, end: number): Promise<void> {
    const range = `${this.sent}-${end - 1}`
    const answer = await this.#send({
      method: 'PATCH',
      headers: { ...BINARY, 'content-range': range },
      body: bytes,
      expect: [201, 202, 204],
    })
    this.#location = locationOf(this.#client, this.#what, answer)
    const known = receivedOf(answer)
    // Without a `Range` the registry has everything. `Range: 0-0` is ambiguous: some registries send it for no bytes,
    // others for one byte.
    this.sent = known === undefined || known === 1 ? end : Math.min(known, end)
  }

  /** Asks the registry how many bytes it has, and continues after those. */
  async #resume(start: number, end: number, failure: unknown): Promise<void> {
    const answer = await this.#client.ask({
      method: 'GET',
      path: this.#location,
      what: this.#what,
      expect: [200, 202, 204, 400, 404, 416],
    })
    await answer.excerpt()
    const known = answer.status < 400 ? receivedOf(answer) : undefined
    const bytes = known === 1 && start === 0 ? 0 : known
    if (bytes === undefined || bytes < start || bytes > end) {
      const message = 'the connection broke off, and the registry cannot continue this upload'
      throw new RegistryError('network', this.#client.place(this.#what), message, { cause: failure, retryable: true })
    }
    this.sent = bytes
    if (answer.header('location') !== null) this.#location = locationOf(this.#client, this.#what, answer)
  }

  /**
   * Sends a whole blob in one request. It is not retried, since `bytes` can be read only once.
   * @param size bytes of the blob, if known
   * @throws {RegistryError} when the upload fails
   */
  async stream(bytes: AsyncIterable<Uint8Array>, size: number | undefined): Promise<void> {
    const length = size === undefined ? {} : { 'content-length': String(size) }
    const answer = await this.#send({
      method: 'PATCH',
      headers: { ...BINARY, ...length },
      body: bytes,
      expect: [201, 202, 204],
    })
    this.#location = locationOf(this.#client, this.#what, answer)
  }

  /**
   * Ends the upload. The registry verifies the digest.
   * @param body bytes still to be sent
   * @throws {RegistryError} when the registry refuses
   */
  async finish(digest: Digest, body: Uint8Array = EMPTY_BYTES): Promise<void> {
    const separator = this.#location.includes('?') ? '&' : '?'
    const path = `${this.#location}${separator}digest=${encodeURIComponent(digest)}`
    await this.#send({ method: 'PUT', path, headers: BINARY, body, expect: [201, 204] })
  }

  /** Cancels the upload. Never throws, since registries remove abandoned uploads themselves. */
  async cancel(): Promise<void> {
    await this.#send({ method: 'DELETE', expect: [200, 202, 204] }).catch(() => undefined)
  }

  async #send(request: Omit<ClientRequest, 'path' | 'what'> & { path?: string }): Promise<Answer> {
    const answer = await this.#client.once({ path: this.#location, what: this.#what, ...request })
    await answer.excerpt()
    return answer
  }
}

/**
 * Returns the URL at which the upload continues, from the header `Location`. A registry behind a TLS proxy may name its
 * own host with `http:`; this is changed to `https:`.
 * @throws {RegistryError} when there is no valid location, or it leaves TLS
 */
function locationOf(client: RegistryClient, what: string, answer: Answer): string {
  const from = new URL(answer.url)
  const text = answer.header('location')
  const url = text !== null && URL.canParse(text, from) ? new URL(text, from) : undefined
  if (url !== undefined && from.protocol === 'https:' && url.protocol === 'http:' && url.hostname === from.hostname) {
    url.protocol = 'https:'
    url.port = from.port
  }
  if (url === undefined || (url.protocol !== from.protocol && url.protocol !== 'https:')) {
    throw new RegistryError('network', client.place(what), 'the answer has no valid upload location')
  }
  return url.href
}

/** Returns the number of bytes that the registry has, from the header `Range`; `undefined` when that is absent. */
function receivedOf(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(answer.header('range')?.trim() ?? '')?.[1]
  return last === undefined ? undefined : Number(last) + 1
}

/** Whether the repository has a blob. @throws {RegistryError} when the registry does not answer or denies access */
export async function hasBlob(client: RegistryClient, digest: Digest): Promise<boolean> {
  const path = `/blobs/${digest}`
  const answer = await client.ask({ method: 'HEAD', path, what: digest, expect: [200, 404] })
  await answer.excerpt()
  return answer.status === 200
}

/**
 * Uploads a blob that is in memory, with retries. Before each retry it checks whether the blob is there, since the
 * answer may be lost after everything has arrived.
 * @param begun an upload without any bytes sent
 * @throws {RegistryError} when the upload fails
 */
export async function uploadWhole(
  client: RegistryClient,
  bytes: Uint8Array,
  digest: Digest,
  begun: UploadSession,
): Promise<void> {
  let session: UploadSession | undefined = begun
  await withRetries(client.retry, async () => {
    if (session === undefined && (await hasBlob(client, digest))) return
    session ??= await UploadSession.begin(client, digest)
    try {
      await session.finish(digest, bytes)
    } catch (error) {
      session = undefined
      throw error
    }
  })
}

/**
 * Ends an upload whose pieces were all sent, with retries. A failure is ignored when the registry has the blob, since
 * the answer may be lost after everything has arrived.
 * @throws {RegistryError} when the upload fails
 */
export async function finishPieces(client: RegistryClient, session: UploadSession, digest: Digest): Promise<void> {
  await withRetries(client.retry, async () => {
    try {
      await session.finish(digest)
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code === 'denied' || !(await hasBlob(client, digest))) throw error
    }
  })
}
