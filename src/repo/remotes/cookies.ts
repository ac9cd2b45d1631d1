/**
 * The cookies a remote wants, in the form Netscape gave them and curl reads:
 *
 *     DOMAIN TAB subdomains too TAB PATH TAB secure TAB EXPIRES TAB NAME TAB VALUE
 *
 * Source: ot-remote-cookie-util.c.
 */

import { decodeUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { FormatError, NotFoundError } from '../../errors.ts'
import type { Repo } from '../repo.ts'
import { filesOf } from '../repo.ts'

export interface Cookie {
  /** With a dot in front it is that of subdomains too. */
  readonly domain: string
  readonly path: string
  readonly secure: boolean
  /** Seconds since the epoch. */
  readonly expires: bigint
  readonly name: string
  readonly value: string
}

export type CookieKey = Pick<Cookie, 'domain' | 'path' | 'name'>

/** The file of a remote, in the repository. */
export function cookieJar(remote: string): string {
  return `${remote}.cookies.txt`
}

/** Lines that are no cookies are left out. */
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

/** Appends, even where there is one of that name. The remote need not be configured. */
export async function addCookie(repo: Repo, remote: string, cookie: Cookie): Promise<void> {
  const files = filesOf(repo, 'A cookie jar')
  const jar = cookieJar(remote)
  await files.write(jar, encodeUtf8((await readJar(repo, remote)) + format(cookie)))
}

/** All of that domain, path and name; the jar is written anew in any case. @throws {NotFoundError} `Cookie not found in jar` */
export async function deleteCookie(repo: Repo, remote: string, { domain, path, name }: CookieKey): Promise<void> {
  const lines = (await readJar(repo, remote)).split('\n').filter((line) => line !== '')
  const kept = lines.filter((line) => {
    const cookie = parseLine(line)
    return cookie === undefined || cookie.domain !== domain || cookie.path !== path || cookie.name !== name
  })
  const files = filesOf(repo, 'A cookie jar')
  await files.write(cookieJar(remote), encodeUtf8(kept.map((line) => `${line}\n`).join('')), { mode: 0o600 })
  if (kept.length === lines.length) throw new NotFoundError(name, 'Cookie not found in jar')
}

async function readJar(repo: Repo, remote: string): Promise<string> {
  const jar = cookieJar(remote)
  const text = decodeUtf8((await filesOf(repo, 'A cookie jar').read(jar)) ?? EMPTY_BYTES)
  if (text === undefined) throw new FormatError(jar, `${jar}: Invalid UTF-8`)
  return text
}
