/** Facts about HTTP responses and failed requests that every client needs. */

import type { FetchResponse } from './network.ts'

/**
 * Returns the error code of the operating system, such as `ECONNREFUSED`. Runtimes hide it in a cause of their own
 * `fetch failed` error.
 */
export function networkErrorCode(error: unknown): string | undefined {
  let at = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
    at = at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at.cause
  }
  return undefined
}

/** Returns the number of bytes in `Content-Length`; `undefined` when that is absent or malformed. */
export function contentLength({ headers }: FetchResponse): number | undefined {
  const text = headers.get('content-length')
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
