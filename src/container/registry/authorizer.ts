/**
 * Authenticates requests to a registry. A token server issues tokens, each valid for a limited time and some scopes.
 *
 * ```
 * GET  realm?service=…&scope=repository:a/b:pull      with user and password, or without
 * POST realm   grant_type=refresh_token…              with an identity token
 *   ─▶ {"token": …, "expires_in": 300}
 * ```
 *
 * Source: distribution, docs/spec/auth/token.md and oauth.md; containers/image, docker/docker_client.go.
 */
import { encodeUtf8 } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { JsonObject, parseJsonMembers } from '../oci/json.ts'
import type { Challenge } from './challenge.ts'
import { basicAuthorization, type Credentials } from './credentials.ts'
import { printable, RegistryError, type RegistryPlace, statusError } from './errors.ts'
import { type ExchangeOptions, exchange } from './exchange.ts'
import { parseRetryAfter, type RetrySurroundings, withRetries } from './retry.ts'

interface Token {
  readonly value: string
  /** Time the token expires, in milliseconds since the epoch. */
  readonly until: number
}

/** Seconds a token is taken to be valid when `expires_in` is absent or smaller. Source: token.md, `expires_in`. */
const SHORTEST_LIFE = 60
/** Milliseconds before its expiry at which a token is replaced. */
const MARGIN = 5000
/** Maximum size of a token server's answer, in bytes. */
const MAX_TOKEN_ANSWER = 1 << 20
const CLIENT_ID = 'ostree-ts'

/** Makes `Authorization` headers for one registry and one set of credentials, and caches the tokens. */
export class Authorizer {
  readonly #options: ExchangeOptions
  readonly #retry: RetrySurroundings
  readonly #place: RegistryPlace
  readonly #credentials: Credentials | undefined
  readonly #secure: boolean
  readonly #tokens = new Map<string, Promise<Token>>()
  #challenges: readonly Challenge[] = []

  /** @param secure whether the registry is reached over TLS: if so, a realm without TLS is refused */
  constructor(
    options: ExchangeOptions,
    retry: RetrySurroundings,
    place: RegistryPlace,
    credentials: Credentials | undefined,
    secure: boolean,
  ) {
    this.#options = options
    this.#retry = retry
    this.#place = place
    this.#credentials = credentials
    this.#secure = secure
  }

  /** Keeps the registry's challenges for later requests. Ignores a list without a `Bearer` or `Basic` challenge. */
  challenged(challenges: readonly Challenge[]): void {
    if (challenges.some(({ scheme }) => scheme === 'bearer' || scheme === 'basic')) this.#challenges = challenges
  }

  /**
   * Returns the `Authorization` header for `scopes`, such as `repository:a/b:pull`. The first challenge that can be
   * answered decides. `undefined` when there is no such challenge.
   * @throws {RegistryError} when the token server refuses the credentials, or refuses anonymous access
   */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    for (const { scheme, parameters } of this.#challenges) {
      if (scheme === 'bearer') return `Bearer ${await this.#token(parameters, scopes)}`
      if (scheme === 'basic' && this.#credentials?.kind === 'password') {
        return basicAuthorization(this.#credentials.username, this.#credentials.password)
      }
    }
    return undefined
  }

  /** Drops the cached token for `scopes`, so that the next request fetches a new one. */
  forget(scopes: readonly string[]): void {
    this.#tokens.delete(scopes.join(' '))
  }

  async #token(parameters: ReadonlyMap<string, string>, scopes: readonly string[]): Promise<string> {
    const key = scopes.join(' ')
    const now = this.#options.network.clock.now()
    const known = await this.#tokens.get(key)
    if (known !== undefined && known.until > now + MARGIN) return known.value
    const fetched = withRetries(this.#retry, () => this.#fetch(parameters, scopes))
    this.#tokens.set(key, fetched)
    fetched.catch(() => this.#tokens.delete(key))
    return (await fetched).value
  }

  async #fetch(parameters: ReadonlyMap<string, string>, scopes: readonly string[]): Promise<Token> {
    const { clock } = this.#options.network
    const asked = clock.now()
    const request = tokenRequest(this.#realm(parameters), parameters.get('service'), scopes, this.#credentials)
    const place = { ...this.#place, what: 'unable to retrieve auth token' }
    const answer = await exchange(this.#options, place, request)
    const { status } = answer
    if (status !== 200) {
      const body = await answer.excerpt(MAX_TOKEN_ANSWER)
      if (status === 401) {
        const message = this.#credentials === undefined ? 'unauthorized' : 'invalid username/password'
        throw new RegistryError('denied', place, message, { status })
      }
      throw statusError(place, status, body, parseRetryAfter(answer.header('retry-after'), clock.now()))
    }
    return readToken(await answer.read(MAX_TOKEN_ANSWER), asked, place)
  }

  #realm(parameters: ReadonlyMap<string, string>): URL {
    const realm = parameters.get('realm')
    if (realm === undefined || realm === '') {
      throw new RegistryError('network', this.#place, 'missing realm in bearer auth challenge')
    }
    const url = URL.canParse(realm) ? new URL(realm) : undefined
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && !this.#secure)) return url
    const subject = this.#credentials === undefined ? 'a token is not requested from' : 'credentials are not sent to'
    throw new RegistryError('denied', this.#place, `${subject} ${printable(realm)}: it is not https`)
  }
}

function tokenRequest(
  url: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
) {
  if (credentials?.kind === 'identity-token') {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: credentials.token })
    form.set('client_id', CLIENT_ID)
    if (service !== undefined) form.set('service', service)
    if (scopes.length > 0) form.set('scope', scopes.join(' '))
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return { method: 'POST', url: url.href, headers, body: encodeUtf8(form.toString()), hasSecret: true }
  }
  const { username = '', password = '' } = credentials ?? {}
  if (username !== '') url.searchParams.set('account', username)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const authorization = username !== '' && password !== '' ? basicAuthorization(username, password) : undefined
  return { method: 'GET', url: url.href, authorization }
}

function readToken(bytes: Uint8Array, asked: number, place: RegistryPlace): Token {
  const what = 'token'
  try {
    const reader = new JsonObject(parseJsonMembers(bytes, { what, anyCase: false }), what, { what, anyCase: false })
    const value = reader.string('token') || reader.string('access_token')
    if (value !== undefined && value !== '' && !/[\s\p{Cc}]/u.test(value)) {
      const life = Math.max(reader.integer('expires_in') ?? 0, SHORTEST_LIFE)
      return { value, until: asked + life * 1000 }
    }
  } catch (error) {
    // The answer may contain a secret, and the parser's message quotes it, so that message is not passed on.
    if (!(error instanceof FormatError)) throw error
  }
  throw new RegistryError('network', place, 'the answer does not contain a token')
}
