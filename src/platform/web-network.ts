/**
 * The network as every runtime of the web has it: the global `fetch`. A browser keeps redirects and `WWW-Authenticate`
 * to itself unless the server allows otherwise; servers, Deno and Bun do not.
 */

import type { Clock, Fetch, Network } from './network.ts'

/** Milliseconds; a timer set to more goes off at once. */
const LONGEST_TIMER = 2 ** 31 - 1

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
    // Not waited for: a connection that hangs would never let go.
    if (!ended) reader.cancel().catch(() => {})
  }
}

function streamOf(from: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const source = from[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const next = await source.next()
      if (next.done) controller.close()
      else controller.enqueue(next.value.slice())
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
  // The declaration knows neither `duplex` nor bytes over shared memory, which no runtime minds.
  const response = await globalThis.fetch(url, init as RequestInit)
  return { status: response.status, headers: response.headers, body: response.body && chunksOf(response.body) }
}

export const webNetwork: Network = { fetch: fetchOfTheWeb, clock: webClock }
