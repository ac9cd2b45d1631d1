/**
 * Fetches files of a remote: a few at a time, from the first of several places that has them, again after failures that
 * may pass.
 *
 * ```
 * file ─▶ first base: attempt, attempt, … ─▶ second base: … ─▶ error of the first
 *         each attempt: request ─▶ redirects ─▶ body to the consumer
 * ```
 *
 * Credentials in a base's URL, cookies and extra headers follow no redirect to another origin.
 *
 * Source: ostree-fetcher-curl.c, ostree-fetcher-util.c.
 */

import { FetchError } from '../../errors.ts'
import type { FetchResponse, LocalFiles, Network } from '../../platform/index.ts'
import type { Cookie } from '../remotes/cookies.ts'
import { type FetchBase, urlBelow } from './base.ts'
import { Body, type BodyMeter, readFile } from './body.ts'
import { cookieHeader } from './cookie-header.ts'
import { slowFailure, statusFailure, transportFailure } from './failures.ts'
import { DEFAULT_LOW_SPEED, type LowSpeed, SpeedWatch, type WatchedTransfer } from './speed-watch.ts'

/** How files are fetched. */
export interface FetcherOptions {
  /** Absent if nothing but local files is fetched. */
  readonly network?: Network | undefined
  /** Reads `file:` URLs. Absent in runtimes without files. */
  readonly files?: LocalFiles | undefined
  readonly signal?: AbortSignal | undefined
  readonly userAgent: string
  /** Headers of every request. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined
  readonly cookies?: readonly Cookie[] | undefined
  /** Further attempts after a failure. Default 5. */
  readonly retries?: number | undefined
  /** Whether every failure but `not found` is worth another attempt. Default true. */
  readonly retryAll?: boolean | undefined
  readonly lowSpeed?: LowSpeed | undefined
  /** Requests at the same time. Default 8. */
  readonly concurrency?: number | undefined
}

/** One file to fetch. */
export interface FetchRequest {
  /** Tried in order. */
  readonly bases: readonly FetchBase[]
  /** Path below each base; `''` for the base itself. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Maximum size of the body in bytes. */
  readonly limit?: number | undefined
}

/** Requests at the same time, as in ostree. */
export const DEFAULT_CONCURRENCY = 8
const DEFAULT_RETRIES = 5
const MAX_REDIRECTS = 20
/** Longest delay before another attempt, in milliseconds; the first two attempts follow each other at once. */
const MAX_DELAY = 1000
const FIRST_DELAY = 50

/** Fetches files. */
export class Fetcher implements BodyMeter {
  /** Bytes of bodies received, those of errors too. */
  bytes = 0
  /** Requests that are under way. */
  outstanding = 0
  readonly #options: FetcherOptions
  readonly #headers: Readonly<Record<string, string>>
  readonly #watch: SpeedWatch | undefined
  readonly #abort = () => this.#watch?.endAll(this.#options.signal?.reason)
  #free: number
  readonly #queue: (() => void)[] = []

  constructor(options: FetcherOptions) {
    const { network, signal, userAgent, headers = [], lowSpeed = DEFAULT_LOW_SPEED } = options
    this.#options = options
    this.#headers = {
      'user-agent': userAgent,
      accept: '*/*',
      // Objects are hashed as stored. Without this header some runtimes ask for compression and decompress the body.
      'accept-encoding': 'identity',
      ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    }
    this.#free = Math.max(1, options.concurrency ?? DEFAULT_CONCURRENCY)
    // The URL is replaced by that of the transfer that was too slow.
    this.#watch = network && new SpeedWatch(network.clock, lowSpeed, () => slowFailure(''))
    signal?.throwIfAborted()
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** Ends all transfers and stops listening to the signal. */
  close(): void {
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#watch?.endAll(new Error('the fetcher was closed'))
    this.#watch?.close()
  }

  /** Fetches a small file. @throws as `fetch`; {LimitError} when it has more than `request.limit` bytes */
  read(request: FetchRequest): Promise<Uint8Array> {
    return this.fetch(request, (body) => body.read())
  }

