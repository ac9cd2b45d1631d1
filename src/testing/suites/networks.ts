/** Conformance suite of networks: what the library expects of `Network.fetch`. */

import { concatBytes, equalBytes } from '../../bytes.ts'
import type { Fetch, FetchResponse, Network } from '../../platform/index.ts'
import { chunksOf, wholeBody } from '../network/chunks.ts'
import { noise, type TestTools, text } from './kit.ts'

/** A server of the suite, and the network that reaches it. */
export interface NetworkPlace extends AsyncDisposable {
  readonly network: Network
  /** URL of the server, without a slash at its end. */
  readonly url: string
}

/** A network under test. */
export interface NetworkSubject {
  readonly name: string
  /**
   * Starts a server that gives all requests to `answer`, such as one of node:http with `nodeListener(answer)`. The
   * connection has to break where `answer`, or the body of its response, fails. The suite disposes of the result.
   */
  start(answer: Fetch): Promise<NetworkPlace>
}

/** Size in bytes of a body that no network delivers in one chunk. */
const LARGE = 600_000

function respond(
  status: number,
  headers: Record<string, string> = {},
  body?: AsyncIterable<Uint8Array>,
): FetchResponse {
  return { status, headers: new Headers(headers), body: body ?? null }
}

/** Reads a body as its contract allows: all chunks are kept until the end. */
async function bodyOf({ body }: FetchResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body ?? []) chunks.push(chunk)
  return concatBytes(chunks)
}

async function* breakingOff(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes)
  throw new Error('breaks off')
}

async function* waitingForever(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes)
  await new Promise(() => {})
}

