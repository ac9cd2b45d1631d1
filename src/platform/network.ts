/** What network code needs from its runtime: HTTP requests, a clock, random numbers, credential helpers. */

import type { Content } from '../bytes.ts'

/** An HTTP request. */
export interface FetchInit {
  /** Such as `GET`. */
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** For a stream, `headers` include `content-length`. */
  readonly body?: Content | undefined
  /** Aborting it aborts the request, also while the response is read. */
  readonly signal?: AbortSignal | undefined
}

/** An HTTP response: the part of the web's `Response` that is used here. */
export interface FetchResponse {
  /** The status code, such as 200. */
  readonly status: number
  /** `get` ignores the case of `name`. */
  readonly headers: { get(name: string): string | null }
  /** The bytes as transferred: content encodings are not decoded. The producer does not reuse the memory of chunks. */
  readonly body: AsyncIterable<Uint8Array> | null
}

/**
 * Sends one request and returns the response. Redirects are not followed but returned. Rejects if there is no response,
 * with any error; a `code` of the operating system in it or its chain of causes, such as `ECONNRESET`, tells whether
 * trying again may help.
 */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>

/** Time and random numbers. */
export interface Clock {
  /** Returns the time in milliseconds since 1970-01-01 UTC. It never decreases. */
  now(): number
  /** Returns a random number from 0 up to, but not including, 1. */
  random(): number
  /**
   * Calls `callback` once, after `milliseconds`.
   * @returns a function that cancels the call
   */
  after(milliseconds: number, callback: () => void): () => void
}

/**
 * Asks the program `docker-credential-NAME` for the credentials of a server, as `docker-credential-NAME get` does.
 * Resolves to `undefined` if it has none.
 * @throws {InvalidNameError} if `name` is not the name of a program
 * @throws {IoError} if the program does not exist or fails
 */
export type CredentialHelper = (
  name: string,
  server: string,
) => Promise<{ readonly username: string; readonly secret: string } | undefined>

/** Certificates and proxy for the servers of one remote. Paths are those of files on this machine, in PEM format. */
export interface NetworkSettings {
  /** Accepts every certificate. Default false. */
  readonly permissive?: boolean | undefined
  /** Authorities to trust in place of those of the system. */
  readonly authorities?: string | undefined
  /** The client certificate. It needs `clientKey`. */
  readonly clientCertificate?: string | undefined
  readonly clientKey?: string | undefined
  /** URL of the proxy for all requests. */
  readonly proxy?: string | undefined
}

/** Access to the network. */
export interface Network {
  readonly fetch: Fetch
  readonly clock: Clock
  /** Absent in runtimes that cannot run programs. */
  readonly credentialHelper?: CredentialHelper | undefined
  /**
   * Returns a network for servers with these settings. Absent in runtimes that have none of them.
   * @throws {IoError} if a file cannot be read
   */
  configure?(settings: NetworkSettings): Network
}
