/** Tests of time limits: for answers and uploads that trickle, and for servers that stop. Time is that of a fake clock. */
import { describe, expect, test } from 'vitest'
import { readAll } from '../../../src/bytes.ts'
import { openRegistryDestination } from '../../../src/container/registry/destination.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { openRegistryImage } from '../../../src/container/registry/source.ts'
import { portablePlatform as platform } from '../../../src/platform/portable.ts'
import { chunks, type FakeClock, FakeRegistry, stall } from './fake.ts'

const host = { architecture: 'amd64', os: 'linux' }
const LAYER = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 11) & 255)
const wait = (clock: FakeClock, milliseconds: number) =>
  new Promise<void>((resolve) => void clock.after(milliseconds, resolve))

async function* trickle(clock: FakeClock, bytes: Uint8Array, perSecond: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += perSecond) {
    await wait(clock, 1000)
    yield bytes.slice(at, at + perSecond)
  }
}

/** Returns the seconds of the clock that `work` takes. */
async function seconds(registry: FakeRegistry, work: () => Promise<unknown>): Promise<number> {
  const start = registry.clock.now()
  await work()
  return (registry.clock.now() - start) / 1000
}

describe('a download', () => {
  async function download(perSecond: number, more: Partial<RegistryOptions> = {}) {
    const registry = new FakeRegistry(platform)
    registry.putImage('a/b:1', LAYER)
    registry.ranges = false
    registry.fault = ({ url }) => {
      const digest = registry.digest(LAYER)
      return url.endsWith(digest) ? { body: trickle(registry.clock, LAYER, perSecond) } : undefined
    }
    const options = registry.options({ retries: 1, ...more })
    const source = await openRegistryImage('example.com/a/b:1', { platform, host, registry: options })
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    let failure: unknown
    const time = await seconds(registry, async () => {
      failure = await readAll(source.blob(layer)).then(
        () => undefined,
        (error) => error,
      )
    })
    return { failure, time }
  }

  test('a blob that trickles above the speed limit is given up after ten minutes', async () => {
    const { failure, time } = await download(50)
    expect(failure).toMatchObject({
      code: 'network',
      message: expect.stringContaining('fewer than 10000 bytes a second, and 600 seconds are over'),
      data: { retryable: true },
    })
    expect(time).toBeGreaterThan(1200)
    expect(time).toBeLessThan(1300)
  })

  test('a blob that trickles is read if the limit allows it', async () => {
    const { failure, time } = await download(1000, { timeLimit: { milliseconds: 60_000, bytesPerSecond: 2000 } })
    expect(failure).toBeUndefined()
    expect(time).toBeGreaterThanOrEqual(100)
    const slow = await download(1000, { timeLimit: { milliseconds: 20_000, bytesPerSecond: 2000 } })
    expect(slow.failure).toMatchObject({ message: expect.stringContaining('2000 bytes a second, and 20 seconds') })
  })

  test('the body of an error that trickles is not waited for', async () => {
    const registry = new FakeRegistry(platform)
    registry.fault = ({ url }) =>
      url.includes('/manifests/') ? { status: 404, body: trickle(registry.clock, LAYER, 50) } : undefined
    const options = registry.options({ retries: 0 })
    const time = await seconds(registry, async () => {
      const opening = openRegistryImage('example.com/a/b:1', { platform, host, registry: options })
      await expect(opening).rejects.toMatchObject({ code: 'not-found' })
    })
    expect(time).toBeLessThan(15)
  })
})

describe('an upload as a stream', () => {
  const content = new Uint8Array(2_000_000).fill(4)

  /** Sends `content` to a server that takes `perSecond` bytes a second, up to `most` bytes, or answers never. */
  async function upload(
    perSecond: number,
    most = Number.POSITIVE_INFINITY,
    source?: (clock: FakeClock) => AsyncIterable<Uint8Array>,
  ) {
    const registry = new FakeRegistry(platform)
    const options = registry.options({ retries: 0 })
    const fetch: typeof options.network.fetch = async (url, init) => {
      const { body } = init
      if (body === undefined || body instanceof Uint8Array) return await options.network.fetch(url, init)
      let taken = 0
      const slow = async function* () {
        for await (const chunk of body) {
          taken += chunk.length
          await wait(registry.clock, (chunk.length / perSecond) * 1000)
          init.signal?.throwIfAborted()
          if (taken > most) await new Promise(() => {})
          yield chunk
        }
      }
      return await options.network.fetch(url, { ...init, body: slow() })
    }
    await using into = openRegistryDestination('example.com/a/b:1', {
      platform,
      host,
      registry: { ...options, network: { ...options.network, fetch } },
    })
    let failure: unknown
    const time = await seconds(registry, async () => {
      failure = await into.putBlob(source?.(registry.clock) ?? chunks(content, 200_000)).then(
        () => undefined,
        (error) => error,
      )
    })
    return { failure, time }
  }

  test('a server that stops taking bytes is noticed after a minute', async () => {
    const { failure, time } = await upload(1e6, 500_000)
    expect(failure).toMatchObject({ code: 'network', message: expect.stringContaining('took nothing for 60 seconds') })
    expect(time).toBeLessThan(70)
  })

  test('a server that takes a few bytes at a time is given up after the time limit', async () => {
    const { failure, time } = await upload(1200)
    expect(failure).toMatchObject({ message: expect.stringContaining('fewer than 10000 bytes a second') })
    expect(time).toBeGreaterThan(600)
    expect(time).toBeLessThan(800)
  })

  test('a source that needs hours is not the fault of the server', async () => {
    const { failure, time } = await upload(1e6, undefined, async function* (clock) {
      for await (const chunk of chunks(content, 200_000)) {
        await wait(clock, 600_000)
        yield chunk
      }
    })
    expect(failure).toBeUndefined()
    expect(time).toBeGreaterThan(5900)
  })

  test('a server that takes everything and never answers is given up after a minute', async () => {
    const registry = new FakeRegistry(platform)
    const options = registry.options({ retries: 0 })
    const fetch: typeof options.network.fetch = async (url, init) => {
      if (init.method !== 'PATCH') return await options.network.fetch(url, init)
      for await (const _ of init.body as AsyncIterable<Uint8Array>);
      return await new Promise(() => {})
    }
    const network = { ...options.network, fetch }
    await using into = openRegistryDestination('example.com/a/b:1', {
      platform,
      host,
      registry: { ...options, network },
    })
    const time = await seconds(registry, async () => {
      await expect(into.putBlob(chunks(content, 200_000))).rejects.toMatchObject({
        message: expect.stringContaining('no answer within 60 seconds'),
      })
    })
    expect(time).toBeLessThan(70)
  })

  test('an aborted upload ends at once, also when the server takes nothing', async () => {
    const registry = new FakeRegistry(platform)
    const ending = new AbortController()
    const options = registry.options()
    const fetch: typeof options.network.fetch = async (url, init) => {
      if (init.method !== 'PATCH') return await options.network.fetch(url, init)
      setTimeout(() => ending.abort(new Error('stopped')), 5)
      return await new Promise(() => {})
    }
    const network = {
      ...options.network,
      fetch,
      clock: { ...registry.clock, now: Date.now, random: Math.random, after: () => () => {} },
    }
    await using into = openRegistryDestination('example.com/a/b:1', {
      platform,
      host,
      signal: ending.signal,
      registry: { ...options, network },
    })
    await expect(into.putBlob(stall(content, 1_500_000))).rejects.toThrow('stopped')
  })
})
