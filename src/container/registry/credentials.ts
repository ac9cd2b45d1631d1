/**
 * Reads credentials for registries from files as described in containers-auth.json(5) and Docker's config.json.
 *
 *     {"auths": {"quay.io/a": {"auth": base64("user:password")}},
 *      "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "desktop"}
 *
 * Source: containers/image, pkg/docker/config; docker/docker-credential-helpers.
 */
import { displayUtf8 } from '../../bytes.ts'
import { FormatError, UnsupportedError } from '../../errors.ts'
import type { CredentialHelper } from '../../platform/index.ts'
import { JsonObject, parseJsonMembers } from '../oci/json.ts'
import { type RegistryReference, repositoryName } from '../oci/registry-reference.ts'

/** Credentials for a registry. An identity token is an OAuth 2 refresh token, which is exchanged for access tokens. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string }

/** Returns the credentials for a repository; `undefined` for anonymous access. */
export type CredentialSource = (
  repository: Pick<RegistryReference, 'domain' | 'repository'>,
) => Promise<Credentials | undefined>

/** A file of credentials, as containers-auth.json(5) describes it. */
export interface AuthFile {
  /** Credentials by registry or repository, such as `quay.io` or `quay.io/a`. */
  readonly auths: ReadonlyMap<string, Credentials>
  /** Names of credential helpers, by host. */
  readonly helpers: ReadonlyMap<string, string>
  /** Name of the credential helper for all other hosts. */
  readonly store: string | undefined
}

/** Gives no credentials for any repository. */
export const anonymousCredentials: CredentialSource = async () => undefined

/** The user name a credential helper returns when the secret is an identity token. */
const TOKEN_USER = '<token>'
const DOCKER_HUB_NAMES = ['docker.io', 'registry-1.docker.io', 'index.docker.io']

/**
 * Parses a file of credentials: containers-auth.json(5), or Docker's config.json.
 * @param what the name of the file in messages, which never quote from it
 * @throws {FormatError} when the file is malformed
 */
export function parseAuthFile(bytes: Uint8Array, what = 'auth file'): AuthFile {
  const reader = new JsonObject(parse(bytes, what), what, { what, anyCase: false })
  const auths = new Map<string, Credentials>()
  const entries = reader.object('auths')
  for (const key of keysOf(reader.get('auths'))) {
    const found = readEntry(entries?.object(key), key, what)
    if (found !== undefined) auths.set(key, found)
  }
  const helpers = new Map(Object.entries(reader.stringMap('credHelpers') ?? {}))
  return { auths, helpers, store: reader.string('credsStore') || undefined }
}

/** Parses JSON without quoting it in errors: the text contains secrets. */
function parse(bytes: Uint8Array, what: string): ReadonlyMap<string, unknown> {
  try {
    return parseJsonMembers(bytes, { what, anyCase: false })
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(what, `Invalid ${what}: not a JSON object`)
    throw error
  }
}

function keysOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

function readEntry(entry: JsonObject | undefined, key: string, what: string): Credentials | undefined {
  const token = entry?.string('identitytoken')
  if (token !== undefined && token !== '') return { kind: 'identity-token', token }
  const auth = entry?.string('auth')
  if (auth === undefined || auth === '') return undefined
  const text = decodeBase64(auth)
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon < 0) throw new FormatError(what, `Invalid ${what}: malformed entry for ${key}`)
  return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}

function decodeBase64(text: string): string | undefined {
  try {
    return displayUtf8(Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0)))
  } catch {
    return undefined
  }
}

/**
 * Returns a source of credentials that looks into files, in order. In each file it tries, in this order: the helper of
 * the host; entries from the whole repository name up to the host; entries that spell the host in another way; the
 * helper for all hosts.
 * @param helper runs a credential helper. Without it, the returned source throws `UnsupportedError` for a repository
 *   whose credentials a helper keeps
 */
export function credentialsFromFiles(files: readonly AuthFile[], helper?: CredentialHelper): CredentialSource {
  return async (reference) => {
    for (const file of files) {
      const found = await findIn(file, reference, helper)
      if (found !== undefined) return found
    }
    return undefined
  }
}

async function findIn(
  { auths, helpers, store }: AuthFile,
  reference: Pick<RegistryReference, 'domain' | 'repository'>,
  helper: CredentialHelper | undefined,
): Promise<Credentials | undefined> {
  const { domain } = reference
  const own = helpers.get(domain)
  if (own !== undefined && own !== '') return await askHelper(own, domain, helper)
  for (let key = repositoryName(reference); ; key = key.slice(0, key.lastIndexOf('/'))) {
    const found = auths.get(key)
    if (found !== undefined) return found
    if (!key.includes('/')) break
  }
  for (const [key, found] of auths) if (normalHost(key) === normalHost(domain)) return found
  if (store === undefined) return undefined
  return await askHelper(store, domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain, helper)
}

/** Returns the host of a key. Docker Hub has several names; Docker itself writes `https://index.docker.io/v1/`. */
function normalHost(key: string): string {
  const bare = key.replace(/^https?:\/\//, '')
  const host = bare === key ? key : bare.replace(/\/.*$/s, '')
  return DOCKER_HUB_NAMES.includes(host) ? 'index.docker.io' : host
}

async function askHelper(
  name: string,
  server: string,
  helper: CredentialHelper | undefined,
): Promise<Credentials | undefined> {
  if (helper === undefined) {
    const message = `Credentials of ${server} are kept by the helper ${name}; running helpers is not supported here`
    throw new UnsupportedError('credential helper', message)
  }
  const answer = await helper(name, server)
  if (answer === undefined) return undefined
  const { username, secret } = answer
  if (username === TOKEN_USER) return { kind: 'identity-token', token: secret }
  return { kind: 'password', username, password: secret }
}

/** Returns the value of an `Authorization` header of the scheme `Basic`. Source: RFC 7617. */
export function basicAuthorization(username: string, password: string): string {
  const units = Array.from(new TextEncoder().encode(`${username}:${password}`), (byte) => String.fromCharCode(byte))
  return `Basic ${btoa(units.join(''))}`
}
