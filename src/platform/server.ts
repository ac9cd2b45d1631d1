/** What a server of HTTP needs from its runtime, in either direction: one request in, one response out. */

import type { Content, MaybePromise } from '../bytes.ts'

/** An HTTP request. Its body is not read: no handler here takes one. */
export interface HttpRequest {
  /** Such as `GET`, in upper case. */
  readonly method: string
  /** Path and query as they were sent: `/repo/config?x=1`. */
  readonly target: string
  /** `get` ignores the case of `name`. */
  readonly headers: { get(name: string): string | null }
}

/** An HTTP response. */
export interface HttpResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The bytes to send. `undefined`: nothing, also for a request with method HEAD. */
  readonly body?: Content | undefined
}

/** Answers requests. It does not throw: what goes wrong becomes a response. */
export type HttpHandler = (request: HttpRequest) => MaybePromise<HttpResponse>
