/** Tests of registries that answer wrongly, slowly, partially or not at all, on both platforms. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes, readAll } from '../../../src/bytes.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { openRegistryImage } from '../../../src/container/registry/source.ts'
import type { ImageSource } from '../../../src/container/transport/interface.ts'
import { openLayer } from '../../../src/container/transport/layer-stream.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { chunks, cut, endless, FakeRegistry, failure, stall } from './fake.ts'

const host = { architecture: 'amd64', os: 'linux' }
const LAYER = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7 + (i >> 8)) & 255)
const NAME = 'example.com/a/b:1'

describe.each([nodePlatform, portablePlatform])('a registry on the platform $name', (platform) => {
  function fresh() {
    const registry = new FakeRegistry(platform)
    return { registry, ...registry.putImage('a/b:1', LAYER) }
  }

  async function open(registry: FakeRegistry, more: Partial<RegistryOptions> = {}, name = NAME, signal?: AbortSignal) {
    return await openRegistryImage(name, { platform, host, signal, registry: registry.options(more) })
  }

  function readLayer(source: ImageSource, signal?: AbortSignal): Promise<Uint8Array> {
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    return readAll(openLayer(source, layer, { platform, diffId: layer.digest, signal }))
  }

  test('manifest, config and layers are read unchanged', async () => {
    const { registry, manifest } = fresh()
    const source = await open(registry)
    expect(source.manifestDigest).toBe(manifest)
    expect((await source.config()).architecture).toBe('amd64')
    expect(equalBytes(await readLayer(source), LAYER)).toBe(true)
    const [asked] = registry.requests('GET', '/manifests/1')
    expect(asked?.url).toBe('https://example.com/v2/a/b/manifests/1')
    expect(asked?.headers['accept']).toContain('application/vnd.oci.image.index.v1+json')
  })

  describe('an interrupted download', () => {
    test('a download is resumed at any offset (case J2)', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat({ max: LAYER.length }), { maxLength: 4 }), async (places) => {
          const { registry, layer } = fresh()
          const left = [...places]
          registry.fault = ({ url, headers }) => {
            const place = url.endsWith(layer) ? left.shift() : undefined
            if (place === undefined) return undefined
            const start = Number(/bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0)
            const range = { 'content-range': `bytes ${start}-${LAYER.length - 1}/${LAYER.length}` }
            const body = cut(LAYER.subarray(start), Math.max(0, place - start))
            return start === 0 ? { body } : { status: 206, headers: range, body }
          }
          expect(equalBytes(await readLayer(await open(registry)), LAYER)).toBe(true)
        }),
        { numRuns: 50 },
      )
    })

    test('a download from a server without ranges is started again, and the known part is skipped', async () => {
      const { registry, layer } = fresh()
      registry.ranges = false
      let cuts = 2
      registry.fault = ({ url }) =>
        url.endsWith(layer) && cuts-- > 0 ? { body: cut(LAYER, 7000 * (2 - cuts)) } : undefined
      expect(equalBytes(await readLayer(await open(registry)), LAYER)).toBe(true)
      expect(registry.requests('GET', layer).map(({ headers }) => headers['range'])).toEqual([
        undefined,
        'bytes=7000-',
        undefined,
      ])
    })

    const size = LAYER.length
    test.each([
      ['starts elsewhere', `bytes 6999-${size - 1}/${size}`],
      ['ends early', `bytes 7000-${size - 2}/${size}`],
      ['is of something larger', `bytes 7000-${size - 1}/${size + 1}`],
      ['goes past the end', `bytes 7000-${size}/${size + 1}`],
      ['is another unit', `items 7000-${size - 1}/${size}`],
      ['is missing', ''],
    ])('a partial answer whose range %s is not used', async (_, contentRange) => {
      const { registry, layer } = fresh()
      let first = true
      registry.fault = ({ url, headers }) => {
        if (!url.endsWith(layer)) return undefined
        if (headers['range'] !== undefined) {
          // Appended to the 7000 known bytes it would give the right size, but a wrong blob.
          return { status: 206, headers: { 'content-range': contentRange }, body: LAYER.subarray(6999, size - 1) }
        }
        if (!first) return undefined
        first = false
        return { body: cut(LAYER, 7000) }
      }
      expect(equalBytes(await readLayer(await open(registry)), LAYER)).toBe(true)
      expect(registry.requests('GET', layer)).toHaveLength(3)
    })

    test('a download fails after the given number of retries with an error that names the blob', async () => {
      const { registry, layer } = fresh()
      registry.fault = ({ url }) => (url.endsWith(layer) ? { body: cut(LAYER, 0) } : undefined)
      const reading = readLayer(await open(registry, { retries: 2 }))
      await expect(reading).rejects.toMatchObject({
        code: 'network',
        message: expect.stringContaining(`example.com/a/b@${layer}: `),
        data: { registry: 'example.com', repository: 'a/b', what: layer, retryable: true },
      })
      expect(registry.requests('GET', layer)).toHaveLength(3)
    })

    test('a download that ends early without an error is resumed', async () => {
      const { registry, layer } = fresh()
      let first = true
      registry.fault = ({ url }) => {
        if (!url.endsWith(layer) || !first) return undefined
        first = false
        return { body: chunks(LAYER.subarray(0, 12_345)) }
      }
      expect(equalBytes(await readLayer(await open(registry)), LAYER)).toBe(true)
      expect(registry.requests('GET', layer)[1]?.headers['range']).toBe('bytes=12345-')
    })
  })

  test.each(['gzip', 'br', 'GZIP'])(
    'answers in the encoding %s that the runtime has decoded may announce the size of the encoded bytes',
    async (encoding) => {
      const { registry, layer, manifest } = fresh()
      const headers = { 'content-encoding': encoding, 'content-length': '77' }
      registry.fault = ({ url }) => {
        if (url.endsWith(layer)) return { headers, body: LAYER }
        const type = 'application/vnd.oci.image.manifest.v1+json'
        const bytes = registry.manifests.get(manifest)?.bytes
        return url.includes('/manifests/') && bytes
          ? { headers: { ...headers, 'content-type': type }, body: bytes }
          : undefined
      }
      const source = await open(registry, { retries: 0 })
      expect(source.manifestDigest).toBe(manifest)
      expect(equalBytes(await readLayer(source), LAYER)).toBe(true)
    },
  )

  describe('a wrong blob', () => {
    const web = { headers: { 'content-type': 'text/html; charset=utf-8' }, body: encodeUtf8('<html>Log in</html>') }
    test.each([
      ['a web page', web, { code: 'network', message: expect.stringContaining('web page') }],
      [
        'longer, with its real length in the header',
        { body: new Uint8Array(30_000) },
        { code: 'corrupt', data: { what: 'size' } },
      ],
      [
        'shorter, with its real length in the header',
        { body: new Uint8Array(10) },
        { code: 'corrupt', data: { what: 'size' } },
      ],
      ['endless', { body: endless() }, { code: 'corrupt', data: { what: 'size' } }],
      ['of other content', { body: LAYER.toReversed() }, { code: 'corrupt', data: { what: 'digest' } }],
      ['missing', failure(404, 'BLOB_UNKNOWN', 'blob unknown'), { code: 'not-found' }],
      ['a partial answer without a request for a range', { status: 206, body: LAYER }, { code: 'network' }],
    ])('a blob that is %s is rejected', async (_, reply, error) => {
      const { registry, layer } = fresh()
      registry.fault = ({ url }) => (url.endsWith(layer) ? reply : undefined)
      await expect(readLayer(await open(registry, { retries: 0 }))).rejects.toMatchObject(error)
    })
  })

  test('an interrupted manifest or config is requested again', async () => {
    const { registry, manifest, config } = fresh()
    const broken = new Set<string>()
    registry.fault = ({ url }) => {
      if (url.endsWith('/v2/') || broken.has(url)) return undefined
      broken.add(url)
      const bytes = registry.manifests.get(manifest)?.bytes ?? LAYER
      const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
      return url.includes('/manifests/') ? { headers, body: cut(bytes, 100) } : { body: cut(LAYER, 0) }
    }
    const source = await open(registry)
    expect(source.manifestDigest).toBe(manifest)
    expect((await source.config()).os).toBe('linux')
    expect(registry.requests('GET', config)).toHaveLength(2)
  })

  describe('a wrong manifest', () => {
    const page = { headers: { 'content-type': 'text/html' }, body: encodeUtf8('<html>') }
    const old = { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' }
    const image = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    test.each([
      ['a web page', page, { message: expect.stringMatching(/example.com\/a\/b:1: the answer is a web page/) }],
      ['of schema 1', { headers: old, body: encodeUtf8('{"schemaVersion":1}') }, { code: 'unsupported' }],
      ['too large', { headers: image, body: new Uint8Array(5 << 20) }, { code: 'limit' }],
      ['endless', { headers: image, body: endless() }, { code: 'limit' }],
      ['truncated', { headers: image, body: encodeUtf8('{"schemaVersion":2,"config":') }, { code: 'corrupt' }],
      ['refused', failure(403, 'DENIED', 'requested access denied'), { code: 'denied' }],
      ['missing', failure(404, 'MANIFEST_UNKNOWN', 'manifest unknown'), { code: 'not-found' }],
      ['redirected in a loop', { status: 307, headers: { location: '?again' } }, { message: /redirects/ }],
      ['redirected to plain HTTP', { status: 302, headers: { location: 'http://example.com/' } }, { code: 'network' }],
      ['redirected to a file', { status: 302, headers: { location: 'file:///etc/passwd' } }, { code: 'network' }],
    ])('a manifest that is %s is rejected', async (_, reply, error) => {
      const { registry } = fresh()
      registry.fault = ({ url }) => (url.includes('/manifests/') ? reply : undefined)
      const message =
        'message' in error && error.message instanceof RegExp ? expect.stringMatching(error.message) : undefined
      await expect(open(registry)).rejects.toMatchObject({ ...error, ...(message === undefined ? {} : { message }) })
    })

    test('a manifest with another digest than the requested one is rejected', async () => {
      const { registry, manifest } = fresh()
      const other = registry.putImage('a/b:2', LAYER.slice(1))
      registry.fault = ({ url }) =>
        url.endsWith(manifest) ? { body: registry.manifests.get(other.manifest)?.bytes ?? LAYER } : undefined
      const opened = open(registry, {}, `example.com/a/b@${manifest}`)
      await expect(opened).rejects.toMatchObject({ name: 'DigestMismatchError', data: { expected: manifest } })
    })
  })

  test('a tag that moves during a pull has no effect on it', async () => {
    const { registry, manifest, layer } = fresh()
    registry.fault = ({ url }) => {
      if (url.includes('/blobs/')) registry.putImage('a/b:1', LAYER.slice(5))
      return undefined
    }
    const source = await open(registry)
    expect(source.manifestDigest).toBe(manifest)
    expect((await source.config()).rootfs.diff_ids).toEqual([layer])
    expect((await open(registry)).manifestDigest).not.toBe(manifest)
    expect(equalBytes(await readLayer(source), LAYER)).toBe(true)
  })

  test('the image of the host is fetched from an index by digest', async () => {
    const { registry, manifest } = fresh()
    const arm = registry.putImage('other', LAYER.slice(3))
    const entry = (digest: string, architecture: string) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: registry.manifests.get(digest)?.bytes.length,
      platform: { os: 'linux', architecture },
    })
    const manifests = [entry(arm.manifest, 'arm64'), entry(manifest, 'amd64')]
    registry.putManifest(['a/b:all'], { schemaVersion: 2, manifests }, 'application/vnd.oci.image.index.v1+json')
    const source = await open(registry, {}, 'example.com/a/b:all')
    expect(source.manifestDigest).toBe(manifest)
    expect(registry.requests('GET', arm.manifest)).toEqual([])
  })

  describe('a busy registry', () => {
    async function delays(replies: [number, Record<string, string>][], chance = 1): Promise<number[]> {
      const { registry } = fresh()
      registry.clock.chance = chance
      const left = [...replies]
      registry.fault = ({ url }) => {
        const next = url.includes('/manifests/') ? left.shift() : undefined
        return next && { status: next[0], headers: next[1] }
      }
      const waits: number[] = []
      await open(registry, { onRetry: (_, delay) => waits.push(delay) })
      return waits
    }

    test('the delay before a retry doubles each time', async () => {
      const busy: [number, Record<string, string>] = [503, {}]
      expect(await delays([busy, busy, busy])).toEqual([1000, 2000, 4000])
      expect(await delays([busy, busy, busy], 0)).toEqual([500, 1000, 2000])
    })

    test('the delay follows Retry-After, up to one minute (case J2)', async () => {
      const date = new Date(Date.UTC(2030, 0, 1, 0, 0, 30)).toUTCString()
      const asked = { 'retry-after': date, date: new Date(Date.UTC(2030, 0, 1, 0, 0, 10)).toUTCString() }
      expect(await delays([[429, { 'retry-after': '7' }]])).toEqual([7000])
      expect(await delays([[503, asked]])).toEqual([20_000])
      expect(await delays([[429, { 'retry-after': '86400' }]])).toEqual([60_000])
      expect(await delays([[429, { 'retry-after': 'soon' }]])).toEqual([1000])
    })

    test('the error after the last retry has the message of the registry', async () => {
      const { registry } = fresh()
      registry.fault = ({ url }) =>
        url.includes('/manifests/') ? failure(429, 'TOOMANYREQUESTS', 'pull rate\u001b[2Jlimit') : undefined
      await expect(open(registry)).rejects.toMatchObject({
        code: 'network',
        message: expect.stringMatching(/too many requests \(429\): pull rate \[2Jlimit$/),
        data: { status: 429, diagnostics: [{ code: 'TOOMANYREQUESTS' }] },
      })
      expect(registry.requests('GET', '/manifests/')).toHaveLength(5)
    })

    test('a permanent error is not retried', async () => {
      const { registry } = fresh()
      registry.fault = ({ url }) => (url.includes('/manifests/') ? { status: 400 } : undefined)
      await expect(open(registry)).rejects.toMatchObject({ data: { status: 400, retryable: false } })
      expect(registry.requests('GET', '/manifests/')).toHaveLength(1)
    })
  })

  describe('a stalled connection', () => {
    test('a stalled download is dropped and resumed', async () => {
      const { registry, layer } = fresh()
      let first = true
      registry.fault = ({ url }) => {
        if (!url.endsWith(layer) || !first) return undefined
        first = false
        return { body: stall(LAYER, 5000) }
      }
      const why: string[] = []
      const source = await open(registry, { onRetry: (error) => why.push(error.message) })
      expect(equalBytes(await readLayer(source), LAYER)).toBe(true)
      expect(why).toEqual([expect.stringContaining('fewer than 1000 bytes in 30 seconds')])
    })

    test('a slow reader does not count as a stalled connection', async () => {
      const { registry } = fresh()
      const source = await open(registry)
      const parts: Uint8Array[] = []
      const [layer] = source.manifest.layers
      if (layer === undefined) throw new Error('no layer')
      for await (const chunk of source.blob(layer)) {
        parts.push(chunk)
        registry.clock.pass(3_600_000)
      }
      expect(parts.reduce((size, part) => size + part.length, 0)).toBe(LAYER.length)
      expect(registry.requests('GET', layer.digest)).toHaveLength(1)
    })

    test('a missing answer fails after responseTimeout', async () => {
      const { registry } = fresh()
      registry.fault = ({ url }) => (url.includes('/manifests/') ? new Promise(() => {}) : undefined)
      await expect(open(registry, { retries: 1, responseTimeout: 5000 })).rejects.toMatchObject({
        message: expect.stringContaining('no answer within 5 seconds'),
      })
    })

    test('a stalled download stops at once when its signal is aborted', async () => {
      const { registry, layer } = fresh()
      const stop = new AbortController()
      registry.fault = ({ url }) => {
        if (!url.endsWith(layer)) return undefined
        setTimeout(() => stop.abort(), 0)
        return { body: stall(LAYER, 5000) }
      }
      const source = await open(registry, { speedLimit: { bytes: 1, milliseconds: 2 ** 30 } }, NAME, stop.signal)
      const [blob] = source.manifest.layers
      await expect(readAll(source.blob(blob as NonNullable<typeof blob>))).rejects.toMatchObject({ name: 'AbortError' })
    })
  })
})
