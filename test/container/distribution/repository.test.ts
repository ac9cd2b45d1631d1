/** The client for registries, with a registry that can be told to fail. */
import { createHash, hash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes } from '../../../src/bytes.ts'
import { openRepository, type RepositoryOptions } from '../../../src/container/distribution/index.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { FakeRegistry, type Reply, type Seen } from '../registry/fake.ts'
import { collect, once } from '../tar-kit.ts'

const NAME = 'example.com/a/b'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const host = { architecture: 'amd64', os: 'linux' }

function setup(more: Partial<RepositoryOptions> = {}) {
  const registry = new FakeRegistry(platform)
  return { registry, repository: openRepository(NAME, { platform, ...registry.options(), ...more }) }
}

const json = (value: unknown) => encodeUtf8(JSON.stringify(value))
const random = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 24)

describe('manifests', () => {
  test('a tag is resolved and read, and its digest verified', async () => {
    const { registry, repository } = setup()
    const { manifest } = registry.putImage('a/b:1', random(10))
    expect(await repository.manifest('1')).toMatchObject({ digest: manifest, mediaType: MANIFEST })
    expect(await repository.resolve('1')).toMatchObject({ digest: manifest })
    expect(await repository.resolve(manifest)).toMatchObject({ digest: manifest })
    await expect(repository.resolve('2')).rejects.toMatchObject({ name: 'RegistryError', code: 'not-found' })
    const found = registry.manifests.get(manifest)
    registry.manifests.set(manifest, { type: MANIFEST, bytes: encodeUtf8('{}'), ...(found && { type: found.type }) })
    await expect(repository.manifest(manifest)).rejects.toMatchObject({ name: 'DigestMismatchError' })
  })

  test('resolve asks only for the header where that has everything', async () => {
    const { registry, repository } = setup()
    const digest = `sha256:${'a'.repeat(64)}`
    const headers = { 'docker-content-digest': digest, 'content-type': INDEX, 'content-length': '12' }
    registry.fault = ({ method }) => (method === 'HEAD' ? { headers } : undefined)
    expect(await repository.resolve('1')).toEqual({ digest, mediaType: INDEX, size: 12 })
    expect(registry.requests('GET', 'manifests')).toEqual([])
    await expect(repository.resolve(`sha256:${'b'.repeat(64)}`)).rejects.toMatchObject({ name: 'DigestMismatchError' })
  })

  test('in an index attestations and unknown platforms are passed over', async () => {
    const { registry, repository } = setup()
    const { manifest } = registry.putImage('a/b:image', random(10))
    const other = registry.putImage('a/b:attestation', random(11)).manifest
    const entry = (digest: string, more: object) => ({ mediaType: MANIFEST, digest, size: 1, ...more })
    const attestation = { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }
    const manifests = [
      entry(other, attestation),
      entry(other, { platform: { os: 'unknown', architecture: 'unknown' } }),
      entry(manifest, {}),
    ]
    registry.putManifest(['a/b:1'], { schemaVersion: 2, mediaType: INDEX, manifests }, INDEX)
    expect((await repository.image('1', host)).digest).toBe(manifest)
    registry.putManifest(['a/b:2'], { schemaVersion: 2, mediaType: INDEX, manifests: manifests.slice(0, 2) }, INDEX)
    await expect(repository.image('2', host)).rejects.toMatchObject({ name: 'NotFoundError' })
  })

  test('a policy decides which are read', async () => {
    const bytes = json({
      default: [{ type: 'reject' }],
      transports: { docker: { [`${NAME}:ok`]: [{ type: 'insecureAcceptAnything' }] } },
    })
    const { registry, repository } = setup({ policy: { bytes } })
    registry.putImage('a/b:ok', random(10))
    registry.putImage('a/b:no', random(10))
    await repository.manifest('ok')
    await expect(repository.manifest('no')).rejects.toMatchObject({ code: 'denied' })
    await expect(repository.resolve('no')).rejects.toMatchObject({ code: 'denied' })
    expect(registry.requests('GET', '/no')).toEqual([])
  })

  test('a name with a tag is refused', () => {
    for (const name of [`${NAME}:1`, `${NAME}@sha256:${'a'.repeat(64)}`]) {
      expect(() => openRepository(name, { platform, ...new FakeRegistry(platform).options() })).toThrow(
        'it has a tag or digest',
      )
    }
    expect(openRepository('localhost:5000/a', { platform, ...new FakeRegistry(platform).options() }).name).toBe(
      'localhost:5000/a',
    )
  })
})

