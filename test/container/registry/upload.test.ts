/** Uploads whose connections break, whose answers get lost, whose registries have ideas of their own. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../../src/bytes.ts'
import { openRegistryDestination } from '../../../src/container/registry/destination.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { pieces } from '../../../src/container/registry/pieces.ts'
import { portablePlatform as platform } from '../../../src/platform/portable.ts'
import { chunks, FakeRegistry, type Reply, type Seen } from './fake.ts'

const host = { architecture: 'amd64', os: 'linux' }
const BLOB = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 13) & 255)
const broken = () => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })

type Fault = (seen: Seen, registry: FakeRegistry) => Reply | undefined

function destination(registry: FakeRegistry, more: Partial<RegistryOptions> = {}, name = 'example.com/a/b:1') {
  return openRegistryDestination(name, { platform, host, registry: registry.options(more) })
}

/** @returns what was asked, in short */
async function put(fault: Fault, more: Partial<RegistryOptions> = { uploadPiece: 4000 }): Promise<string[]> {
  const registry = new FakeRegistry(platform)
  registry.fault = (seen) => fault(seen, registry)
  await using into = destination(registry, more)
  const { digest, size } = await into.putBlob(chunks(BLOB, 700))
  expect({ digest, size }).toEqual({ digest: registry.digest(BLOB), size: BLOB.length })
  expect(registry.blobs.has(digest)).toBe(true)
  return registry.seen
    .filter(({ url }) => url.includes('/blobs/'))
    .map(({ method, body, headers }) => `${method} ${headers['content-range'] ?? body?.length ?? ''}`.trim())
}

/** The registry gets `count` bytes of a piece before the connection breaks. */
function arrive(registry: FakeRegistry, { url, body }: Seen, count: number): void {
  const { pathname } = new URL(url)
  const before = registry.uploads.get(pathname) ?? new Uint8Array()
  registry.uploads.set(pathname, concatBytes([before, (body ?? new Uint8Array()).subarray(0, count)]))
}

describe('a blob in pieces', () => {
  test('goes one after the other, each with its range', async () => {
    expect(await put(() => undefined)).toEqual(['POST', 'PATCH 0-3999', 'PATCH 4000-7999', 'PATCH 8000-9999', 'PUT 0'])
  })

  test('that fits into one goes at once', async () => {
    expect(await put(() => undefined, { uploadPiece: 10_000 })).toEqual(['POST', 'PUT 10000'])
  })

  test('goes in pieces as large as the registry wants them', async () => {
    const asked = await put(({ method }, registry) => {
      if (method !== 'POST') return undefined
      const location = '/v2/a/b/blobs/uploads/own'
      registry.uploads.set(location, new Uint8Array())
      return { status: 202, headers: { location, 'oci-chunk-min-length': '6000' } }
    })
    expect(asked).toEqual(['POST', 'PATCH 0-5999', 'PATCH 6000-9999', 'PUT 0'])
  })

  test('goes on with a piece that was cut, from where the registry has it', async () => {
    let failures = 2
    const asked = await put((seen, registry) => {
      if (seen.method !== 'PATCH' || failures === 0) return undefined
      failures--
      arrive(registry, seen, 1500)
      throw broken()
    })
    expect(asked.slice(0, 6)).toEqual(['POST', 'PATCH 0-3999', 'GET', 'PATCH 1500-3999', 'GET', 'PATCH 3000-3999'])
  })

  test('does not send again what arrived, when only the answer got lost', async () => {
    let failures = 1
    const asked = await put((seen, registry) => {
      if (seen.method !== 'PATCH' || failures-- <= 0) return undefined
      arrive(registry, seen, 4000)
      throw broken()
    })
    expect(asked).toEqual(['POST', 'PATCH 0-3999', 'GET', 'PATCH 4000-7999', 'PATCH 8000-9999', 'PUT 0'])
  })

  test('fails as what may be tried again, where the registry has lost track of it', async () => {
    const reading = put((seen, registry) => {
      if (seen.method !== 'PATCH') return undefined
      registry.uploads.clear()
      throw broken()
    })
    await expect(reading).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('cannot go on with this upload'),
      data: { retryable: true },
    })
  })

  test('is there, when only the last answer got lost', async () => {
    for (const uploadPiece of [4000, 20_000]) {
      let failures = 1
      const asked = await put(
        ({ method, url, body }, registry) => {
          if (method !== 'PUT' || failures-- <= 0) return undefined
          registry.put(body?.length === 0 ? BLOB : (body ?? BLOB), '')
          registry.uploads.delete(new URL(url).pathname)
          throw broken()
        },
        { uploadPiece },
      )
      expect(asked.at(-1)).toBe('HEAD')
    }
  })

  test('that is sent at once begins anew when it broke off', async () => {
    let failures = 1
    const asked = await put(
      ({ method }) => {
        if (method !== 'PUT' || failures-- <= 0) return undefined
        throw broken()
      },
      { uploadPiece: 20_000 },
    )
    expect(asked).toEqual(['POST', 'PUT 10000', 'HEAD', 'POST', 'PUT 10000'])
  })
})