  /** Fetches a small file. @returns `undefined` when it does not exist */
  async readIfExists(request: FetchRequest): Promise<Uint8Array | undefined> {
    try {
      return await this.read(request)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /**
   * Fetches a file.
   * @param consume reads the body. It is called again, with another body, when a transfer broke off.
   * @throws {FetchError} when no base has the file, or none answers
   * @throws what `consume` throws
   */
  async fetch<T>(request: FetchRequest, consume: (body: Body) => Promise<T>): Promise<T> {
    let failure: unknown
    for (const base of request.bases) {
      try {
        return await this.#withRetries(base, request, consume)
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        failure ??= error
        if (!(error instanceof FetchError)) break
      }
    }
    throw failure
  }

  async #withRetries<T>(base: FetchBase, request: FetchRequest, consume: (body: Body) => Promise<T>): Promise<T> {
    const { retries = DEFAULT_RETRIES, network, signal } = this.#options
    for (let failures = 0; ; failures++) {
      await this.#acquire()
      try {
        return await this.#attempt(base, request, consume)
      } catch (error) {
        signal?.throwIfAborted()
        if (failures >= retries || network === undefined) throw error
        if (!(error instanceof FetchError) || !error.data.retryable) throw error
      } finally {
        this.#release()
      }
      const delay = failures === 0 ? 0 : Math.min(FIRST_DELAY * 2 ** (failures - 1), MAX_DELAY)
      if (delay > 0) await new Promise<void>((resolve) => void network.clock.after(delay, resolve))
      signal?.throwIfAborted()
    }
  }

  async #attempt<T>(base: FetchBase, request: FetchRequest, consume: (body: Body) => Promise<T>): Promise<T> {
    const url = urlBelow(base, request.path)
    if (url.startsWith('file:')) return consume(await readFile(this.#options.files, url, request, this))
    const watch = this.#watch
    if (watch === undefined) throw new FetchError(url, 'there is no network')
    const transfer = watch.begin()
    let body: Body | undefined
    try {
      body = await this.#open(base, url, request, transfer)
      return await consume(body)
    } catch (error) {
      // The failure of the transfer counts, not what the consumer made of it.
      throw body?.failure ?? this.#named(url, error)
    } finally {
      watch.done(transfer)
      body?.close()
    }
  }

  /** Sends the request and follows redirects. */
  async #open(base: FetchBase, first: string, request: FetchRequest, transfer: WatchedTransfer): Promise<Body> {
    const { retryAll = true } = this.#options
    let url = first
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(url, base, request, transfer)
      const { status } = response
      const body = new Body(response, transfer, this, {
        url,
        limit: request.limit,
        fail: (error) => this.#named(url, error),
        resume: (offset, etag) => this.#resume(url, base, request, transfer, { offset, etag }),
      })
      const target = status >= 300 && status < 400 ? response.headers.get('location') : null
      if (target === null || status === 304) {
        if ((status >= 200 && status < 300) || status === 304) return body
        await body.skip()
        throw statusFailure(url, status, retryAll)
      }
      await body.skip()
      if (redirects === MAX_REDIRECTS) throw new FetchError(url, '[47] Number of redirects hit maximum amount')
      url = redirected(target, url)
    }
  }

  /** Asks for the rest of a body that broke off. */
  async #resume(
    url: string,
    base: FetchBase,
    request: FetchRequest,
    transfer: WatchedTransfer,
    { offset, etag }: { readonly offset: number; readonly etag: string | null },
  ): Promise<FetchResponse | undefined> {
    const range = { range: `bytes=${offset}-`, ...(etag !== null && { 'if-range': etag }) }
    try {
      return await this.#send(url, base, { ...request, headers: { ...request.headers, ...range } }, transfer)
    } catch {
      return undefined // the failure of the first transfer is reported
    }
  }

  async #send(
    url: string,
    { url: own, authorization }: FetchBase,
    request: FetchRequest,
    transfer: WatchedTransfer,
  ): Promise<FetchResponse> {
    const { network, cookies = [] } = this.#options
    if (network === undefined) throw new FetchError(url, 'there is no network')
    const place = new URL(url)
    let headers: Record<string, string> = { ...this.#headers, ...request.headers }
    if (place.origin !== new URL(own).origin) {
      const { 'user-agent': agent = '', accept = '', 'accept-encoding': encoding = '' } = this.#headers
      headers = { 'user-agent': agent, accept, 'accept-encoding': encoding, ...request.headers }
    } else if (authorization !== undefined) headers['authorization'] ??= authorization
    const cookie = cookies.length === 0 ? undefined : cookieHeader(cookies, place, network.clock.now() / 1000)
    if (cookie !== undefined) headers['cookie'] = cookie
    try {
      return await transfer.wait(network.fetch(url, { method: 'GET', headers, signal: transfer.signal }))
    } catch (error) {
      throw this.#named(url, error)
    }
  }

  #named(url: string, error: unknown): unknown {
    if (error instanceof FetchError && error.data.url === '') return slowFailure(url)
    if (error === this.#options.signal?.reason) return error
    return transportFailure(url, error, this.#options.retryAll ?? true)
  }

  async #acquire(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => void this.#queue.push(resolve))
    this.outstanding++
  }

  #release(): void {
    this.outstanding--
    const next = this.#queue.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

/** Tells whether an error means that the server does not have the file. */
export function isAbsent(error: unknown): boolean {
  return error instanceof FetchError && error.code === 'not-found'
}

function redirected(location: string, from: string): string {
  let url: URL
  try {
    url = new URL(location, from)
  } catch {
    throw new FetchError(from, 'invalid redirect target')
  }
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.startsWith('https:'))) {
    throw new FetchError(from, `redirects to ${url.protocol}//${url.host}, which is not encrypted`)
  }
  url.username = ''
  url.password = ''
  url.hash = ''
  return url.href
}