describe.each([platform, portablePlatform])('blobs ($name)', (used) => {
  test.each(['sha256', 'sha384', 'sha512'])('with a digest of %s are verified', async (algorithm) => {
    const { registry, repository } = setup({ platform: used })
    const bytes = random(5000)
    const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
    let given = bytes
    registry.fault = ({ url }) => (url.includes(`/blobs/${algorithm}`) ? { body: given } : undefined)
    const blob = { digest, size: 5000, mediaType: 'x/y' }
    expect(equalBytes(await collect(repository.blob(blob)), bytes)).toBe(true)
    given = random(5000).fill(1, 4999)
    await expect(collect(repository.blob(blob))).rejects.toMatchObject({ name: 'DigestMismatchError' })
  })
})

describe('blobs', () => {
  const bytes = random(9_500_000)
  const ranged = (faults: (start: number) => Reply | undefined = () => undefined) => {
    const context = setup()
    const { registry } = context
    const blob = registry.put(bytes, 'x/y') as { mediaType: string; digest: Digest; size: number }
    registry.fault = ({ url, headers }: Seen) => {
      const match = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')
      if (!url.includes('/blobs/') || match === null) return undefined
      const [start, end] = [Number(match[1]), Number(match[2])]
      const body = bytes.subarray(start, end + 1)
      const headersOf = { 'content-range': `bytes ${start}-${end}/${bytes.length}` }
      return faults(start) ?? { status: 206, headers: headersOf, body }
    }
    return { ...context, blob }
  }

  test('are fetched in ranges over several connections, in order', async () => {
    const { registry, repository, blob } = ranged()
    expect(equalBytes(await collect(repository.blob(blob, { connections: 3 })), bytes)).toBe(true)
    expect(
      registry
        .requests('GET', '/blobs/')
        .map(({ headers }) => headers['range'])
        .sort(),
    ).toEqual(['bytes=0-4194303', 'bytes=4194304-8388607', 'bytes=8388608-9499999'])
  })

  test('are one stream where a server gives no ranges, or other ranges', async () => {
    for (const reply of [
      { body: bytes },
      { status: 416 },
      { status: 206, headers: { 'content-range': 'bytes 0-1/2' }, body: bytes.slice(0, 2) },
    ]) {
      const { registry, repository, blob } = ranged(() => reply)
      expect(equalBytes(await collect(repository.blob(blob, { connections: 3 })), bytes)).toBe(true)
      expect(registry.requests('GET', '/blobs/').map(({ headers }) => headers['range'])).toEqual([
        'bytes=0-4194303',
        undefined,
      ])
    }
  })

  test('a range that fails is fetched again, and wrong bytes in one are found', async () => {
    let failures = 0
    const again = ranged((start) => (start === 4_194_304 && failures++ === 0 ? { status: 503 } : undefined))
    expect(equalBytes(await collect(again.repository.blob(again.blob, { connections: 2 })), bytes)).toBe(true)
    expect(failures).toBe(2)
    const wrong = ranged((start) =>
      start === 4_194_304
        ? {
            status: 206,
            headers: { 'content-range': `bytes ${start}-8388607/${bytes.length}` },
            body: new Uint8Array(4_194_304),
          }
        : undefined,
    )
    await expect(collect(wrong.repository.blob(wrong.blob, { connections: 2 }))).rejects.toMatchObject({
      name: 'DigestMismatchError',
    })
  })

  test('a layer is read as plain tar', async () => {
    const { registry, repository } = setup()
    const tar = new Uint8Array(2048)
    const layer = registry.put(new Uint8Array(gzipSync(tar)), 'application/vnd.oci.image.layer.v1.tar+gzip')
    const diffId = registry.digest(tar) as Digest
    expect(await collect(repository.layer({ ...layer, digest: layer.digest as Digest }, diffId))).toEqual(tar)
    const wrong = repository.layer({ ...layer, digest: layer.digest as Digest }, registry.digest(random(3)) as Digest)
    await expect(collect(wrong)).rejects.toMatchObject({ name: 'DigestMismatchError' })
  })

  test('are pushed once, mounted, and verified', async () => {
    const { registry, repository } = setup()
    const blob = await repository.pushBlob(random(100))
    expect(registry.blobs.has(blob.digest)).toBe(true)
    const before = registry.requests('POST').length
    expect(await repository.pushBlob(random(100))).toEqual(blob)
    expect(registry.requests('POST').length).toBe(before)
    expect(await repository.hasBlob(blob)).toBe(true)
    const wrong = { digest: `sha256:${'0'.repeat(64)}` as Digest }
    await expect(repository.pushBlob(random(101), wrong)).rejects.toMatchObject({ name: 'DigestMismatchError' })
    registry.blobs.clear()
    registry.fault = ({ url }) => (url.includes('mount=') ? { status: 201 } : undefined)
    expect(await repository.mount(blob, 'a/other')).toBe(true)
    expect(registry.requests('POST', 'mount=').at(-1)?.url).toContain('from=a%2Fother')
  })
})

