/**
 * One repository of one registry: found, authenticated to, asked.
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

export interface ClientOptions extends ExchangeOptions, RetryOptions {
  readonly credentials: CredentialSource
}

export type Action = 'pull' | 'pull,push'

export interface ClientRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the repository, such as `/manifests/latest`; or absolute, as upload locations are. */
  readonly path: string
  /** Names what is asked for, in errors. */
  readonly what: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Content | undefined
  /** Scopes beside that of the repository itself. */
  readonly scopes?: readonly string[] | undefined
  /** Statuses that answer the question. All others become errors. */
  readonly expect: readonly number[]
}

interface Session {
  /** `https://host` or `http://host`. */
  readonly base: string
  readonly authorizer: Authorizer
}

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

  /** `what`, for errors. */
  place(what: string): RegistryPlace {
    return { registry: this.endpoint.domain, repository: this.endpoint.repository, what }
  }

  /** As `once`, and again where that may help. For requests that may be made twice. */
  ask(request: ClientRequest): Promise<Answer> {
    return withRetries(this.retry, () => this.once(request))
  }

  /** @throws {RegistryError} for any status but those expected, and when nothing answers */
  async once(request: ClientRequest): Promise<Answer> {
    const { base, authorizer } = await this.#open()
    const { method, headers, body, expect } = request
    const url = new URL(
      request.path.startsWith('/') ? `/v2/${this.endpoint.repository}${request.path}` : request.path,
      base,
    )
    // An upload may continue elsewhere; who we are is the registry's business only.
    const own = url.origin === base
    const place = this.place(request.what)
    let scopes = [`repository:${this.endpoint.repository}:${this.#action}`, ...(request.scopes ?? [])]
    for (let first = true; ; first = false) {
      const authorization = own ? await authorizer.header(scopes) : undefined
      const answer = await exchange(this.options, place, { method, url: url.href, headers, authorization, body })
      if (expect.includes(answer.status)) return answer
      // What somebody else asks for, somewhere along redirects, is nothing to show credentials for.
      const asked = own && new URL(answer.url).origin === base
      const again = first && asked && (body === undefined || body instanceof Uint8Array)
      const wanted = again ? this.#challenged(answer, authorizer, scopes, authorization) : undefined
      if (wanted === undefined) throw await this.#failure(answer, place)
      await answer.excerpt()
      scopes = wanted
    }
  }

  /** @returns the scopes to try once more with; `undefined` when that is hopeless */
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
    // The same name and password would be refused the same way.
    return authorization?.startsWith('Basic ') ? undefined : scopes
  }

  async #failure(answer: Answer, place: RegistryPlace): Promise<RegistryError> {
    const { clock } = this.options.network
    // The server's own clock, if it shows it, is the one its dates are of.
    const now = Date.parse(answer.header('date') ?? '') || clock.now()
    const retryAfter = parseRetryAfter(answer.header('retry-after'), now)
    return statusError(place, answer.status, await answer.excerpt(), retryAfter)
  }

  /** What `withRetries` wants. */
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
        // what matters is why the better way failed, unless the other one answered
        throw second instanceof RegistryError && second.data.status !== undefined ? second : error
      })
    }
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
