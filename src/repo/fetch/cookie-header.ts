/**
 * Selects the cookies of a remote's jar that a request sends. Source: RFC 6265, section 5.4; curl's cookie.c, which reads
 * the same jar.
 */

import type { Cookie } from '../remotes/cookies.ts'

/**
 * Returns the value of the header `Cookie`; `undefined` when no cookie is for this URL.
 * @param now seconds since the epoch
 */
export function cookieHeader(cookies: readonly Cookie[], url: URL, now: number): string | undefined {
  const fitting = cookies.filter((cookie) => isFor(cookie, url, now))
  // Cookies with longer paths come first.
  fitting.sort((a, b) => b.path.length - a.path.length)
  return fitting.length === 0 ? undefined : fitting.map(({ name, value }) => `${name}=${value}`).join('; ')
}

function isFor({ domain, path, secure, expires }: Cookie, { protocol, hostname, pathname }: URL, now: number): boolean {
  if (secure && protocol !== 'https:') return false
  if (expires !== 0n && expires < BigInt(Math.floor(now))) return false
  const host = hostname.toLowerCase()
  const wanted = domain.toLowerCase()
  const below = wanted.startsWith('.') ? wanted : undefined
  if (host !== wanted.replace(/^\./, '') && !(below !== undefined && host.endsWith(below))) return false
  const folder = path === '' ? '/' : path
  return pathname === folder || pathname.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
