/**
 * `Network` by the global `fetch`, which browsers, Node, Deno and Bun have. Browsers hide redirects, and the header
 * `WWW-Authenticate` unless the server exposes it; the others do not.
 */

import type { Clock, Fetch, Network } from './network.ts'

/** Longest delay of a timer in milliseconds; with a longer one it fires immediately. */
const LONGEST_TIMER = 2 ** 31 - 1

/** A clock by `performance`, `crypto.getRandomValues` and `setTimeout`. */
export const webClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  random: () => (crypto.getRandomValues(new Uint32Array(1))[0] as number) / 2 ** 32,
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(milliseconds, LONGEST_TIMER))
    return () => clearTimeout(timer)
  },
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader()
  let ended = false
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
    ended = true
  } finally {
    // Not awaited: on a connection that hangs, the promise never settles.
    if (!ended) reader.cancel().catch(() => {})
  }
}

function streamOf(from: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const source = from[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const next = await source.next()
      if (next.done) controller.close()
      else controller.enqueue(new Uint8Array(next.value))
    },
    async cancel() {
      await source.return?.()
    },
  })
}

const fetchOfTheWeb: Fetch = async (url, { method, headers, body, signal }) => {
  const upload =
    body === undefined ? {} : { body: body instanceof Uint8Array ? body : streamOf(body), duplex: 'half' as const }
  const init = { method, headers, redirect: 'manual', signal: signal ?? null, ...upload }
  // The type declares neither `duplex` nor bytes in shared memory; runtimes accept both.
  const response = await globalThis.fetch(url, init as RequestInit)
  return { status: response.status, headers: response.headers, body: response.body && chunksOf(response.body) }
}

/** The network of the web, without credential helpers. */
export const webNetwork: Network = { fetch: fetchOfTheWeb, clock: webClock }
