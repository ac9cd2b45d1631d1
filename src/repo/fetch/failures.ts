/**
 * Turns what went wrong with a request into an error, and decides whether it is worth another attempt.
 *
 * ```
 * 403, 404, 410           not found; never again
 * other statuses          again; with `retryAll` false only 408 and 500
 * no answer, cut off      again; with `retryAll` false only failures that are known to pass
 * ```
 *
 * Source: ostree-fetcher-util.c (_ostree_fetcher_should_retry_request), ostree-fetcher-curl.c; libcurl-errors(3).
 */

import { FetchError, OstreeError } from '../../errors.ts'
import { networkErrorCode } from '../../platform/internal.ts'

/** Statuses that mean that the file does not exist. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])
/** Statuses of failures that pass: time is over, and the server is busy. */
const PASSING: ReadonlySet<number> = new Set([408, 500])

/** libcurl's number and words by the error code of the system; its messages are those of ostree. */
const CURL: readonly (readonly [codes: RegExp, text: string, passing: boolean])[] = [
  [/^(?:ENOTFOUND|EAI_)/, "[6] Couldn't resolve host name", true],
  [/^ECONNREFUSED$/, "[7] Couldn't connect to server", false],
  [/^(?:EHOSTUNREACH|ENETUNREACH)$/, "[7] Couldn't connect to server", true],
  [/^(?:ETIMEDOUT|UND_ERR_.*TIMEOUT)$/, '[28] Timeout was reached', true],
  [/^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)$/, '[56] Failure when receiving data from the peer', true],
  [
    /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|ERR_TLS_CERT|HOSTNAME_MISMATCH)/,
    '[60] SSL peer certificate or SSH remote key was not OK',
    false,
  ],
  [/^(?:EPROTO|ERR_SSL|ERR_TLS)/, '[35] SSL connect error', false],
  [/^HPE_/, '[1] Unsupported protocol', false],
]

/** Returns the error of a status that is not a success. */
export function statusFailure(url: string, status: number, retryAll: boolean): FetchError {
  const retryable = !ABSENT.has(status) && (retryAll || PASSING.has(status))
  return new FetchError(url, `Server returned HTTP ${status}`, { status, retryable })
}

/** Returns the error of a transfer that was too slow. */
export function slowFailure(url: string): FetchError {
  return new FetchError(url, '[28] Timeout was reached', { retryable: true })
}

/** Returns the error of a body that ended before its length. */
export function cutFailure(url: string): FetchError {
  return new FetchError(url, '[18] Transferred a partial file', { retryable: true })
}

/** Returns the error of a request that the runtime failed to send or whose response it failed to read. */
export function transportFailure(url: string, error: unknown, retryAll: boolean): OstreeError {
  if (error instanceof OstreeError) return error
  const code = networkErrorCode(error)
  const known = CURL.find(([codes]) => code !== undefined && codes.test(code))
  const message = known?.[1] ?? (error instanceof Error ? error.message : 'unknown failure')
  return new FetchError(url, message, { retryable: retryAll || known?.[2] === true, cause: error })
}
