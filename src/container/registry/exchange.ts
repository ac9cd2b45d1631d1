/**
 * One question to a server and its answer: redirects followed, credentials kept from strangers, silence not waited out.
 *
 * ```
 * request ─▶ 307 to https://cdn.example.com/… ─▶ 200, body      Authorization goes to the first host only
 * ```
 */
import { type Content, concatBytes } from '../../bytes.ts'
import { LimitError, OstreeError } from '../../errors.ts'
import type { FetchResponse, Network } from '../../platform/index.ts'
import { RegistryError, type RegistryPlace } from './errors.ts'
import { DEFAULT_SPEED_LIMIT, Lifeline, type SpeedLimit, SpeedMeter, TooSlow } from './lifeline.ts'

export interface ExchangeOptions {
  readonly network: Network
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until an answer begins. Default 60 000; uploads get more by their size. */
  readonly responseTimeout?: number | undefined
  readonly speedLimit?: SpeedLimit | undefined
  readonly userAgent?: string | undefined
}

export interface ExchangeRequest {
  readonly method: string
  /** Absolute. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** For the host of `url` and nobody else. */
  readonly authorization?: string | undefined
  readonly body?: Content | undefined
}

const DEFAULT_RESPONSE_TIMEOUT = 60_000
/** Bytes a millisecond that an upload is taken to make at least. */
const SLOWEST_UPLOAD = 10
/** Milliseconds for one whose length nobody knows: a day. */
const ENDLESS_UPLOAD = 86_400_000
const MAX_REDIRECTS = 10
/** Bytes of an error's body, or another nobody needs, that are looked at. */
const MAX_EXCERPT = 64 * 1024
const DEFAULT_USER_AGENT = 'ostree-ts'
const SAFE = ['GET', 'HEAD']

/** @throws {RegistryError} when nothing answers, or redirects go wrong; the signal's reason */
export async function exchange(
  options: ExchangeOptions,
  place: RegistryPlace,
  request: ExchangeRequest,
): Promise<Answer> {
  const origin = new URL(request.url).origin
  let url = request.url
  for (let redirects = 0; ; redirects++) {
    const own = new URL(url).origin === origin
    const answer = await ask(options, place, {
      ...request,
      url,
      authorization: own ? request.authorization : undefined,
    })
    const target = redirectOf(answer, request)
    if (target === undefined) return answer
    await answer.excerpt()
    if (redirects === MAX_REDIRECTS) throw new RegistryError('network', place, `more than ${MAX_REDIRECTS} redirects`)
    url = nextUrl(target, url, place)
  }
}

/** @returns where to go instead; `undefined` when this is the answer */
function redirectOf(answer: Answer, { method, body }: ExchangeRequest): string | undefined {
  const { status } = answer
  const keepsMethod = status === 307 || status === 308
  const any = keepsMethod || status === 301 || status === 302 || status === 303
  if (!any || !(SAFE.includes(method) || (keepsMethod && (body === undefined || body instanceof Uint8Array)))) {
    return undefined
  }
  return answer.header('location') ?? undefined
}

function nextUrl(location: string, from: string, place: RegistryPlace): string {
  let url: URL
  try {
    url = new URL(location, from)
  } catch (cause) {
    throw new RegistryError('network', place, 'redirects to what is no address', { cause })
  }
  const isSecure = from.startsWith('https:')
  if (url.protocol !== 'https:' && (isSecure || url.protocol !== 'http:')) {
    throw new RegistryError('network', place, `redirects to ${url.protocol}//${url.host}, which is not encrypted`)
  }
  url.username = ''
  url.password = ''
  url.hash = ''
  return url.href
}

async function ask(options: ExchangeOptions, place: RegistryPlace, request: ExchangeRequest): Promise<Answer> {
  const { network, signal, responseTimeout = DEFAULT_RESPONSE_TIMEOUT, userAgent = DEFAULT_USER_AGENT } = options
  const { method, url, authorization, body } = request
  const headers: Record<string, string> = {
    'user-agent': userAgent,
    // Some runtimes would else decode what must be hashed as stored.
    'accept-encoding': 'identity',
    ...request.headers,
    ...(authorization === undefined ? {} : { authorization }),
  }
  const most = responseTimeout + uploadTime(body, headers['content-length'])
  const lifeline = new Lifeline(network.clock, signal)
  try {
    const pending = network.fetch(url, { method, headers, body, signal: lifeline.signal })
    const response = await lifeline.within(most, `no answer within ${most / 1000} seconds`, pending)
    return new Answer(response, url, lifeline, options, place)
  } catch (error) {
    lifeline.close(false)
    signal?.throwIfAborted()
    throw unanswered(place, error)
  }
}

