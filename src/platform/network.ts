/** What network code needs of its surroundings: a way to ask, the time, and chance. */

import type { Content } from '../bytes.ts'

export interface FetchInit {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** A stream comes with its `content-length` among the headers. */
  readonly body?: Content | undefined
  readonly signal?: AbortSignal | undefined
}

/** So much of a web `Response` as is used here. */
export interface FetchResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  /** As it came over the wire: nothing is decoded. Chunks belong to the reader. */
  readonly body: AsyncIterable<Uint8Array> | null
}

/**
 * One request, one answer: redirects are answers like any other. Rejects when there is none, with whatever the runtime
 * throws; a `code` of the operating system, such as `ECONNRESET`, is looked for along the `cause`s.
 */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>

export interface Clock {
  /** Milliseconds since the epoch, UTC; never goes back. */
  now(): number
  /** From 0 up to, not including, 1. */
  random(): number
  /** Calls back once, `milliseconds` from now, unless what it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void
}

/**
 * What the program `docker-credential-NAME get` answers for a server; `undefined` when it knows none.
 * @throws {InvalidNameError}, {IoError} when there is no such program, or it fails
 */
export type CredentialHelper = (
  name: string,
  server: string,
) => Promise<{ readonly username: string; readonly secret: string } | undefined>

export interface Network {
  readonly fetch: Fetch
  readonly clock: Clock
  /** Absent where no programs can be run. */
  readonly credentialHelper?: CredentialHelper | undefined
}