test.each(['sha384', 'sha512'])(
  'blobs and manifests are pushed under a digest of %s, and verified',
  async (algorithm) => {
    const { registry, repository } = setup()
    registry.referrers = false
    const digestOf = (bytes: Uint8Array) => `${algorithm}:${hash(algorithm, bytes)}` as Digest
    for (const bytes of [random(100), random(3_000_000)]) {
      const digest = digestOf(bytes)
      expect(await repository.pushBlob(bytes, { digest })).toEqual({ digest, size: bytes.length })
      const read = await collect(repository.blob({ digest, size: bytes.length, mediaType: 'x/y' }))
      expect(equalBytes(read, bytes)).toBe(true)
      await expect(repository.pushBlob(random(7), { digest: digestOf(random(6)) })).rejects.toMatchObject({
        name: 'DigestMismatchError',
      })
      await expect(repository.pushBlob(once(random(7)), { digest: digestOf(random(8)) })).rejects.toMatchObject({
        name: 'DigestMismatchError',
      })
    }
    const config = { ...(await repository.pushBlob(encodeUtf8('{}'))), mediaType: 'x/y' }
    const manifest = json({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [] })
    const digest = digestOf(manifest)
    expect(await repository.pushManifest(manifest, MANIFEST, digest)).toEqual({
      mediaType: MANIFEST,
      digest,
      size: manifest.length,
    })
    expect((await repository.manifest(digest)).digest).toBe(digest)
    expect((await repository.resolve(digest)).digest).toBe(digest)
    const other = digestOf(random(9))
    const sent = registry.requests('PUT', 'manifests').length
    await expect(repository.pushManifest(manifest, MANIFEST, other)).rejects.toMatchObject({
      name: 'DigestMismatchError',
    })
    expect(registry.requests('PUT', 'manifests').length).toBe(sent)
    const subject = { mediaType: MANIFEST, digest, size: manifest.length }
    await repository.pushManifest({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [], subject }, MANIFEST)
    expect((await repository.referrers(digest)).length).toBe(1)
    expect(registry.manifests.has(`a/b:${digest.slice(0, 6)}-${digest.slice(7, 71)}`)).toBe(true)
  },
)