/** Registers the tests of a network. */
export function networkSuite({ describe, test, expect }: TestTools, { name, start }: NetworkSubject): void {
  const get = { method: 'GET', headers: {} }

  async function asked<T>(answer: Fetch, work: (place: NetworkPlace) => Promise<T>): Promise<T> {
    await using place = await start(answer)
    return await work(place)
  }

  describe(`network ${name}`, () => {
    test('method, path, query, headers and body arrive as they were given', async () => {
      const seen: unknown[] = []
      const answer: Fetch = async (url, { method, headers, body }) => {
        const { pathname, search } = new URL(url)
        seen.push([method, pathname + search, headers['x-one'], await wholeBody(body)])
        return respond(200)
      }
      await asked(answer, async ({ network, url }) => {
        await bodyOf(await network.fetch(`${url}/a%20b/c?d=%2F&e`, { method: 'GET', headers: { 'x-one': '1' } }))
        const put = { method: 'PUT', headers: { 'content-length': '5' }, body: text('hello') }
        await bodyOf(await network.fetch(`${url}/up`, put))
        const sent = { method: 'PATCH', headers: { 'content-length': '2500' }, body: chunksOf(noise(2500)) }
        await bodyOf(await network.fetch(`${url}/stream`, sent))
      })
      expect(seen.map((one) => (one as unknown[]).slice(0, 3))).toEqual([
        ['GET', '/a%20b/c?d=%2F&e', '1'],
        ['PUT', '/up', undefined],
        ['PATCH', '/stream', undefined],
      ])
      const bodies = seen.map((one) => new Uint8Array(((one as unknown[])[3] as Uint8Array | undefined) ?? []))
      expect(bodies).toEqual([new Uint8Array(0), text('hello'), noise(2500)])
    })

    test.each([200, 204, 404, 500, 503])('status %i is returned and not thrown', async (status) => {
      const body = () => (status === 204 ? undefined : chunksOf(text('some text')))
      await asked(
        async () => respond(status, {}, body()),
        async ({ network, url }) => {
          const response = await network.fetch(`${url}/x`, get)
          expect(response.status).toBe(status)
          expect(await bodyOf(response)).toEqual(text(status === 204 ? '' : 'some text'))
        },
      )
    })

    test('a redirect is returned and not followed', async () => {
      let count = 0
      const answer: Fetch = async () => {
        count++
        return respond(307, { location: '/elsewhere' })
      }
      await asked(answer, async ({ network, url }) => {
        const response = await network.fetch(`${url}/x`, get)
        expect([response.status, response.headers.get('Location')]).toEqual([307, '/elsewhere'])
        await bodyOf(response)
      })
      expect(count).toBe(1)
    })

    test('names of response headers have no case, and one that is absent is null', async () => {
      await asked(
        async () => respond(200, { 'X-Some': 'Value', etag: '"1"' }),
        async ({ network, url }) => {
          const { headers, ...rest } = await network.fetch(`${url}/x`, get)
          const names = ['x-some', 'X-SOME', 'ETag', 'x-other']
          expect(names.map((name) => headers.get(name))).toEqual(['Value', 'Value', '"1"', null])
          await bodyOf({ headers, ...rest })
        },
      )
    })

    test('a response to HEAD has headers and no body', async () => {
      await asked(
        async () => respond(200, { 'content-length': '12345' }),
        async ({ network, url }) => {
          const response = await network.fetch(`${url}/x`, { method: 'HEAD', headers: {} })
          expect(response.headers.get('content-length')).toBe('12345')
          expect((await bodyOf(response)).length).toBe(0)
        },
      )
    })

    test('a large body arrives unchanged, in chunks that stay as they are', async () => {
      const bytes = noise(LARGE)
      await asked(
        async () => respond(200, {}, chunksOf(bytes, 9999)),
        async ({ network, url }) => {
          const bodies = await Promise.all([1, 2, 3].map(async () => bodyOf(await network.fetch(`${url}/x`, get))))
          expect(bodies.map((body) => equalBytes(body, bytes))).toEqual([true, true, true])
        },
      )
    })

    test('a body may be left unread, and the next request succeeds', async () => {
      const bytes = noise(LARGE)
      await asked(
        async () => respond(200, {}, chunksOf(bytes, 9999)),
        async ({ network, url }) => {
          for await (const chunk of (await network.fetch(`${url}/x`, get)).body ?? []) {
            expect(chunk.length).toBeGreaterThan(0)
            break
          }
          expect(equalBytes(await bodyOf(await network.fetch(`${url}/x`, get)), bytes)).toBe(true)
        },
      )
    })

    test('a body that breaks off is an error, also without content-length', async () => {
      const bytes = noise(5000)
      for (const headers of [{}, { 'content-length': '6000' }]) {
        await asked(
          async () => respond(200, headers, breakingOff(bytes)),
          async ({ network, url }) => {
            await expect((async () => bodyOf(await network.fetch(`${url}/x`, get)))()).rejects.toThrow()
          },
        )
      }
    })

    test('a server that closes the connection without a response is an error', async () => {
      const answer: Fetch = async () => {
        throw new Error('no response')
      }
      await asked(answer, async ({ network, url }) => {
        await expect(network.fetch(`${url}/x`, get)).rejects.toThrow()
      })
    })

    test('a signal that has aborted sends no request', async () => {
      let count = 0
      const answer: Fetch = async () => {
        count++
        return respond(200)
      }
      await asked(answer, async ({ network, url }) => {
        await expect(network.fetch(`${url}/x`, { ...get, signal: AbortSignal.abort() })).rejects.toThrow()
      })
      expect(count).toBe(0)
    })

    test('a signal that aborts ends waiting for a response, and for the rest of a body', async () => {
      const silent: Fetch = (_, { signal }) =>
        new Promise((_, reject) => void signal?.addEventListener('abort', () => reject(signal.reason)))
      await asked(silent, async ({ network, url }) => {
        const controller = new AbortController()
        const waiting = network.fetch(`${url}/x`, { ...get, signal: controller.signal })
        controller.abort(new Error('enough'))
        await expect(waiting).rejects.toThrow()
      })
      const dripping: Fetch = async (_, { signal }) => respond(200, {}, abortable(waitingForever(noise(10)), signal))
      await asked(dripping, async ({ network, url }) => {
        const controller = new AbortController()
        const read = async () => {
          for await (const chunk of (await network.fetch(`${url}/x`, { ...get, signal: controller.signal })).body ??
            []) {
            expect(chunk.length).toBeGreaterThan(0)
            controller.abort(new Error('enough'))
          }
        }
        await expect(read()).rejects.toThrow()
      })
    })

    test('the clock does not go back, and calls what is not cancelled once', async () => {
      await asked(
        async () => respond(200),
        async ({ network }) => {
          const { clock } = network
          const before = clock.now()
          const called: string[] = []
          clock.after(20, () => called.push('cancelled'))()
          await new Promise<void>((resolve) => {
            clock.after(20, () => {
              called.push('once')
              clock.after(20, resolve)
            })
          })
          expect(called).toEqual(['once'])
          expect(clock.now()).toBeGreaterThanOrEqual(before)
          for (let i = 0; i < 10; i++) expect(Math.floor(clock.random())).toBe(0)
        },
      )
    })
  })
}

/** Ends a body when the signal aborts: a handler that is called directly has no connection that does it. */
async function* abortable(body: AsyncGenerator<Uint8Array>, signal: AbortSignal | undefined) {
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  aborted.catch(() => {})
  for (;;) {
    const next = await Promise.race([body.next(), aborted])
    if (next.done) return
    yield next.value
  }
}
