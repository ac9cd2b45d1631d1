/**
 * Sends one HTTP request. Redirects are followed, credentials are sent to the first host only, and a server that is
 * silent for too long is an error.
 *
 * ```
 * request ─▶ 307 to https://cdn.example.com/… ─▶ 200, body      Authorization goes to the first host only
 * ```
 */
import { type Content, concatBytes } from '../../bytes.ts'
import { LimitError, OstreeError } from '../../errors.ts'
import type { FetchResponse, Network } from '../../platform/index.ts'
import { contentLength, networkErrorCode } from '../../platform/internal.ts'
import { printable, RegistryError, type RegistryPlace } from './errors.ts'
import {
  DEFAULT_SPEED_LIMIT,
  DEFAULT_TIME_LIMIT,
  Lifeline,
  SentBody,
  type SpeedLimit,
  SpeedMeter,
  type TimeLimit,
  TooSlow,
} from './lifeline.ts'

/** How requests are sent. */
export interface ExchangeOptions {
  readonly network: Network
  readonly signal?: AbortSignal | undefined
  /** Maximum time until an answer begins, in milliseconds. Default 60 000; the time for an upload is added to it. */
  readonly responseTimeout?: number | undefined
  /** Default: `DEFAULT_SPEED_LIMIT`. */
  readonly speedLimit?: SpeedLimit | undefined
  /** Default: `DEFAULT_TIME_LIMIT`. */
  readonly timeLimit?: TimeLimit | undefined
  readonly userAgent?: string | undefined
}

/** One HTTP request. */
export interface ExchangeRequest {
  readonly method: string
  /** An absolute URL. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Value of the header `Authorization`. It is sent to the origin of `url` only. */
  readonly authorization?: string | undefined
  readonly body?: Content | undefined
  /** Whether URL or body contain a credential. A redirect to another origin is then an error. Default false. */
  readonly hasSecret?: boolean | undefined
}

const DEFAULT_RESPONSE_TIMEOUT = 60_000
/** The longest delay that a timer of the runtime can have, in milliseconds. */
const MAX_TIMER = 2 ** 31 - 1
const MAX_REDIRECTS = 10
/** Bytes that are read of a body that is not needed as a whole, such as that of an error. */
const MAX_EXCERPT = 64 * 1024
/** Such a body is not waited for longer than this. */
const EXCERPT_TIME: TimeLimit = { milliseconds: 10_000, bytesPerSecond: 10_000 }
const DEFAULT_USER_AGENT = 'ostree-ts'
const SAFE = ['GET', 'HEAD']

/**
 * Sends a request, follows redirects, and returns the answer. The caller reads or discards it.
 * @throws {RegistryError} when no answer arrives, or a redirect is invalid; the signal's reason when it aborts
 */
export async function exchange(
  options: ExchangeOptions,
  place: RegistryPlace,
  request: ExchangeRequest,
): Promise<Answer> {
  const origin = new URL(request.url).origin
  let { url, authorization } = request
  for (let redirects = 0; ; redirects++) {
    const answer = await ask(options, place, { ...request, url, authorization })
    const target = redirectOf(answer, request)
    if (target === undefined) return answer
    await answer.excerpt()
    if (redirects === MAX_REDIRECTS) throw new RegistryError('network', place, `more than ${MAX_REDIRECTS} redirects`)
    url = nextUrl(target, url, place)
    const next = new URL(url).origin
    if (next === origin) continue
    // Once another origin has chosen the URL, credentials are not sent any more, even if it leads back.
    authorization = undefined
    if (request.hasSecret) {
      const message = `redirects to ${printable(next)}, where credentials are not sent`
      throw new RegistryError('denied', place, message, { status: answer.status })
    }
  }
}