/** @returns milliseconds an upload may take */
function uploadTime(body: Content | undefined, length: string | undefined): number {
  if (body === undefined) return 0
  if (body instanceof Uint8Array) return body.length / SLOWEST_UPLOAD
  return length === undefined ? ENDLESS_UPLOAD : Number(length) / SLOWEST_UPLOAD
}

/** Codes that the next attempt would meet again. */
const LASTING =
  /^(?:ENOTFOUND|ERR_INVALID_URL|EPROTO|CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH)/

function unanswered(place: RegistryPlace, error: unknown): OstreeError {
  if (error instanceof OstreeError) return error
  if (error instanceof TooSlow) return new RegistryError('network', place, error.message, { retryable: true })
  const code = codeOf(error)
  const message = code ?? (error instanceof Error ? error.message : 'unknown failure')
  const retryable = code === undefined || !LASTING.test(code)
  return new RegistryError('network', place, `connection failed: ${message}`, { retryable, cause: error })
}

/** `fetch failed` says nothing; what the operating system said is some causes below. */
function codeOf(error: unknown): string | undefined {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
    at = at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at.cause
  }
  return undefined
}

/** To be read or discarded: it holds a connection. */
export class Answer {
  readonly status: number
  /** Where it came from in the end. */
  readonly url: string
  readonly #response: FetchResponse
  readonly #lifeline: Lifeline
  readonly #options: ExchangeOptions
  readonly #place: RegistryPlace

  constructor(
    response: FetchResponse,
    url: string,
    lifeline: Lifeline,
    options: ExchangeOptions,
    place: RegistryPlace,
  ) {
    this.status = response.status
    this.url = url
    this.#response = response
    this.#lifeline = lifeline
    this.#options = options
    this.#place = place
  }

  header(name: string): string | null {
    return this.#response.headers.get(name)
  }

  /** Bytes the body has, if the server says so. */
  get length(): number | undefined {
    const text = this.header('content-length')
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }

  /** The body, once; leaving it early closes the connection. @throws {RegistryError} retryable, when it breaks off */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const { network, signal, speedLimit = DEFAULT_SPEED_LIMIT } = this.#options
    const meter = new SpeedMeter(this.#lifeline, network.clock, speedLimit)
    const from = this.#response.body?.[Symbol.asyncIterator]()
    let complete = from === undefined
    try {
      while (from !== undefined) {
        const next = await meter.next(from).catch((error) => {
          signal?.throwIfAborted()
          throw unanswered(this.#place, error)
        })
        if (next.done) break
        yield next.value
      }
      complete = true
    } finally {
      this.#lifeline.close(complete)
      if (!complete) from?.return?.()?.then(undefined, () => {})
    }
  }

  /** @throws {LimitError} when the body has more than `limit` bytes */
  async read(limit: number): Promise<Uint8Array> {
    const { registry, repository, what } = this.#place
    const tooLong = () => new LimitError(`answer of ${registry}/${repository}: ${what}`, limit)
    if ((this.length ?? 0) > limit) {
      this.discard()
      throw tooLong()
    }
    const parts: Uint8Array[] = []
    let size = 0
    for await (const chunk of this.chunks()) {
      size += chunk.length
      if (size > limit) throw tooLong()
      parts.push(chunk)
    }
    return concatBytes(parts)
  }

  /**
   * The first `limit` bytes of a body nobody depends on; never throws. Read to its end, it leaves a connection that can
   * be used again.
   */
  async excerpt(limit: number = MAX_EXCERPT): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of this.chunks()) {
        parts.push(chunk)
        size += chunk.length
        if (size >= limit) break
      }
    } catch {
      // what came will do
    }
    return concatBytes(parts).subarray(0, limit)
  }

  discard(): void {
    this.#lifeline.close(false)
    const body = this.#response.body?.[Symbol.asyncIterator]()
    body?.return?.()?.then(undefined, () => {})
  }
}
