/**
 * The requests of an upload. The bytes are sent as one stream, or in pieces, each held in memory until the registry has
 * it, so that after a broken connection only one piece is sent again.
 *
 * ```
 * POST  …/blobs/uploads/                     202, Location
 * PATCH Location                             2xx, Location (a new one)                 one stream
 * PATCH Location   Content-Range: 0-n        2xx, Location (a new one), Range: 0-n     pieces, as often as needed
 * PUT   Location&digest=sha256:…             2xx
 * ```
 *
 * Source: OCI distribution-spec 1.1, "Pushing blobs".
 */
import { type Content, EMPTY_BYTES } from '../../bytes.ts'
import { LimitError } from '../../errors.ts'
import type { Digest } from '../oci/oci-types.ts'
import type { ClientRequest, RegistryClient } from './client.ts'
import { RegistryError } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Patience, withRetries } from './retry.ts'

/** Every status of success. Registries differ in the one they use. */
export const ANY_SUCCESS: readonly number[] = Array.from({ length: 100 }, (_, i) => 200 + i)
/** A piece that is refused as too large (413) is halved down to this size, in bytes. */
const SMALLEST_PIECE: number = 64 * 1024
/** Bytes of a piece, or all of it, that a registry has to take with one request. */
const PROGRESS: number = 64 * 1024
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
  /** Most bytes of one request. Smaller than a piece once the registry has refused a piece as too large. */
  #most = Number.POSITIVE_INFINITY

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
   * Sends one piece. After a temporary failure, sends the part that the registry does not have. A piece that the
   * registry refuses as too large (413) is sent in halves.
   * @throws {RegistryError} when the upload fails, the registry cannot continue it, or takes only a few bytes at a time;
   *   with the status 416 when it does not accept the range of the first piece
   */
  async patch(piece: Uint8Array): Promise<void> {
    const patience = new Patience(this.#client.retry)
    const start = this.sent
    const end = start + piece.length
    while (this.sent < end) {
      const from = this.sent
      const part = piece.subarray(from - start, Math.min(from - start + this.#most, piece.length))
      try {
        await this.#patchOnce(part)
      } catch (error) {
        if (hasStatus(error, 413) && part.length > Math.max(SMALLEST_PIECE, this.minimum)) {
          this.#most = Math.max(Math.ceil(part.length / 2), this.minimum)
          continue
        }
        // At a later offset, 416 says that the registry has more or fewer bytes than were counted here.
        await patience.wait(hasStatus(error, 416) && from > 0 ? this.#retryable('its offset differs', error) : error)
        await this.#resume(start, end, error)
        continue
      }
      const taken = this.sent - from
      if (taken < Math.min(part.length, PROGRESS)) {
        await patience.wait(this.#retryable(`the registry took ${taken} of ${part.length} bytes`))
      }
    }
  }

  #retryable(message: string, cause?: unknown): RegistryError {
    return new RegistryError('network', this.#client.place(this.#what), message, { cause, retryable: true })
  }

  async #patchOnce(bytes: Uint8Array): Promise<void> {
    const end = this.sent + bytes.length
    const answer = await this.#send({
      method: 'PATCH',
      headers: { ...BINARY, 'content-range': `${this.sent}-${end - 1}` },
      body: bytes,
      expect: ANY_SUCCESS,
    })
    this.#moved(answer)
    // Without a `Range` the registry has everything. Some registries report only the range of the last piece, or always
    // that of the first one, and `0-0` for no bytes as for one: a range that does not go forward says nothing.
    const known = receivedOf(answer)
    this.sent = known === undefined || known === 1 || known <= this.sent ? end : Math.min(known, end)
  }

  /** Continues at the location of an answer, if it has one. */
  #moved(answer: Answer): void {
    if (answer.header('location') !== null) this.#location = locationOf(this.#client, this.#what, answer)
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
      throw this.#retryable('the connection broke off, and the registry cannot continue this upload', failure)
    }
    this.sent = bytes
    this.#moved(answer)
  }

  /**
   * Sends a whole blob in one request without a range. It is not retried.
   * @param size bytes of the blob, if known
   * @throws {RegistryError} when the upload fails
   */
  async stream(bytes: Content, size?: number | undefined): Promise<void> {
    const length = size === undefined || bytes instanceof Uint8Array ? {} : { 'content-length': String(size) }
    const headers = { ...BINARY, ...length }
    this.#moved(await this.#send({ method: 'PATCH', headers, body: bytes, expect: ANY_SUCCESS }))
  }

  /**
   * Ends the upload. The registry verifies the digest.
   * @param body bytes still to be sent
   * @throws {RegistryError} when the registry refuses
   */
  async finish(digest: Digest, body: Uint8Array = EMPTY_BYTES): Promise<void> {
    const separator = this.#location.includes('?') ? '&' : '?'
    const path = `${this.#location}${separator}digest=${encodeURIComponent(digest)}`
    await this.#send({ method: 'PUT', path, headers: BINARY, body, expect: ANY_SUCCESS })
  }

  /** Cancels the upload. Never throws, since registries remove abandoned uploads themselves. */
  async cancel(): Promise<void> {
    await this.#send({ method: 'DELETE', expect: ANY_SUCCESS }).catch(() => undefined)
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

/** Whether the error is an answer with that HTTP status. */
export function hasStatus(error: unknown, status: number): boolean {
  return error instanceof RegistryError && error.data.status === status
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
 * @param send sends the bytes and ends the upload
 * @throws {RegistryError} when the upload fails
 */
export async function uploadWhole(
  client: RegistryClient,
  digest: Digest,
  begun: UploadSession,
  send: (session: UploadSession) => Promise<void>,
): Promise<void> {
  let session: UploadSession | undefined = begun
  await withRetries(client.retry, async () => {
    if (session === undefined && (await hasBlob(client, digest))) return
    session ??= await UploadSession.begin(client, digest)
    try {
      await send(session)
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
