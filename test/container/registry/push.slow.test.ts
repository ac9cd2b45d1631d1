/** Tests of pushing images to docker-registry, and reading them with other programs. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openImage, parseImageReference } from '../../../src/container/index.ts'
import { openRegistryDestination } from '../../../src/container/registry/destination.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { webNetwork } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { unpackGolden } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry, TESTER, type TestRegistry } from './server.ts'

const context = { platform: nodePlatform, host: { architecture: 'amd64', os: 'linux' } }

const directory = temporaryFolder('disk')
const LAYOUT = join(directory, 'layout')
mkdirSync(LAYOUT)
unpackGolden('container/oci-chunked.tar.gz', LAYOUT)

/** Yields content through one reused buffer, as sources may. */
async function* bytesOf(content: Uint8Array, step = 50_000): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(step)
  for (let at = 0; at < content.length; at += step) {
    const part = content.subarray(at, at + step)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
  }
}

async function copyTo(name: string, registry: RegistryOptions): Promise<string> {
  const source = await openImage(parseImageReference(`oci:${LAYOUT}`), { ...context, files: nodeFiles })
  await using destination = openRegistryDestination(name, { ...context, registry })
  for (const layer of [...source.manifest.layers, source.manifest.config]) {
    const { digest, size } = layer
    if (await destination.hasBlob(layer)) continue
    expect(await destination.putBlob(source.blob(layer), layer)).toEqual({ digest, size })
    expect(await destination.hasBlob(layer)).toBe(true)
  }
  await destination.putManifest(source.original.bytes, { mediaType: source.original.mediaType })
  return await destination.commit()
}

describeReference(['docker-registry', 'skopeo'], 'a pushed image', () => {
  let open: TestRegistry
  let closed: TestRegistry
  const registry: RegistryOptions = { network: nodeNetwork(), insecure: true }
  beforeAll(async () => {
    open = await startRegistry()
    closed = await startRegistry({ password: true })
  })
  afterAll(async () => {
    await open?.[Symbol.asyncDispose]()
    await closed?.[Symbol.asyncDispose]()
  })

  test.each([
    ['one stream per blob', {}],
    ['whole blobs', { uploadPiece: 1 << 24 }],
    ['small pieces', { uploadPiece: 4096 }],
    ['pieces of the global fetch', { network: webNetwork, uploadPiece: 5000 }],
    ['one stream per blob of the global fetch', { network: webNetwork }],
  ])('an image pushed in %s is read by skopeo unchanged', async (title, options) => {
    const name = `${open.host}/${title.replaceAll(' ', '-')}:1`
    const digest = await copyTo(name, { ...registry, ...options })
    const inspected = run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`])
    expect(JSON.parse(inspected)).toMatchObject({ Digest: digest })
    const copied = join(directory, title.replaceAll(' ', '-'))
    run('skopeo', ['copy', '--src-tls-verify=false', `docker://${name}`, `dir:${copied}`])
    const stored = (from: string) => nodePlatform.sha256(readFileSync(from))
    const blobs = readdirSync(copied).filter((file) => file !== 'version')
    const found = blobs.map((file) => stored(join(copied, file))).sort()
    const image = await openImage(parseImageReference(`oci:${LAYOUT}`), { ...context, files: nodeFiles })
    const { manifest } = image
    const named = [image.manifestDigest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]
    expect(found).toEqual(named.map((text) => text.slice(7)).sort())
  })

  test('a push to a registry with a password requires the password', async () => {
    const credentials = async () => ({ kind: 'password', ...TESTER }) as const
    await copyTo(`${closed.host}/os:1`, { ...registry, credentials })
    await expect(copyTo(`${closed.host}/os:2`, registry)).rejects.toMatchObject({ code: 'denied' })
  })

  test('a blob is mounted from another repository of the registry (case J2)', async () => {
    await using first = openRegistryDestination(`${open.host}/mount/from:1`, { ...context, registry })
    await using second = openRegistryDestination(`${open.host}/mount/to:1`, { ...context, registry })
    const content = new Uint8Array(100_000).fill(5)
    const blob = await first.putBlob(bytesOf(content))
    expect(blob).toEqual({ digest: `sha256:${nodePlatform.sha256(content)}`, size: content.length })
    expect(await second.hasBlob(blob)).toBe(false)
    const origin = parseImageReference(`docker://${open.host}/mount/from:1`)
    expect(await second.hasBlob(blob, origin)).toBe(true)
    expect(await second.hasBlob(blob)).toBe(true)
    const absent = { ...blob, digest: blob.digest.replace(/.$/, (c) => (c === '0' ? '1' : '0')) as typeof blob.digest }
    expect(await second.hasBlob(absent, origin)).toBe(false)
  })

  test.each([0, 1, 4095, 4096, 4097, 8192, 12_289])(
    'a blob of %i bytes is uploaded unchanged in pieces of 4096',
    async (size) => {
      await using destination = openRegistryDestination(`${open.host}/pieces:1`, {
        ...context,
        registry: { ...registry, uploadPiece: 4096 },
      })
      const content = Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 255)
      const blob = await destination.putBlob(bytesOf(content, 1000))
      const stored = await fetch(`http://${open.host}/v2/pieces/blobs/${blob.digest}`)
      expect(new Uint8Array(await stored.arrayBuffer())).toEqual(content)
    },
  )

  test.each([0, 1, 1 << 20, (1 << 20) + 1, 5_000_000])(
    'a blob of %i bytes is uploaded unchanged as a stream',
    async (size) => {
      for (const network of [nodeNetwork(), webNetwork]) {
        await using destination = openRegistryDestination(`${open.host}/stream:1`, {
          ...context,
          registry: { ...registry, network },
        })
        const content = Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 255)
        const blob = await destination.putBlob(bytesOf(content, 300_000))
        const stored = await fetch(`http://${open.host}/v2/stream/blobs/${blob.digest}`)
        expect(nodePlatform.sha256(new Uint8Array(await stored.arrayBuffer()))).toBe(nodePlatform.sha256(content))
      }
    },
  )

  test('a blob with a wrong digest or size is not stored', async () => {
    await using destination = openRegistryDestination(`${open.host}/wrong:1`, { ...context, registry })
    const content = new Uint8Array(1000).fill(1)
    const other = `sha256:${nodePlatform.sha256(new Uint8Array(1))}` as const
    const blob = { digest: other as never, size: content.length }
    await expect(destination.putBlob(bytesOf(content), blob)).rejects.toMatchObject({ data: { what: 'digest' } })
    await expect(destination.putBlob(bytesOf(content), { size: 999 })).rejects.toMatchObject({ data: { what: 'size' } })
    expect(await destination.hasBlob(blob)).toBe(false)
  })

  test('a destination without a manifest cannot be committed', async () => {
    await using destination = openRegistryDestination(`${open.host}/none:1`, { ...context, registry })
    await expect(destination.commit()).rejects.toMatchObject({ code: 'invalid' })
    const mediaType = 'text/plain'
    await expect(destination.putManifest(new Uint8Array(1), { mediaType })).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})
