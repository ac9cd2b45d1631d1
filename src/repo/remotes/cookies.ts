/**
 * Cookies to be sent to a remote, stored in Netscape's cookie file format, which curl reads. One line per cookie, its
 * fields separated by tabs:
 *
 *     DOMAIN  INCLUDE_SUBDOMAINS  PATH  SECURE  EXPIRES  NAME  VALUE
 *
 * Source: ot-remote-cookie-util.c.
 */

import { decodeUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { FormatError, InvalidNameError, NotFoundError } from '../../errors.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'

/** Only the owner can read a cookie jar. */
const SECRET = { mode: 0o600 }

/** A cookie; the fields are those of a line. */
export interface Cookie {
  /** A leading dot includes subdomains. */
  readonly domain: string
  readonly path: string
  readonly secure: boolean
  /** Seconds since the epoch. */
  readonly expires: bigint
  readonly name: string
  readonly value: string
}

/** The fields that identify a cookie. */
export type CookieKey = Pick<Cookie, 'domain' | 'path' | 'name'>

/** Returns the path of a remote's cookie file in the repository. */
export function cookieJar(remote: string): string {
  return `${remote}.cookies.txt`
}

/** Parses a cookie file. Other lines, such as comments, are skipped. */
export function parseCookies(text: string): Cookie[] {
  return text.split('\n').flatMap((line) => parseLine(line) ?? [])
}

function parseLine(line: string): Cookie | undefined {
  const [domain, , path, secure, expires, name, value, ...more] = line.split('\t')
  if (domain === undefined || path === undefined || name === undefined || value === undefined) return undefined
  if (more.length > 0 || expires === undefined || !/^-?\d+$/.test(expires)) return undefined
  return { domain, path, secure: secure === 'TRUE', expires: BigInt(expires), name, value }
}

function format({ domain, path, secure, expires, name, value }: Cookie): string {
  const yes = (flag: boolean): string => (flag ? 'TRUE' : 'FALSE')
  return `${[domain, yes(domain.startsWith('.')), path, yes(secure), expires, name, value].join('\t')}\n`
}

/**
 * Appends a cookie, even if one with the same domain, path and name exists. The remote need not be configured. Only the
 * owner can read the file, since cookies are secret; ostree lets everyone read it until a cookie is deleted.
 * @throws {InvalidNameError} when the name of the remote has a slash, or a field has a tab, a line break or another control character
 * @throws {UnsupportedError} when the repository is not a directory
 */
export async function addCookie(repo: Repo, remote: string, cookie: Cookie): Promise<void> {
  const files = requireRepoFiles(repo, 'A cookie jar')
  if (remote.includes('/')) throw new InvalidNameError(remote, `Invalid remote name ${remote}`)
  for (const field of ['domain', 'path', 'name', 'value'] as const) {
    if (!/[\p{Cc}\p{Surrogate}]/u.test(cookie[field])) continue
    throw new InvalidNameError(cookie[field], `Invalid ${field} of a cookie: ${JSON.stringify(cookie[field])}`)
  }
  const before = await readJar(repo, remote)
  const separator = before === '' || before.endsWith('\n') ? '' : '\n'
  await files.write(cookieJar(remote), encodeUtf8(before + separator + format(cookie)), SECRET)
}

/**
 * Deletes all cookies with that domain, path and name. The file is rewritten even when there are none.
 * @throws {NotFoundError} `Cookie not found in jar` when there are none
 * @throws {UnsupportedError} when the repository is not a directory
 */
export async function deleteCookie(repo: Repo, remote: string, { domain, path, name }: CookieKey): Promise<void> {
  const lines = (await readJar(repo, remote)).split('\n').filter((line) => line !== '')
  const kept = lines.filter((line) => {
    const cookie = parseLine(line)
    return cookie === undefined || cookie.domain !== domain || cookie.path !== path || cookie.name !== name
  })
  const files = requireRepoFiles(repo, 'A cookie jar')
  await files.write(cookieJar(remote), encodeUtf8(kept.map((line) => `${line}\n`).join('')), SECRET)
  if (kept.length === lines.length) throw new NotFoundError(name, 'Cookie not found in jar')
}

async function readJar(repo: Repo, remote: string): Promise<string> {
  const jar = cookieJar(remote)
  const text = decodeUtf8((await requireRepoFiles(repo, 'A cookie jar').read(jar)) ?? EMPTY_BYTES)
  if (text === undefined) throw new FormatError(jar, 'Invalid UTF-8')
  return text
}
