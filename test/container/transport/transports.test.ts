/** Tests of all local transports with images that skopeo wrote, and with hostile archives. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, readAll, toHex } from '../../../src/bytes.ts'
import type { Descriptor, Digest } from '../../../src/container/oci/oci-types.ts'
import type { ImageReference } from '../../../src/container/oci/reference.ts'
import { openImage } from '../../../src/container/open/open-image.ts'
import { openLayer } from '../../../src/container/transport/layer-stream.ts'
import { openMemoryLayout } from '../../../src/container/transport/memory.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'
import { PLATFORMS } from '../../support/backends.ts'
import { goldenBytes, goldenJson, goldenPath, unpackGolden } from '../../support/golden.ts'
import { readTar, text } from '../../support/read-tar.ts'
import { describeReference, run, testReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const context = { platform: nodePlatform, files: nodeFiles, host: { architecture: 'amd64', os: 'linux' } }
const TRANSPORTS = goldenJson<Record<string, Record<string, unknown>>>('container/transports.json')
const CONFIGS = goldenJson<{ docker_archive: Record<string, string | number> }>('container/config-normalisation.json')
const DIFF_IDS = [
  'sha256:1d32881a2cf85092cbf94916728ba447f518b563e0f93621ae1f36349dc3d784',
  'sha256:b9919e119497b9ade1a88ae01502b5bd350006b25968f863cb5066b41ba666fc',
  'sha256:12787d84fa137cd5649a9005efe98ec9d05ea46245fdc50aecb7dd007f2035b1',
]

let root = ''
beforeAll(() => {
  root = temporaryFolder('disk')
  for (const name of ['oci-chunked', 'oci-zstd', 'oci-zstd-chunked', 'dir-v2s2']) {
    mkdirSync(join(root, name))
    unpackGolden(`container/${name}.tar.gz`, join(root, name))
  }
  writeFileSync(join(root, 'docker.tar'), gunzipSync(goldenBytes('container/docker-archive.tar.gz')))
})

async function pack(entries: TarEntry[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(entries)) parts.push(part.slice())
  return concatBytes(parts)
}

const digest = (bytes: Uint8Array) => `sha256:${nodePlatform.sha256(bytes)}` as Digest

async function sizeOf(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  for await (const chunk of stream) size += chunk.length
  return size
}

describe.each(PLATFORMS)('the same image in every local transport, on platform $name', (platform) => {
  const context = { platform, files: nodeFiles, host: { architecture: 'amd64', os: 'linux' } }
  const cases: [ImageReference['transport'], () => string][] = [
    ['oci', () => join(root, 'oci-chunked')],
    ['oci', () => join(root, 'oci-zstd')],
    ['oci', () => join(root, 'oci-zstd-chunked')],
    ['oci', () => `${join(root, 'oci-chunked')}:@0`],
    ['oci-archive', () => goldenPath('container/oci-archive.tar')],
    ['oci-archive', () => `${goldenPath('container/oci-archive.tar')}:exampleos:latest`],
    ['dir', () => join(root, 'dir-v2s2')],
    ['docker-archive', () => join(root, 'docker.tar')],
    ['docker-archive', () => goldenPath('container/docker-archive.tar.gz')],
    ['docker-archive', () => `${join(root, 'docker.tar')}:localhost/exampleos`],
  ]
  test.each(cases)(
    'every layer read by the transport %s has the expected digest, size and diff id',
    async (transport, name) => {
      const source = await openImage({ transport, name: name() }, context)
      const config = await source.config()
      expect(config.rootfs.diff_ids).toEqual(DIFF_IDS)
      const sizes: number[] = []
      for (const [index, layer] of source.manifest.layers.entries())
        sizes.push(await sizeOf(openLayer(source, layer, { platform, diffId: DIFF_IDS[index] })))
      expect(sizes).toEqual([174080, 179712, 139264])
    },
  )

  test.each(['oci-zstd', 'oci-zstd-chunked', 'dir-v2s2'])(
    'the manifest digest of %s is that of skopeo',
    async (name) => {
      const transport = name.startsWith('oci') ? 'oci' : 'dir'
      const source = await openImage({ transport, name: join(root, name) }, context)
      expect(source.manifestDigest).toBe(TRANSPORTS[name]?.['manifest_digest'])
      if (transport === 'oci') expect(source.manifest).toEqual(TRANSPORTS[name]?.['manifest'])
    },
  )

  test('a docker-archive reports the manifest that skopeo synthesises', async () => {
    const source = await openImage({ transport: 'docker-archive', name: join(root, 'docker.tar') }, context)
    expect(source.manifestDigest).toBe(CONFIGS.docker_archive['manifest_digest_reported'])
    expect(source.manifest).toEqual(JSON.parse(`${CONFIGS.docker_archive['manifest']}`))
  })

  test('manifest and config of a directory convert to what the image proxy returns', async () => {
    const { converted_to_oci } = TRANSPORTS['dir-v2s2'] as { converted_to_oci: Record<string, string> }
    const source = await openImage({ transport: 'dir', name: join(root, 'dir-v2s2') }, context)
    expect(source.manifest).toEqual(JSON.parse(converted_to_oci['manifest_json'] ?? ''))
    expect(await source.config()).toEqual(JSON.parse(converted_to_oci['config_json'] ?? ''))
    expect(JSON.parse(new TextDecoder().decode(source.original.bytes))).toEqual(TRANSPORTS['dir-v2s2']?.['manifest'])
  })

  test.each(['oci-zstd', 'oci-zstd-chunked'])('the config of %s is the one that was written', async (name) => {
    const source = await openImage({ transport: 'oci', name: join(root, name) }, context)
    expect(JSON.parse(new TextDecoder().decode(await source.configBytes()))).toEqual(TRANSPORTS[name]?.['config'])
  })

  test('a docker-archive returns its layers uncompressed, whatever their media type is', async () => {
    const source = await openImage({ transport: 'docker-archive', name: join(root, 'docker.tar') }, context)
    const { first_blob_starts_with_hex: start, first_blob_len: length, manifest } = CONFIGS.docker_archive
    expect(source.manifest.layers[0]?.mediaType).toMatch(/gzip$/)
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    const blob = await readAll(source.blob(layer))
    expect([toHex(blob.subarray(0, 4)), blob.length]).toEqual([start, length])
    expect(JSON.parse(`${manifest}`).layers).toHaveLength(3)
  })
})

describe('archives written by skopeo', () => {
  const docker = gunzipSync(goldenBytes('container/docker-archive.tar.gz'))

  test.each([
    ['docker-archive', docker],
    ['oci-archive', goldenBytes('container/oci-archive.tar')],
  ])('the %s has the entries of its listing', (name, bytes) => {
    const listing = TRANSPORTS[name]?.['entries'] as (readonly [string, string, number, string?])[]
    const found = readTar(bytes).map(({ header }) => [
      text(header.path).replace(/\/$/, ''),
      String.fromCharCode(header.typeflag),
      header.size,
      text(header.linkPath),
    ])
    expect(found).toEqual(listing.map(([path, type, size, link = '']) => [path, type, size, link]))
  })

  test('the JSON documents of the archives are the listed ones', () => {
    const documentOf = (bytes: Uint8Array, name: string) =>
      JSON.parse(text(readTar(bytes).find(({ header }) => text(header.path) === name)?.body ?? new Uint8Array(0)))
    expect(documentOf(docker, 'manifest.json')).toEqual(TRANSPORTS['docker-archive']?.['manifest.json'])
    const index = documentOf(goldenBytes('container/oci-archive.tar'), 'index.json')
    expect(index).toEqual(TRANSPORTS['oci-archive']?.['index.json'])
  })
})

describe('references to missing images', () => {
  test.each([
    ['oci', () => `${join(root, 'oci-chunked')}:nonesuch`, /no descriptor found for reference "nonesuch"/],
    ['oci', () => join(root, 'absent'), /no such file: index.json/],
    ['oci-archive', () => join(root, 'absent'), /No such file or directory/],
    ['docker-archive', () => `${join(root, 'docker.tar')}:other`, /no image in the archive/],
  ] as const)('a missing image of the transport %s is reported as not found', async (transport, name, message) => {
    const opened = openImage({ transport, name: name() }, context)
    await expect(opened).rejects.toMatchObject({ code: 'not-found', message: expect.stringMatching(message) })
  })

  test.each(['registry', 'containers-storage', 'docker-daemon'] as const)(
    'the transport %s is rejected as unsupported',
    async (transport) => {
      await expect(openImage({ transport, name: 'x' }, context)).rejects.toMatchObject({ code: 'unsupported' })
    },
  )
})

describeReference(['xz', 'bzip2', 'tar'], 'archives that other programs changed', () => {
  const layersOf = async (transport: 'oci-archive' | 'docker-archive', name: string) => {
    const source = await openImage({ transport, name }, context)
    const sizes: number[] = []
    for (const [index, layer] of source.manifest.layers.entries())
      sizes.push(await sizeOf(openLayer(source, layer, { platform: nodePlatform, diffId: DIFF_IDS[index] })))
    return sizes
  }

  test.each([
    ['oci-archive', 'xz'],
    ['oci-archive', 'bzip2'],
    ['docker-archive', 'xz'],
    ['docker-archive', 'bzip2'],
  ] as const)('an %s that was compressed with %s is read', async (transport, program) => {
    const path = join(root, `${transport}.${program}`)
    const tar =
      transport === 'oci-archive'
        ? goldenBytes('container/oci-archive.tar')
        : gunzipSync(goldenBytes('container/docker-archive.tar.gz'))
    writeFileSync(path, spawnSync(program, ['-c'], { input: tar, maxBuffer: 1 << 28 }).stdout)
    expect(await layersOf(transport, path)).toEqual([174080, 179712, 139264])
    const damaged = readFileSync(path)
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1
    writeFileSync(path, damaged)
    await expect(layersOf(transport, path)).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('of an index that was appended to an oci-archive again the last one counts', async () => {
    const path = join(root, 'appended.tar')
    const folder = temporaryFolder()
    writeFileSync(path, goldenBytes('container/oci-archive.tar'))
    run('tar', ['-xf', path, 'index.json'], { cwd: folder })
    const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'))
    index.manifests[0].annotations = { 'org.opencontainers.image.ref.name': 'renamed' }
    writeFileSync(join(folder, 'index.json'), JSON.stringify(index))
    run('tar', ['-rf', path, 'index.json'], { cwd: folder })
    expect(await layersOf('oci-archive', `${path}:renamed`)).toEqual([174080, 179712, 139264])
    await expect(layersOf('oci-archive', `${path}:exampleos:latest`)).rejects.toMatchObject({ code: 'not-found' })
  })

  testReference(['skopeo', 'xz'], 'skopeo too reads the last index, and of a docker-archive the first', async () => {
    const folder = temporaryFolder()
    const append = (archive: string, bytes: Uint8Array, file: string) => {
      writeFileSync(join(folder, archive), bytes)
      run('tar', ['-xf', archive, file], { cwd: folder })
      const text = readFileSync(join(folder, file), 'utf8')
      writeFileSync(join(folder, file), text.replaceAll('exampleos:latest', 'renamed:latest'))
      run('tar', ['-rf', archive, file], { cwd: folder })
      run('xz', [archive], { cwd: folder })
      return join(folder, `${archive}.xz`)
    }
    const manifestOf = (name: string) => JSON.parse(run('skopeo', ['inspect', '--raw', name]))
    const oci = append('oci.tar', goldenBytes('container/oci-archive.tar'), 'index.json')
    const { original } = await openImage({ transport: 'oci-archive', name: `${oci}:renamed:latest` }, context)
    expect(manifestOf(`oci-archive:${oci}:renamed:latest`)).toEqual(JSON.parse(text(original.bytes)))
    const docker = append('docker.tar', gunzipSync(goldenBytes('container/docker-archive.tar.gz')), 'manifest.json')
    expect(manifestOf(`docker-archive:${docker}:localhost/exampleos:latest`)).toMatchObject({ schemaVersion: 2 })
    const name = `${docker}:localhost/exampleos:latest`
    await expect(openImage({ transport: 'docker-archive', name }, context)).rejects.toThrow('more than once')
  })
})

describe('hostile archives', () => {
  async function open(entries: TarEntry[], transport: 'oci-archive' | 'docker-archive' = 'docker-archive') {
    const path = join(root, 'hostile.tar')
    writeFileSync(path, await pack(entries))
    return await openImage({ transport, name: path }, context)
  }
  const manifest = (value: unknown) => ({ path: 'manifest.json', body: encodeUtf8(JSON.stringify(value)) })

  test('an archive with two files of the same name is rejected', async () => {
    const twice = manifest([{ Config: 'c', Layers: [] }])
    await expect(open([twice, twice])).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(/more than once/),
    })
  })

  test.each(['../../etc/passwd', '/etc/passwd'])(
    'a symbolic link to %s, out of the archive, is not followed',
    async (linkPath) => {
      const link = { path: 'c', type: 'symlink', linkPath } as const
      await expect(open([link, manifest([{ Config: 'c', Layers: [] }])])).rejects.toMatchObject({ code: 'corrupt' })
    },
  )

  test('symbolic links in a circle are rejected', async () => {
    const links = [
      { path: 'a', type: 'symlink', linkPath: 'b' } as const,
      { path: 'b', type: 'symlink', linkPath: 'a' } as const,
    ]
    const saved = manifest([{ Config: 'a', Layers: [] }])
    await expect(open([...links, saved])).rejects.toMatchObject({ message: expect.stringMatching(/too many links/) })
  })

  test('a huge manifest is rejected before it is read', async () => {
    const body = new Uint8Array(5 << 20)
    await expect(open([{ path: 'manifest.json', body }])).rejects.toMatchObject({ code: 'limit' })
    await expect(open([{ path: 'index.json', body }], 'oci-archive')).rejects.toMatchObject({ code: 'limit' })
  })

  test('a digest is not used as a path', async () => {
    const manifests = [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:../../x', size: 1 }]
    const body = encodeUtf8(JSON.stringify({ schemaVersion: 2, manifests }))
    await expect(openMemoryLayout(new Map([['index.json', body]]), undefined, context)).rejects.toMatchObject({
      code: 'corrupt',
    })
    const path = { ...manifests[0], digest: 'up+x:..' }
    const other = encodeUtf8(JSON.stringify({ schemaVersion: 2, manifests: [path] }))
    await expect(openMemoryLayout(new Map([['index.json', other]]), undefined, context)).rejects.toMatchObject({
      name: expect.stringMatching(/FormatError|UnsupportedError/),
    })
  })

  test('a truncated archive is rejected as malformed', async () => {
    writeFileSync(join(root, 'cut.tar'), goldenBytes('container/oci-archive.tar').subarray(0, 5000))
    const opened = openImage({ transport: 'oci-archive', name: join(root, 'cut.tar') }, context)
    await expect(opened).rejects.toMatchObject({ name: 'TarFormatError' })
  })
})

describe('a layer', () => {
  const plain = new Uint8Array(200_000).fill(7)
  const stored = new Uint8Array(gzipSync(plain))
  const gzip = 'application/vnd.oci.image.layer.v1.tar+gzip'
  const layer = { mediaType: gzip, digest: digest(stored), size: stored.length }
  const diffId = digest(plain)

  function read(bytes: Uint8Array, descriptor: Descriptor, options = {}) {
    async function* blob() {
      for (let at = 0; at < bytes.length; at += 64) yield bytes.subarray(at, at + 64)
    }
    const source = { blob }
    return sizeOf(openLayer(source, descriptor, { platform: nodePlatform, diffId, ...options }))
  }

  test('a correct layer is read, and its progress is reported', async () => {
    const told: number[] = []
    expect(await read(stored, layer, { onBytes: (n: number) => told.push(n) })).toBe(plain.length)
    expect(told.at(-1)).toBe(stored.length)
  })

  test.each([
    ['digest', () => read(stored, { ...layer, digest: digest(plain) })],
    ['size', () => read(stored, { ...layer, size: stored.length + 1 })],
    ['size', () => read(stored, { ...layer, size: stored.length - 1 })],
    ['diffId', () => read(stored, layer, { diffId: digest(stored) })],
    [
      'digest',
      () =>
        read(
          stored.map((byte, i) => (i === 60 ? byte ^ 0xff : byte)),
          layer,
        ),
    ],
    ['size', () => read(stored.subarray(0, 100), layer)],
  ])('a layer with a wrong %s fails with an error about it', async (what, reading) => {
    await expect(reading()).rejects.toMatchObject({ name: 'DigestMismatchError', data: { what } })
  })

  test('a layer that is broken, too large or of an unknown type is rejected with an error about it', async () => {
    const broken = stored.map((byte, i) => (i === 60 ? byte ^ 0xff : byte))
    const named = { message: expect.stringContaining(digest(broken)), code: 'corrupt' }
    await expect(read(broken, { ...layer, digest: digest(broken) })).rejects.toMatchObject(named)
    await expect(read(stored, layer, { maxBytes: 1000 })).rejects.toMatchObject({ code: 'limit' })
    const message = 'Unhandled layer type: text/plain'
    await expect((async () => read(stored, { ...layer, mediaType: 'text/plain' }))()).rejects.toMatchObject({ message })
  })

  test('reading a layer stops when its signal is aborted', async () => {
    const signal = AbortSignal.abort()
    await expect(read(stored, layer, { signal })).rejects.toMatchObject({ name: 'AbortError' })
  })
})
