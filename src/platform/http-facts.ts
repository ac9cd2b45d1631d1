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

/**
 * Returns the number of bytes of a body that `Content-Length` announces; `undefined` when that is absent or malformed, and
 * when the body has a `Content-Encoding`: the header then counts encoded bytes, and `fetch` of most runtimes decodes them.
 */
export function contentLength({ headers }: FetchResponse): number | undefined {
  if ((headers.get('content-encoding') ?? 'identity').trim().toLowerCase() !== 'identity') return undefined
  const text = headers.get('content-length')
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
