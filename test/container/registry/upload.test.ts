/** Tests of uploads with broken connections, lost answers and registries with special demands. */
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

/** Uploads the blob. @returns the requests, abbreviated */
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

/** Lets the registry receive `count` bytes of a piece before the connection breaks. */
function arrive(registry: FakeRegistry, { url, body }: Seen, count: number): void {
  const { pathname } = new URL(url)
  const before = registry.uploads.get(pathname) ?? new Uint8Array()
  registry.uploads.set(pathname, concatBytes([before, (body ?? new Uint8Array()).subarray(0, count)]))
}

describe('an upload in pieces', () => {
  test('pieces are sent in order, each with its range', async () => {
    expect(await put(() => undefined)).toEqual(['POST', 'PATCH 0-3999', 'PATCH 4000-7999', 'PATCH 8000-9999', 'PUT 0'])
  })

  test('a blob that fits into one piece is sent in one request', async () => {
    expect(await put(() => undefined, { uploadPiece: 10_000 })).toEqual(['POST', 'PUT 10000'])
  })

  test('pieces are at least as large as the registry demands', async () => {
    const asked = await put(({ method }, registry) => {
      if (method !== 'POST') return undefined
      const location = '/v2/a/b/blobs/uploads/own'
      registry.uploads.set(location, new Uint8Array())
      return { status: 202, headers: { location, 'oci-chunk-min-length': '6000' } }
    })
    expect(asked).toEqual(['POST', 'PATCH 0-5999', 'PATCH 6000-9999', 'PUT 0'])
  })

  test('an interrupted piece is continued at the offset of the registry', async () => {
    let failures = 2
    const asked = await put((seen, registry) => {
      if (seen.method !== 'PATCH' || failures === 0) return undefined
      failures--
      arrive(registry, seen, 1500)
      throw broken()
    })
    expect(asked.slice(0, 6)).toEqual(['POST', 'PATCH 0-3999', 'GET', 'PATCH 1500-3999', 'GET', 'PATCH 3000-3999'])
  })

  test('a piece whose answer was lost is not sent again', async () => {
    let failures = 1
    const asked = await put((seen, registry) => {
      if (seen.method !== 'PATCH' || failures-- <= 0) return undefined
      arrive(registry, seen, 4000)
      throw broken()
    })
    expect(asked).toEqual(['POST', 'PATCH 0-3999', 'GET', 'PATCH 4000-7999', 'PATCH 8000-9999', 'PUT 0'])
  })

  test('an upload that the registry no longer knows fails with a retryable error', async () => {
    const reading = put((seen, registry) => {
      if (seen.method !== 'PATCH') return undefined
      registry.uploads.clear()
      throw broken()
    })
    await expect(reading).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('cannot continue this upload'),
      data: { retryable: true },
    })
  })

  test.each([
    ['fewer bytes than it had taken', 1999],
    ['more bytes than were sent', 8000],
  ])('a registry that has %s after a broken connection gets no other piece', async (_, last) => {
    const registry = new FakeRegistry(platform)
    registry.fault = ({ method, url, headers }) => {
      if (method === 'GET' && url.includes('/uploads/')) return { status: 204, headers: { range: `0-${last}` } }
      if (headers['content-range'] !== '4000-7999') return undefined
      throw broken()
    }
    await using into = destination(registry, { uploadPiece: 4000 })
    await expect(into.putBlob(chunks(BLOB))).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('cannot continue this upload'),
    })
    expect(registry.requests('PATCH').map(({ headers }) => headers['content-range'])).toEqual(['0-3999', '4000-7999'])
  })

  test('an upload whose last answer was lost is found by a request for the blob', async () => {
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

  test('an interrupted upload in one request is started again', async () => {
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

/** A refusal of every PATCH with more than `most` bytes and a `Content-Range`. */
const capped =
  (status: number, most: number, always = false) =>
  ({ method, headers, body }: Seen) =>
    method === 'PATCH' && (always || headers['content-range'] !== undefined) && (body?.length ?? 0) > most
      ? { status }
      : undefined

describe('an upload to a registry with other habits', () => {
  test('a blob is one stream without a range by default, whatever its size', async () => {
    expect(await put(() => undefined, {})).toEqual(['POST', 'PATCH 10000', 'PUT 0'])
    const registry = new FakeRegistry(platform)
    await using into = destination(registry)
    const large = new Uint8Array(3_000_000).fill(7)
    const { digest } = await into.putBlob(chunks(large, 100_000))
    expect(registry.blobs.get(digest)?.length).toBe(large.length)
    const sent = registry.seen.map(({ method, body }) => `${method} ${body?.length ?? ''}`.trim())
    expect(sent).toEqual(['GET', 'POST', 'PATCH 3000000', 'PUT 0'])
    expect(registry.requests('PATCH')[0]?.headers['content-range']).toBeUndefined()
  })

  test('after a refused range (416) of the first piece, the blob is sent as one stream', async () => {
    const asked = await put(capped(416, 1000))
    expect(asked).toEqual(['POST', 'PATCH 0-3999', 'DELETE', 'POST', 'PATCH 10000', 'PUT 0'])
  })

  test('a piece that is refused as too large (413) is halved, and so are the later ones', async () => {
    const registry = new FakeRegistry(platform)
    registry.fault = capped(413, 100_000, true)
    const large = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 7) & 255)
    await using into = destination(registry, { uploadPiece: 300_000 })
    const { digest } = await into.putBlob(chunks(large, 70_000))
    expect(registry.blobs.get(digest)).toEqual(large)
    const sizes = registry.requests('PATCH').map(({ body }) => body?.length)
    expect(sizes.slice(0, 4)).toEqual([300_000, 150_000, 75_000, 75_000])
    expect(Math.max(...sizes.slice(2).map(Number))).toBe(75_000)
  })

  test('a stream that is refused as too large (413) is sent in pieces, if the blob can be read again', async () => {
    const registry = new FakeRegistry(platform)
    registry.fault = ({ method, headers }) =>
      method === 'PATCH' && headers['content-range'] === undefined ? { status: 413 } : undefined
    const large = new Uint8Array(17 * 1024 * 1024).fill(3)
    const reopen = () => chunks(large, 1 << 20)
    await using into = destination(registry)
    await expect(into.putBlob(reopen())).rejects.toMatchObject({ data: { status: 413 } })
    const { digest } = await into.putBlob(reopen(), { reopen })
    expect(registry.blobs.get(digest)?.length).toBe(large.length)
  })

  test('a broken stream is sent again, if the blob can be read again', async () => {
    const large = new Uint8Array(1_500_000).fill(9)
    const reopen = () => chunks(large, 100_000)
    let failures = 2
    const registry = new FakeRegistry(platform)
    registry.fault = ({ method }) => {
      if (method !== 'PATCH' || failures-- <= 0) return undefined
      throw broken()
    }
    await using into = destination(registry)
    await expect(into.putBlob(reopen())).rejects.toMatchObject({ code: 'network', data: { retryable: true } })
    const { digest } = await into.putBlob(reopen(), { reopen })
    expect(registry.blobs.get(digest)?.length).toBe(large.length)
    expect(registry.requests('PATCH')).toHaveLength(3)
  })

  test.each([
    ['only of the last piece', (start: number, end: number) => `${start}-${end}`],
    ['of the last piece as if it were the first', (start: number, end: number) => `0-${end - start}`],
    ['of the first piece for ever', () => '0-3999'],
    ['of nothing', () => '0-0'],
    ['beyond the blob', () => '0-99999999'],
  ])('a range %s after each piece is not believed', async (_, report) => {
    const ranges: string[] = []
    const asked = await put((seen, registry) => {
      if (seen.method !== 'PATCH') return undefined
      arrive(registry, seen, seen.body?.length ?? 0)
      const [start = 0, end = 0] = (seen.headers['content-range'] ?? '').split('-').map(Number)
      ranges.push(report(start, end))
      const location = new URL(seen.url).pathname
      return { status: 202, headers: { location, range: report(start, end) } }
    })
    expect(asked).toEqual(['POST', 'PATCH 0-3999', 'PATCH 4000-7999', 'PATCH 8000-9999', 'PUT 0'])
    expect(ranges).toHaveLength(3)
  })

  test('a registry that takes one byte of a piece at a time gets a limited number of requests', async () => {
    const registry = new FakeRegistry(platform)
    let taken = 1
    registry.fault = ({ method, url }) =>
      method === 'PATCH'
        ? { status: 202, headers: { location: new URL(url).pathname, range: `0-${taken++}` } }
        : undefined
    await using into = destination(registry, { uploadPiece: 4000 })
    await expect(into.putBlob(chunks(BLOB))).rejects.toMatchObject({
      code: 'network',
      message: expect.stringMatching(/the registry took 1 of \d+ bytes/),
    })
    expect(registry.requests('PATCH')).toHaveLength(5)
  })

  test('an offset that differs (416) is asked for, a limited number of times', async () => {
    let refusals = 1
    const asked = await put(({ headers }) =>
      headers['content-range'] === '4000-7999' && refusals-- > 0 ? { status: 416 } : undefined,
    )
    expect(asked).toEqual([
      'POST',
      'PATCH 0-3999',
      'PATCH 4000-7999',
      'GET',
      'PATCH 4000-7999',
      'PATCH 8000-9999',
      'PUT 0',
    ])
    refusals = Number.POSITIVE_INFINITY
    const always = put(({ headers }) => (headers['content-range'] === '4000-7999' ? { status: 416 } : undefined))
    await expect(always).rejects.toMatchObject({ code: 'network', cause: { data: { status: 416 } } })
  })

  test.each([200, 201, 202, 204, 206, 299])('the status %i is success for PATCH, blob and manifest', async (status) => {
    for (const uploadPiece of [0, 4000]) {
      const registry = new FakeRegistry(platform)
      registry.fault = (seen) => {
        if (seen.method === 'PATCH') {
          arrive(registry, seen, seen.body?.length ?? 0)
          return { status }
        }
        return seen.method === 'PUT' ? { status } : undefined
      }
      await using into = destination(registry, { uploadPiece })
      await into.putBlob(chunks(BLOB, 700))
      const bytes = new TextEncoder().encode('{"schemaVersion":2}')
      const digest = await into.putManifest(bytes, { mediaType: 'application/vnd.oci.image.manifest.v1+json' })
      expect(await into.commit()).toBe(digest)
    }
  })
})

describe('the location of an upload', () => {
  async function locations(location: string): Promise<Seen[]> {
    const registry = new FakeRegistry(platform)
    const credentials = async () => ({ kind: 'password', username: 'u', password: 'p' }) as const
    registry.fault = ({ method, headers, url }) => {
      if (new URL(url).host === 'example.com' && headers['authorization'] === undefined) {
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      }
      if (method === 'POST') return { status: 202, headers: { location } }
      // Without a location in its answer, the upload stays where it is.
      if (method === 'PATCH') return { status: 202 }
      return method === 'PUT' ? { status: 201 } : undefined
    }
    await using into = destination(registry, { credentials })
    await into.putBlob(chunks(BLOB))
    const [patch] = registry.requests('PATCH')
    const [put] = registry.requests('PUT')
    expect(put?.url.startsWith(patch?.url ?? '-')).toBe(true)
    expect(put?.headers['authorization']).toBe(patch?.headers['authorization'])
    return registry.requests('PUT')
  }

  test('the location may be relative, absolute, or have a query', async () => {
    const digest = encodeURIComponent(`sha256:${platform.sha256(BLOB)}`)
    const url = async (location: string) => (await locations(location))[0]?.url
    expect(await url('/v2/x/y')).toBe(`https://example.com/v2/x/y?digest=${digest}`)
    expect(await url('https://example.com/z?_state=a%2Bb==')).toBe(
      `https://example.com/z?_state=a%2Bb==&digest=${digest}`,
    )
    expect(await url('another')).toBe(`https://example.com/v2/a/b/blobs/uploads/another?digest=${digest}`)
    // A registry behind a proxy that terminates TLS returns http: URLs.
    expect(await url('http://example.com/v2/x')).toBe(`https://example.com/v2/x?digest=${digest}`)
  })

  test('a location on another host gets no credentials, and only over TLS', async () => {
    const [elsewhere] = await locations('https://store.example.org/x')
    expect(elsewhere?.headers['authorization']).toBeUndefined()
    expect((await locations('/x'))[0]?.headers['authorization']).toBeDefined()
    await expect(locations('http://store.example.org/x')).rejects.toMatchObject({ code: 'network' })
    await expect(locations('file:///x')).rejects.toMatchObject({ code: 'network' })
  })
})

describe('a registry destination', () => {
  test('a destination publishes the manifest last, unchanged, under its tag', async () => {
    const registry = new FakeRegistry(platform)
    await using into = destination(registry)
    const bytes = new TextEncoder().encode('{"schemaVersion":2}')
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const digest = await into.putManifest(bytes, { mediaType })
    expect(registry.requests('PUT')).toEqual([])
    expect(await into.commit()).toBe(digest)
    expect(registry.manifests.get('a/b:1')).toEqual({ type: mediaType, bytes })
  })

  test('a destination with a digest accepts only the manifest with that digest', async () => {
    const name = `example.com/a/b@sha256:${'0'.repeat(64)}`
    await using into = destination(new FakeRegistry(platform), {}, name)
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    await expect(into.putManifest(new Uint8Array(2), { mediaType })).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('a disposed destination sends no requests', async () => {
    const registry = new FakeRegistry(platform)
    const into = destination(registry)
    await into[Symbol.asyncDispose]()
    await expect(into.putBlob(chunks(BLOB))).rejects.toMatchObject({ name: 'AbortError' })
    expect(registry.seen).toEqual([])
  })

  test('an upload whose source fails is cancelled, with the error of the source', async () => {
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
  test('pieces have the given size except the last, and are the whole content', async () => {
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

  test('a piece is not overwritten while the next one is collected', async () => {
    const kept: Uint8Array[] = []
    for await (const { bytes } of pieces(chunks(BLOB, 300), 1000)) {
      const before = kept.at(-1)
      if (before !== undefined) expect(before[1]).toBe(BLOB[(kept.length - 1) * 1000 + 1])
      kept.push(bytes)
    }
  })
})

describe('an upload in one request', () => {
  /** Uploads the blob to a network that reads only as many bytes as were announced. */
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

  test('an upload returns digest and size whether they were announced or not', async () => {
    const blob = { digest: `sha256:${platform.sha256(BLOB)}`, size: BLOB.length }
    expect(await sendKnown(blob)).toEqual(blob)
    expect(await sendKnown({ size: BLOB.length })).toEqual(blob)
    expect(await sendKnown({})).toEqual(blob)
  })

  test('an upload with more bytes than announced is rejected', async () => {
    await expect(sendKnown({ size: BLOB.length - 600 })).rejects.toMatchObject({ data: { what: 'size' } })
    await expect(sendKnown({ size: 700 })).rejects.toMatchObject({ name: expect.stringMatching(/Mismatch|Usage/) })
  })
})
