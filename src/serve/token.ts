/** Protects a handler by a token. */

import { encodeUtf8 } from '../bytes.ts'
import { UsageError } from '../errors.ts'
import type { HttpHandler, Platform } from '../platform/index.ts'
import { plainResponse } from './respond.ts'

/**
 * Returns a handler that answers only requests with a token: as `Authorization: Bearer TOKEN`, or as the password of basic
 * authentication with any user name, which URLs of remotes can have.
 * @throws {UsageError} when the token is empty
 */
export function requireToken(handler: HttpHandler, token: string, platform: Pick<Platform, 'sha256'>): HttpHandler {
  if (token === '') throw new UsageError('The token is empty')
  // Checksums are compared, so that the time it takes tells nothing about the token.
  const expected = platform.sha256(encodeUtf8(token))
  return (request) => {
    const given = tokenOf(request.headers.get('authorization') ?? '')
    if (given !== undefined && platform.sha256(encodeUtf8(given)) === expected) return handler(request)
    return plainResponse(401, 'Unauthorized', { 'www-authenticate': 'Basic realm="ostree", charset="UTF-8"' })
  }
}

function tokenOf(authorization: string): string | undefined {
  const [scheme = '', value = ''] = authorization.trim().split(/ +/, 2)
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic') return undefined
  const decoded = decodeBase64(value)
  const colon = decoded?.indexOf(':') ?? -1
  return colon < 0 ? undefined : decoded?.slice(colon + 1)
}

function decodeBase64(text: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0)))
  } catch {
    return undefined
  }
}