/** Returns the target of a redirect that is to be followed; `undefined` when the answer is final. */
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
    throw new RegistryError('network', place, 'invalid redirect target', { cause })
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
  const { network, signal, responseTimeout: most = DEFAULT_RESPONSE_TIMEOUT, userAgent = DEFAULT_USER_AGENT } = options
  const { timeLimit: time = DEFAULT_TIME_LIMIT } = options
  const { method, url, authorization, body } = request
  const headers: Record<string, string> = {
    'user-agent': userAgent,
    // Blobs are hashed as stored. Without this header some runtimes ask for compression and decompress the body.
    'accept-encoding': 'identity',
    ...request.headers,
    ...(authorization === undefined ? {} : { authorization }),
  }
  const lifeline = new Lifeline(network.clock, signal)
  const fetch = (sent: Content | undefined) =>
    network.fetch(url, { method, headers, body: sent, signal: lifeline.signal })
  try {
    const response =
      body === undefined || body instanceof Uint8Array
        ? await answerWithin(most + ((body?.length ?? 0) / time.bytesPerSecond) * 1000, fetch(body))
        : await answerTo(new SentBody(body, lifeline, network.clock, { most, time }))
    return new Answer(response, url, lifeline, options, place)
  } catch (error) {
    lifeline.close(false)
    signal?.throwIfAborted()
    throw unanswered(place, error)
  }

  function answerWithin(time: number, pending: Promise<FetchResponse>): Promise<FetchResponse> {
    const milliseconds = Math.min(time, MAX_TIMER)
    return lifeline.within(milliseconds, `no answer within ${milliseconds / 1000} seconds`, pending)
  }

  async function answerTo(sent: SentBody): Promise<FetchResponse> {
    try {
      return await lifeline.settled(fetch(sent))
    } finally {
      sent.stop()
    }
  }
}

/** Error codes of failures that a retry does not help against. */
const LASTING =
  /^(?:ENOTFOUND|ERR_INVALID_URL|EPROTO|CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH)/

function unanswered(place: RegistryPlace, error: unknown): OstreeError {
  if (error instanceof OstreeError) return error
  if (error instanceof TooSlow) return new RegistryError('network', place, error.message, { retryable: true })
  const code = networkErrorCode(error)
  const message = code ?? (error instanceof Error ? error.message : 'unknown failure')
  const retryable = code === undefined || !LASTING.test(code)
  return new RegistryError('network', place, `connection failed: ${message}`, { retryable, cause: error })
}

/** An HTTP answer. It holds a connection until its body is read to the end or discarded. */
export class Answer {
  readonly status: number
  /** The URL that gave this answer, after all redirects. */
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

  /** Size of the body in bytes, as the registry announces it: see `contentLength`. */
  get length(): number | undefined {
    return contentLength(this.#response)
  }

  /**
   * Yields the body. It can be read once. Ending the iteration early closes the connection.
   * @throws {RegistryError} when the connection breaks off or the body arrives too slowly; it is then retryable
   */
  chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#read(this.#options.timeLimit ?? DEFAULT_TIME_LIMIT)
  }

  async *#read(time: TimeLimit): AsyncGenerator<Uint8Array, void, undefined> {
    const { network, signal, speedLimit = DEFAULT_SPEED_LIMIT } = this.#options
    const meter = new SpeedMeter(this.#lifeline, network.clock, speedLimit, time)
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

  /** Reads the whole body. @throws {LimitError} when it has more than `limit` bytes; as `chunks` */
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
   * Reads up to `limit` bytes of a body that is not needed, such as that of an error. Never throws, and does not wait for
   * longer than 10 seconds. If the body ends within the limit, the connection can be used again.
   */
  async excerpt(limit: number = MAX_EXCERPT): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of this.#read(EXCERPT_TIME)) {
        parts.push(chunk)
        size += chunk.length
        if (size >= limit) break
      }
    } catch {
      // The bytes received before the failure are returned.
    }
    return concatBytes(parts).subarray(0, limit)
  }

  /** Closes the connection without reading the body. */
  discard(): void {
    this.#lifeline.close(false)
    const body = this.#response.body?.[Symbol.asyncIterator]()
    body?.return?.()?.then(undefined, () => {})
  }
}