describe('where to go on', () => {
  async function locations(location: string): Promise<Seen[]> {
    const registry = new FakeRegistry(platform)
    const credentials = async () => ({ kind: 'password', username: 'u', password: 'p' }) as const
    registry.fault = ({ method, headers, url }) => {
      if (new URL(url).host === 'example.com' && headers['authorization'] === undefined) {
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      }
      if (method === 'POST') return { status: 202, headers: { location } }
      return method === 'PUT' ? { status: 201 } : undefined
    }
    await using into = destination(registry, { credentials })
    await into.putBlob(chunks(BLOB))
    return registry.requests('PUT')
  }

  test('may be relative, absolute, or with a query of its own', async () => {
    const digest = encodeURIComponent(`sha256:${platform.sha256(BLOB)}`)
    const url = async (location: string) => (await locations(location))[0]?.url
    expect(await url('/v2/x/y')).toBe(`https://example.com/v2/x/y?digest=${digest}`)
    expect(await url('https://example.com/z?_state=a%2Bb==')).toBe(
      `https://example.com/z?_state=a%2Bb==&digest=${digest}`,
    )
    expect(await url('another')).toBe(`https://example.com/v2/a/b/blobs/uploads/another?digest=${digest}`)
    // a registry behind a proxy that ends TLS
    expect(await url('http://example.com/v2/x')).toBe(`https://example.com/v2/x?digest=${digest}`)
  })

  test('elsewhere is gone to without credentials, and over TLS only', async () => {
    const [elsewhere] = await locations('https://store.example.org/x')
    expect(elsewhere?.headers['authorization']).toBeUndefined()
    expect((await locations('/x'))[0]?.headers['authorization']).toBeDefined()
    await expect(locations('http://store.example.org/x')).rejects.toMatchObject({ code: 'network' })
    await expect(locations('file:///x')).rejects.toMatchObject({ code: 'network' })
  })
})

describe('a destination', () => {
  test('publishes the manifest last, as it is, under its tag', async () => {
    const registry = new FakeRegistry(platform)
    await using into = destination(registry)
    const bytes = new TextEncoder().encode('{"schemaVersion":2}')
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const digest = await into.putManifest(bytes, { mediaType })
    expect(registry.requests('PUT')).toEqual([])
    expect(await into.commit()).toBe(digest)
    expect(registry.manifests.get('a/b:1')).toEqual({ type: mediaType, bytes })
  })

  test('named by a digest takes that manifest only', async () => {
    const name = `example.com/a/b@sha256:${'0'.repeat(64)}`
    await using into = destination(new FakeRegistry(platform), {}, name)
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    await expect(into.putManifest(new Uint8Array(2), { mediaType })).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('disposed of sends nothing more', async () => {
    const registry = new FakeRegistry(platform)
    const into = destination(registry)
    await into[Symbol.asyncDispose]()
    await expect(into.putBlob(chunks(BLOB))).rejects.toMatchObject({ name: 'AbortError' })
    expect(registry.seen).toEqual([])
  })

  test('whose source fails forgets the upload, and says why', async () => {
    const registry = new FakeRegistry(platform)
    await using into = destination(registry, { uploadPiece: 1000 })
    async function* failing() {
      yield BLOB.slice(0, 2500)
      throw new Error('the source broke')
    }
    await expect(into.putBlob(failing())).rejects.toThrow('the source broke')
    expect(registry.uploads.size).toBe(0)
    expect(registry.blobs.size).toBe(0)
  })
})

describe('pieces', () => {
  test('are of one size but for the last, and make up the whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 50 }),
        async (parts, size) => {
          const buffer = new Uint8Array(40)
          async function* reusing() {
            for (const part of parts) {
              buffer.set(part)
              yield buffer.subarray(0, part.length)
            }
          }
          const whole = concatBytes(parts)
          const found: Uint8Array[] = []
          let lasts = 0
          for await (const { bytes, last } of pieces(reusing(), size)) {
            expect(lasts).toBe(0)
            if (last) lasts++
            else expect(bytes.length).toBe(size)
            found.push(bytes.slice())
          }
          expect(lasts).toBe(1)
          expect(concatBytes(found)).toEqual(whole)
          expect(found.length).toBe(Math.max(1, Math.ceil(whole.length / size)))
        },
      ),
    )
  })

  test('stay as they are while the next one is gathered', async () => {
    const kept: Uint8Array[] = []
    for await (const { bytes } of pieces(chunks(BLOB, 300), 1000)) {
      const before = kept.at(-1)
      if (before !== undefined) expect(before[1]).toBe(BLOB[(kept.length - 1) * 1000 + 1])
      kept.push(bytes)
    }
  })
})

describe('a blob in one request', () => {
  /** Reads as many bytes as were announced, and not on to the end. */
  async function sendKnown(promised: { size?: number; digest?: string }) {
    const registry = new FakeRegistry(platform)
    const options = registry.options({ uploadPiece: 0 })
    const fetch: typeof options.network.fetch = async (url, init) => {
      const { body } = init
      if (body === undefined || body instanceof Uint8Array) return await options.network.fetch(url, init)
      const parts: Uint8Array[] = []
      let left = Number(init.headers['content-length'] ?? Number.POSITIVE_INFINITY)
      const from = body[Symbol.asyncIterator]()
      while (left > 0) {
        const next = await from.next()
        if (next.done) break
        parts.push(next.value.slice())
        left -= next.value.length
      }
      return await options.network.fetch(url, { ...init, body: concatBytes(parts) })
    }
    const network = { ...options.network, fetch }
    await using into = openRegistryDestination('example.com/a/b:1', {
      platform,
      host,
      registry: { ...options, network },
    })
    return await into.putBlob(chunks(BLOB, 700), promised as { size?: number })
  }

  test('is known whole when its size was announced, and when it was not', async () => {
    const blob = { digest: `sha256:${platform.sha256(BLOB)}`, size: BLOB.length }
    expect(await sendKnown(blob)).toEqual(blob)
    expect(await sendKnown({ size: BLOB.length })).toEqual(blob)
    expect(await sendKnown({})).toEqual(blob)
  })

  test('that goes on after its end is refused', async () => {
    await expect(sendKnown({ size: BLOB.length - 600 })).rejects.toMatchObject({ data: { what: 'size' } })
    await expect(sendKnown({ size: 700 })).rejects.toMatchObject({ name: expect.stringMatching(/Mismatch|Usage/) })
  })
})
