/**
 * Sends a blob to a registry, in the way that the registry accepts:
 *
 * ```
 * one stream (default)    PATCH without Content-Range ─▶ PUT       what registries and the proxies before them expect
 * pieces (by option)      PATCH, PATCH … ─▶ PUT                    an interrupted piece is continued
 *                           └ 413 ─▶ smaller pieces   └ 416 for the first piece ─▶ one stream
 * ```
 */
import { concatBytes } from '../../bytes.ts'
import type { VerifiedBlob } from '../oci/verified-blob.ts'
import type { RegistryClient } from './client.ts'
import { pieces } from './pieces.ts'
import { finishPieces, hasStatus, UploadSession, uploadWhole } from './upload.ts'

/** A blob up to this size, in bytes, is held in memory, so that it can be sent again after a broken connection. */
const SMALL_BLOB: number = 1 << 20

/** How a blob is sent. */
export interface SendOptions {
  /** The digest of the blob, or words for it when the digest is not known yet; for errors. */
  readonly what: string
  /** Bytes of the blob, if known. */
  readonly size?: number | undefined
  /** Bytes of one piece; 0 sends one stream. */
  readonly piece: number
}

/**
 * Sends a blob. When it fails, the upload is cancelled.
 * @throws {RegistryError} when the registry refuses, or the connection breaks off and the upload cannot be continued
 * @throws {LimitError} when the smallest piece that the registry accepts is larger than 256 MiB
 * @throws {DigestMismatchError} as `blob`
 */
export async function sendBlob(client: RegistryClient, blob: VerifiedBlob, options: SendOptions): Promise<void> {
  const { what, size, piece } = options
  const sender = new Sender(client, blob, what, await UploadSession.begin(client, what))
  try {
    await (piece === 0 ? sender.stream(size) : sender.pieces(piece))
  } catch (error) {
    if (client.options.signal?.aborted !== true) await sender.session.cancel()
    throw error
  }
}

class Sender {
  readonly #client: RegistryClient
  readonly #blob: VerifiedBlob
  readonly #what: string
  session: UploadSession

  constructor(client: RegistryClient, blob: VerifiedBlob, what: string, session: UploadSession) {
    this.#client = client
    this.#blob = blob
    this.#what = what
    this.session = session
  }

  async stream(size: number | undefined): Promise<void> {
    const head: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.#blob) {
      head.push(new Uint8Array(chunk))
      length += chunk.length
      if (length > SMALL_BLOB) {
        await this.session.stream(joined(head, this.#blob), size)
        return await this.#finish()
      }
    }
    const bytes = concatBytes(head)
    const { digest } = await this.#blob.finish()
    await uploadWhole(this.#client, digest, this.session, async (session) => {
      await session.stream(bytes)
      await session.finish(digest)
    })
  }

  /** Sends the blob in pieces; the next piece is gathered while one is sent. @param size bytes of one piece */
  async pieces(size: number): Promise<void> {
    const from = pieces(this.#blob, Math.max(size, this.session.minimum))
    const first = await from.next()
    if (first.done) return await this.#finish()
    const { bytes, last } = first.value
    try {
      if (last) return await this.#whole(bytes)
      await this.session.patch(bytes)
    } catch (error) {
      if (!hasStatus(error, 416) && !hasStatus(error, 413)) throw error
      await this.#again()
      if (last && hasStatus(error, 413)) await this.session.patch(bytes)
      else await this.session.stream(joined([bytes], contents(from)))
      return await this.#finish()
    }
    let sending: Promise<void> = Promise.resolve()
    for await (const { bytes } of from) {
      await sending
      sending = this.session.patch(bytes)
      // Awaited below. It may fail before that, which must not count as an unhandled rejection.
      sending.catch(() => undefined)
    }
    await sending
    await this.#finish()
  }

  async #whole(bytes: Uint8Array): Promise<void> {
    const { digest } = await this.#blob.finish()
    await uploadWhole(this.#client, digest, this.session, (session) => session.finish(digest, bytes))
  }

  /** Cancels the upload and begins another one. */
  async #again(): Promise<void> {
    await this.session.cancel()
    this.session = await UploadSession.begin(this.#client, this.#what)
  }

  async #finish(): Promise<void> {
    await finishPieces(this.#client, this.session, (await this.#blob.finish()).digest)
  }
}

async function* joined(head: Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head.splice(0)
  yield* rest
}

async function* contents(from: AsyncIterable<{ readonly bytes: Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of from) yield bytes
}
