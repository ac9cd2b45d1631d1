/**
 * A blob on its way to a registry. What fits into one piece goes in one request; more goes piece by piece, each held in
 * memory until the registry has it, so that a connection that breaks off costs a piece and not the blob.
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

/** Bytes of one piece. */
export const UPLOAD_PIECE: number = 16 * 1024 * 1024
/** Bytes of one piece that a registry may insist on. */
const MAX_PIECE: number = 256 * 1024 * 1024
const BINARY = { 'content-type': 'application/octet-stream' }

/** One upload that a registry has agreed to. */
export class UploadSession {
  readonly #client: RegistryClient
  readonly #what: string
  #location: string
  /** Bytes of a piece, at least: what the registry insists on. */
  readonly minimum: number
  /** Bytes the registry has. */
  sent = 0

  private constructor(client: RegistryClient, what: string, answer: Answer) {
    this.#client = client
    this.#what = what
    this.#location = locationOf(client, what, answer)
    this.minimum = Number(/^\d{1,12}$/.exec(answer.header('oci-chunk-min-length') ?? '')?.[0] ?? 0)
    if (this.minimum > MAX_PIECE) throw new LimitError('upload piece the registry asks for', MAX_PIECE)
  }

  /** @param what names the blob in errors, as far as it is known */
  static async begin(client: RegistryClient, what: string): Promise<UploadSession> {
    const answer = await client.ask({ method: 'POST', path: '/blobs/uploads/', what, expect: [202] })
    return await UploadSession.of(client, what, answer)
  }

  /** Of an answer that offers one. */
  static async of(client: RegistryClient, what: string, answer: Answer): Promise<UploadSession> {
    await answer.excerpt()
    return new UploadSession(client, what, answer)
  }

  /** Sends one piece, again where that may help. @throws {RegistryError} when the registry lost track */
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
    // A registry that does not say has it all; `0-0` is what some say for nothing, others for one byte.
    this.sent = known === undefined || known === 1 ? end : Math.min(known, end)
  }

  /** Asks how far the registry got, and goes on from there. */
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
      const message = 'the connection broke off, and the registry cannot go on with this upload'
      throw new RegistryError('network', this.#client.place(this.#what), message, { cause: failure, retryable: true })
    }
    this.sent = bytes
    if (answer.header('location') !== null) this.#location = locationOf(this.#client, this.#what, answer)
  }

  /** All of a blob in one request that is made once; nobody can go on with it. */
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

  /** Ends the upload; the registry holds what it got against the digest. */
  async finish(digest: Digest, body: Uint8Array = EMPTY_BYTES): Promise<void> {
    const separator = this.#location.includes('?') ? '&' : '?'
    const path = `${this.#location}${separator}digest=${encodeURIComponent(digest)}`
    await this.#send({ method: 'PUT', path, headers: BINARY, body, expect: [201, 204] })
  }

  /** The registry may forget it. Never throws: it will do so by itself. */
  async cancel(): Promise<void> {
    await this.#send({ method: 'DELETE', expect: [200, 202, 204] }).catch(() => undefined)
  }

  async #send(request: Omit<ClientRequest, 'path' | 'what'> & { path?: string }): Promise<Answer> {
    const answer = await this.#client.once({ path: this.#location, what: this.#what, ...request })
    await answer.excerpt()
    return answer
  }
}

/** Where to go on. A registry behind a proxy may not know that it is spoken to over TLS. */
function locationOf(client: RegistryClient, what: string, answer: Answer): string {
  const from = new URL(answer.url)
  const text = answer.header('location')
  const url = text !== null && URL.canParse(text, from) ? new URL(text, from) : undefined
  if (url !== undefined && from.protocol === 'https:' && url.protocol === 'http:' && url.hostname === from.hostname) {
    url.protocol = 'https:'
    url.port = from.port
  }
  if (url === undefined || (url.protocol !== from.protocol && url.protocol !== 'https:')) {
    throw new RegistryError('network', client.place(what), 'the registry does not say where to go on with the upload')
  }
  return url.href
}

/** @returns bytes the registry says it has; `undefined` when it says nothing */
function receivedOf(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(answer.header('range')?.trim() ?? '')?.[1]
  return last === undefined ? undefined : Number(last) + 1
}

export async function hasBlob(client: RegistryClient, digest: Digest): Promise<boolean> {
  const path = `/blobs/${digest}`
  const answer = await client.ask({ method: 'HEAD', path, what: digest, expect: [200, 404] })
  await answer.excerpt()
  return answer.status === 200
}

/**
 * Sends a blob that is here as a whole, from the beginning where need be: the answer may get lost when all has arrived.
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

/** Ends an upload whose pieces are all there; the answer to that may get lost as well. */
export async function finishPieces(client: RegistryClient, session: UploadSession, digest: Digest): Promise<void> {
  await withRetries(client.retry, async () => {
    try {
      await session.finish(digest)
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code === 'denied' || !(await hasBlob(client, digest))) throw error
    }
  })
}
