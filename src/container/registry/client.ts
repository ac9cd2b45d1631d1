/**
 * A client for one repository of one registry. It finds the protocol, authenticates, and sends requests.
 *
 * ```
 * GET /v2/ ─▶ 401 WWW-Authenticate ─▶ token ─▶ GET /v2/a/b/… ─▶ 401 ─▶ new token, once ─▶ answer
 * ```
 *
 * Source: OCI distribution-spec 1.1.
 */
import type { Content } from '../../bytes.ts'
import { Authorizer } from './authorizer.ts'
import { parseChallenges } from './challenge.ts'
import type { CredentialSource } from './credentials.ts'
import type { Endpoint } from './endpoints.ts'
import { RegistryError, type RegistryPlace, statusError } from './errors.ts'
import { type Answer, type ExchangeOptions, exchange } from './exchange.ts'
import { parseRetryAfter, type RetryOptions, type RetrySurroundings, withRetries } from './retry.ts'

/** How a client reaches its registry. */
export interface ClientOptions extends ExchangeOptions, RetryOptions {
  readonly credentials: CredentialSource
}

/** The access to the repository for which tokens are requested. */
export type Action = 'pull' | 'pull,push'

/** One request below a repository. */
export interface ClientRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** A path below the repository, such as `/manifests/latest`, or an absolute URL, such as an upload location. */
  readonly path: string
  /** Name of the requested resource in error messages. */
  readonly what: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Content | undefined
  /** Scopes to request in addition to that of the repository. */
  readonly scopes?: readonly string[] | undefined
  /** HTTP statuses that are returned as an answer. All others become errors. */
  readonly expect: readonly number[]
}

/** The result of the first request to a registry. */
interface Session {
  /** `https://host` or `http://host`. */
  readonly base: string
  readonly authorizer: Authorizer
}

/** Sends requests about one repository, with authentication. The first request finds out how to reach the registry. */
export class RegistryClient {
  readonly endpoint: Endpoint
  readonly options: ClientOptions
  readonly #action: Action
  #session: Promise<Session> | undefined

  constructor(endpoint: Endpoint, action: Action, options: ClientOptions) {
    this.endpoint = endpoint
    this.options = options
    this.#action = action
  }

  /** Returns the place that errors about `what`, such as a tag or a digest, carry. */
  place(what: string): RegistryPlace {
    return { registry: this.endpoint.domain, repository: this.endpoint.repository, what }
  }

  /** Sends a request like `once`, and repeats it after a temporary failure. Only for requests that may be repeated. */
  ask(request: ClientRequest): Promise<Answer> {
    return withRetries(this.retry, () => this.once(request))
  }

  /**
   * Sends a request. After a status of 401, or 403 for lack of a scope, sends it a second time with new authorization.
   * @throws {RegistryError} when the status is not in `request.expect`, or when no answer arrives
   */
  async once(request: ClientRequest): Promise<Answer> {
    const { base, authorizer } = await this.#open()
    const { method, headers, body, expect } = request
    const url = new URL(
      request.path.startsWith('/') ? `/v2/${this.endpoint.repository}${request.path}` : request.path,
      base,
    )
    // An upload location may be on another host. Credentials are sent only to the registry's own origin.
    const own = url.origin === base
    const place = this.place(request.what)
    let scopes = [`repository:${this.endpoint.repository}:${this.#action}`, ...(request.scopes ?? [])]
    for (let first = true; ; first = false) {
      const authorization = own ? await authorizer.header(scopes) : undefined
      const answer = await exchange(this.options, place, { method, url: url.href, headers, authorization, body })
      if (expect.includes(answer.status)) return answer
      // Authentication challenges from another origin, after a redirect, are ignored.
      const asked = own && new URL(answer.url).origin === base
      const again = first && asked && (body === undefined || body instanceof Uint8Array)
      const wanted = again ? this.#challenged(answer, authorizer, scopes, authorization) : undefined
      if (wanted === undefined) throw await this.#failure(answer, place)
      await answer.excerpt()
      scopes = wanted
    }
  }

  /** Takes over the challenges of an answer. Returns the scopes for a second attempt; `undefined` if it would fail. */
  #challenged(
    answer: Answer,
    authorizer: Authorizer,
    scopes: string[],
    authorization: string | undefined,
  ): string[] | undefined {
    if (answer.status !== 401 && answer.status !== 403) return undefined
    const challenges = parseChallenges(answer.header('www-authenticate') ?? '')
    const short = challenges.find(({ parameters }) => parameters.get('error') === 'insufficient_scope')
    if (answer.status === 403 && short === undefined) return undefined
    authorizer.challenged(challenges)
    authorizer.forget(scopes)
    const more = short?.parameters.get('scope')
    if (more !== undefined && !scopes.includes(more)) return [...scopes, more]
    // A second attempt would send the same user name and password.
    return authorization?.startsWith('Basic ') ? undefined : scopes
  }

  async #failure(answer: Answer, place: RegistryPlace): Promise<RegistryError> {
    const { clock } = this.options.network
    // A date in `Retry-After` is compared with the server's own clock if it sends `Date`.
    const now = Date.parse(answer.header('date') ?? '') || clock.now()
    const retryAfter = parseRetryAfter(answer.header('retry-after'), now)
    return statusError(place, answer.status, await answer.excerpt(), retryAfter)
  }

  /** Arguments for `withRetries`. */
  get retry(): RetrySurroundings {
    return { ...this.options, clock: this.options.network.clock }
  }

  #open(): Promise<Session> {
    if (this.#session === undefined) {
      const opening = this.#ping()
      opening.catch(() => {
        this.#session = undefined
      })
      this.#session = opening
    }
    return this.#session
  }

  async #ping(): Promise<Session> {
    const { host, insecure } = this.endpoint
    try {
      return await this.#pingAt(`https://${host}`)
    } catch (error) {
      const silent = error instanceof RegistryError && error.data.status === undefined && error.code === 'network'
      if (!insecure || !silent) throw error
      return await this.#pingAt(`http://${host}`).catch((second) => {
        throw this.#bothFailed(error, second)
      })
    }
  }

  /** Returns the error for a registry that gave no answer over TLS. An answer over plain HTTP counts alone. */
  #bothFailed(tls: RegistryError, http: unknown): unknown {
    const isSilent = http instanceof RegistryError && http.code === 'network' && http.data.status === undefined
    if (!isSilent) return http
    const place = this.place('pinging the registry')
    const prefix = new RegistryError('network', place, '').message
    const [first, second] = [tls, http].map(({ message }) =>
      message.slice(message.startsWith(prefix) ? prefix.length : 0),
    )
    return new RegistryError('network', place, `over TLS: ${first}; over plain HTTP: ${second}`, {
      retryable: tls.data.retryable || http.data.retryable,
      cause: new AggregateError([tls, http], 'no answer over TLS and plain HTTP'),
    })
  }

  async #pingAt(base: string): Promise<Session> {
    const place = this.place('pinging the registry')
    const answer = await exchange(this.options, place, { method: 'GET', url: `${base}/v2/` })
    if (answer.status !== 200 && answer.status !== 401) throw await this.#failure(answer, place)
    const challenges = parseChallenges(answer.header('www-authenticate') ?? '')
    await answer.excerpt()
    const credentials = await this.options.credentials(this.endpoint)
    const secure = base.startsWith('https:')
    const authorizer = new Authorizer(
      this.options,
      this.retry,
      this.place('authenticating to the registry'),
      credentials,
      secure,
    )
    authorizer.challenged(challenges)
    return { base: new URL(base).origin, authorizer }
  }
}