describe('lists', () => {
  test('tags come page by page, each once', async () => {
    const { registry, repository } = setup()
    registry.fault = ({ url }) => {
      if (!url.includes('/tags/list')) return undefined
      if (url.includes('last=b')) return { body: json({ name: 'a/b', tags: ['b', 'c'] }) }
      return {
        headers: { link: '</v2/a/b/tags/list?last=b&n=2>; rel="next"' },
        body: json({ name: 'a/b', tags: ['a', 'b'] }),
      }
    }
    const tags: string[] = []
    for await (const tag of repository.tags()) tags.push(tag)
    expect(tags).toEqual(['a', 'b', 'c'])
  })

  test.each<[string, Reply, object]>([
    [
      'that repeat for ever',
      { headers: { link: '</v2/a/b/tags/list?x>; rel=next' }, body: json({ tags: ['a'] }) },
      { code: 'network' },
    ],
    [
      'on another host',
      { headers: { link: '<https://evil.example/>; rel=next' }, body: json({ tags: [] }) },
      { code: 'network' },
    ],
    ['that are no JSON', { body: encodeUtf8('<html>') }, { name: 'FormatError' }],
    ['of another shape', { body: json({ tags: { a: 1 } }) }, { name: 'FormatError' }],
    [
      'that are too large',
      { headers: { 'content-length': '99999999' }, body: new Uint8Array(1) },
      { name: 'LimitError' },
    ],
  ])('pages %s are an error', async (_, reply, expected) => {
    const { registry, repository } = setup()
    registry.fault = ({ url }) => (url.includes('/tags/list') ? reply : undefined)
    const all = async () => {
      for await (const _tag of repository.tags());
    }
    await expect(all()).rejects.toMatchObject(expected)
    expect(registry.seen.filter(({ url }) => !url.startsWith('https://example.com/'))).toEqual([])
  })

  test('referrers are those of the registry, filtered', async () => {
    const { registry, repository } = setup()
    const digest = `sha256:${'a'.repeat(64)}` as Digest
    const of = (artifactType: string, digit: string) => ({
      mediaType: MANIFEST,
      digest: `sha256:${digit.repeat(64)}`,
      size: 1,
      artifactType,
    })
    const manifests = [of('sbom', 'b'), of('signature', 'c')]
    registry.fault = ({ url }) =>
      url.includes(`/referrers/${digest}`)
        ? { body: json({ schemaVersion: 2, mediaType: INDEX, manifests }) }
        : undefined
    expect((await repository.referrers(digest)).length).toBe(2)
    expect(await repository.referrers(digest, 'sbom')).toEqual([expect.objectContaining({ artifactType: 'sbom' })])
    expect(registry.requests('GET', 'artifactType=sbom').length).toBe(1)
  })

  test('on a registry without referrers, a pushed artifact is found by the fallback tag', async () => {
    const { registry, repository } = setup()
    registry.referrers = false
    const image = registry.putImage('a/b:1', random(10)).manifest as Digest
    expect(await repository.referrers(image)).toEqual([])
    const subject = { mediaType: MANIFEST, digest: image, size: 1 }
    const config = { ...(await repository.pushBlob(encodeUtf8('{}'))), mediaType: 'application/vnd.oci.empty.v1+json' }
    const artifact = { schemaVersion: 2, mediaType: MANIFEST, artifactType: 'sbom', config, layers: [], subject }
    const one = await repository.pushManifest(artifact, MANIFEST)
    const two = await repository.pushManifest(
      { ...artifact, artifactType: 'x', annotations: { a: 'b' } },
      MANIFEST,
      'tagged',
    )
    await repository.pushManifest(artifact, MANIFEST)
    expect((await repository.referrers(image)).map(({ digest }) => digest).sort()).toEqual(
      [one.digest, two.digest].sort(),
    )
    expect(await repository.referrers(image, 'x')).toEqual([expect.objectContaining({ annotations: { a: 'b' } })])
    expect((await repository.resolve('tagged')).digest).toBe(two.digest)
    expect(registry.manifests.has(`a/b:${image.replace(':', '-')}`)).toBe(true)
  })

  test('a registry that takes subjects gets no fallback tag', async () => {
    const { registry, repository } = setup()
    registry.fault = ({ method }) => (method === 'PUT' ? { status: 201, headers: { 'oci-subject': 'x' } } : undefined)
    const subject = { mediaType: MANIFEST, digest: `sha256:${'a'.repeat(64)}`, size: 1 }
    await repository.pushManifest({ schemaVersion: 2, mediaType: MANIFEST, layers: [], subject }, MANIFEST)
    expect(registry.requests('PUT', 'manifests').length).toBe(1)
  })
})

test('close ends what is running', async () => {
  const { registry, repository } = setup()
  const { layer } = registry.putImage('a/b:1', random(10))
  const blob = { digest: layer as Digest, size: 10, mediaType: 'x' }
  await repository.close()
  await expect(collect(repository.blob(blob))).rejects.toMatchObject({ name: 'AbortError' })
})
