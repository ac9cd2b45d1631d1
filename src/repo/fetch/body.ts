/** The body of a response, read once, with limits for its size and speed. */

import { concatBytes, EMPTY_BYTES } from '../../bytes.ts'
import { FetchError, LimitError } from '../../errors.ts'
import type { FetchResponse, LocalFiles } from '../../platform/index.ts'
import { contentLength } from '../../platform/internal.ts'
import { cutFailure } from './failures.ts'
import type { WatchedTransfer } from './speed-watch.ts'

/** Counts bytes. */
export interface BodyMeter {
  bytes: number
}

/** What a body knows of its request. */
export interface BodyPlace {
  readonly url: string
  /** Maximum size in bytes. */
  readonly limit?: number | undefined
  /** Returns the error to throw for a failure of the runtime. */
  fail(error: unknown): unknown
  /**
   * Asks for the rest of the body after a failure.
   * @returns `undefined` when the server does not give it
   */
  resume?(offset: number, etag: string | null): Promise<FetchResponse | undefined>
}

/** Bytes that are read of a body that is not needed, so that its connection can be used again. */
const MAX_SKIPPED = 256 * 1024

export class Body {
  /** 200, 304, or another status of success. */
  readonly status: number
  readonly url: string
  /** The failure of the transfer, once it has failed. */
  failure: unknown
  #response: FetchResponse
  readonly #transfer: WatchedTransfer | undefined
  readonly #meter: BodyMeter
  readonly #place: BodyPlace
  #iterator: AsyncIterator<Uint8Array> | undefined
  #ended = false

  constructor(response: FetchResponse, transfer: WatchedTransfer | undefined, meter: BodyMeter, place: BodyPlace) {
    this.status = response.status
    this.url = place.url
    this.#response = response
    this.#transfer = transfer
    this.#meter = meter
    this.#place = place
  }

  header(name: string): string | null {
    return this.#response.headers.get(name)
  }

  /** Size in bytes as the server announces it; `undefined` when it does not, or the runtime decodes the body. */
  get length(): number | undefined {
    if (this.#length === 'unknown') this.#length = contentLength(this.#response)
    return this.#length
  }

  /**
   * Returns the next chunk; `undefined` at the end.
   * @throws {FetchError} when the transfer breaks off, is cut short, or is too slow
   * @throws {LimitError} when the body is larger than the limit
   */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined
    const { url, limit } = this.#place
    this.#iterator ??= (this.#response.body ?? noBody())[Symbol.asyncIterator]()
    let step: IteratorResult<Uint8Array>
    try {
      const pending = this.#iterator.next()
      step = await (this.#transfer?.wait(pending) ?? pending)
    } catch (error) {
      return this.#continueAfter(this.#received > 0 ? cutOf(url, this.#place.fail(error)) : this.#place.fail(error))
    }
    if (step.done) {
      const { length } = this
      if (length !== undefined && this.status === 200 && this.#received < length) {
        return this.#continueAfter(cutFailure(url))
      }
      this.#ended = true
      return undefined
    }
    const { value } = step
    this.#received += value.length
    this.#meter.bytes += value.length
    if (this.#transfer !== undefined) this.#transfer.bytes += value.length
    if (limit !== undefined && this.#received > limit) {
      throw new LimitError(url, limit, `URI ${url} exceeded maximum size of ${limit} bytes`)
    }
    return value
  }
  #received = 0
  #resumedAt = -1
  #length: number | undefined | 'unknown' = 'unknown'

  /** Continues where the transfer broke off, if it has made progress since that happened last. */
  async #continueAfter(failure: unknown): Promise<Uint8Array | undefined> {
    this.failure = failure
    const mayResume = failure instanceof FetchError && failure.data.retryable && this.length !== undefined
    if (!mayResume || this.#received === 0 || this.#received === this.#resumedAt) throw failure
    const response = await this.#place.resume?.(this.#received, this.header('etag'))
    const range = response?.headers.get('content-range')
    if (response?.status !== 206 || range !== `bytes ${this.#received}-${this.length - 1}/${this.length}`) {
      response?.body?.[Symbol.asyncIterator]()
        .return?.()
        ?.then(undefined, () => {})
      throw failure
    }
    this.#resumedAt = this.#received
    this.failure = undefined
    this.#response = { ...response, headers: this.#response.headers }
    this.#iterator = undefined
    return this.next()
  }

  /** Reads all of it. @throws as `next` */
  async read(): Promise<Uint8Array> {
    const first = await this.next()
    if (first === undefined) return EMPTY_BYTES
    const parts = [first]
    for (let next = await this.next(); next !== undefined; next = await this.next()) parts.push(next)
    return parts.length === 1 ? first : concatBytes(parts)
  }

  /** Reads what is left, up to 256 KiB, so that the connection can be used again. Never throws. */
  async skip(): Promise<void> {
    const end = this.#received + MAX_SKIPPED
    try {
      while (this.#received < end && (await this.next()) !== undefined);
    } catch {
      // What is read here is not used.
    }
    this.close()
  }

  /** Closes the connection, unless the body was read to its end. */
  close(): void {
    if (this.#ended) return
    this.#ended = true
    this.#transfer?.end(new Error('the body was closed'))
    const iterator = this.#iterator ?? this.#response.body?.[Symbol.asyncIterator]()
    iterator?.return?.()?.then(undefined, () => {})
  }
}

/** Returns the error of a body that broke off, unless the runtime's failure has an error of its own. */
function cutOf(url: string, error: unknown): unknown {
  return error instanceof FetchError && error.message.includes('[56]') ? cutFailure(url) : error
}

async function* noBody(): AsyncGenerator<Uint8Array, void, undefined> {}

/** Opens a local file as a body. @throws {FetchError} when it does not exist, or the runtime has no files */
export async function readFile(
  files: LocalFiles | undefined,
  url: string,
  { limit }: { readonly limit?: number | undefined },
  meter: BodyMeter,
): Promise<Body> {
  if (files === undefined) throw new FetchError(url, 'local files cannot be read here')
  const path = decodeURIComponent(new URL(url).pathname)
  const found = await files.stat(path)
  if (found?.kind !== 'file') throw new FetchError(url, '[37] Could not read a file:// file', { status: 404 })
  const response: FetchResponse = {
    status: 200,
    headers: { get: (name) => (name === 'content-length' ? String(found.size) : null) },
    body: files.stream(path),
  }
  return new Body(response, undefined, meter, { url, limit, fail: (error) => error })
}
