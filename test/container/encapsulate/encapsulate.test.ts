/** Tests of encapsulation, compared with images that ostree-ext made of the same commits. */
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, decodeUtf8 } from '../../../src/bytes.ts'
import {
  computeSizes,
  type Digest,
  type EncapsulateConfig,
  type EncapsulateOptions,
  encapsulateTo,
  newChunking,
  openMemoryDestination,
  openMemoryLayout,
  parseManifest,
  unencapsulate,
} from '../../../src/container/index.ts'
import { createdAtSourceDateEpoch } from '../../../src/container/internal.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import type { Progress } from '../../../src/progress.ts'
import { type Repo, traverseCommit } from '../../../src/repo/index.ts'
import { directory, file, storeCommit } from '../../../src/testing/index.ts'
import { goldenImage, sourceOf } from '../golden-images.ts'
import { entriesOf, memoryRepo } from '../tar-kit.ts'
import { CHUNKED, COMPONENTS, documentsOf, fixtureRepo, GOLDEN, HOST } from './kit.ts'

const BASH = 'c16705f12dc6420d69b2177cc0166882ac8e90e2a6780c6af4e586b97a511a87' as Checksum
const LABELS: EncapsulateConfig = { labels: GOLDEN.chunked.labels_arg }
const SINGLE: EncapsulateOptions = {
  host: HOST,
  copyMetaKeys: GOLDEN.single.copy_meta_keys,
  containerConfig: GOLDEN.single.container_config,
}

async function imageOf(
  repo: Repo,
  options: EncapsulateOptions,
  { config = LABELS, tag = undefined as string | undefined } = {},
): Promise<{ files: Map<string, Uint8Array>; digest: Digest }> {
  const files = new Map<string, Uint8Array>()
  await using destination = openMemoryDestination(files, tag, repo.platform)
  return { files, digest: await encapsulateTo(repo, GOLDEN.commit, config, options, destination) }
}

function unpacked(repo: Repo, files: ReadonlyMap<string, Uint8Array>) {
  const open = () => openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST })
  return unencapsulate(repo, 'ostree-unverified-image:oci:memory', { host: HOST, open })
}

describe('an encapsulated commit', () => {
  test.each<[string, 'chunked' | 'single', EncapsulateOptions, Platform]>([
    ['in chunks', 'chunked', CHUNKED, nodePlatform],
    ['in one layer', 'single', SINGLE, nodePlatform],
    ['in chunks, on the portable platform', 'chunked', CHUNKED, portablePlatform],
  ])(
    'a commit encapsulated %s has the documents and diff ids of the reference image (cases F1, F5, F6)',
    async (_, name, options, platform) => {
      const { files, digest } = await imageOf(await fixtureRepo('bare-user', platform), options)
      const { index, manifest, config, configText } = documentsOf(files)
      const golden = GOLDEN[name]
      expect(config.rootfs.diff_ids).toEqual(golden.config.rootfs.diff_ids)
      const goldenConfig = goldenImage(`container/oci-${name}.tar.gz`).blobs.get(golden.manifest.config.digest)
      expect(configText).toBe(decodeUtf8(goldenConfig as Uint8Array))
      expect(manifest).toEqual(golden.manifest)
      expect(index).toEqual({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            digest,
            size: files.get(`blobs/${digest.replace(':', '/')}`)?.length,
            platform: HOST,
          },
        ],
      })
    },
  )

  test('a commit is unencapsulated unchanged from its image (cases E4, F4)', async () => {
    const source = await fixtureRepo('archive')
    for (const options of [CHUNKED, SINGLE]) {
      const { files, digest } = await imageOf(source, options)
      const repo = await memoryRepo()
      const { commit, manifestDigest } = await unpacked(repo, files)
      expect([commit, manifestDigest]).toEqual([GOLDEN.commit, digest])
      for await (const object of traverseCommit(source, GOLDEN.commit))
        expect(await repo.objects.has(object)).toBe(true)
      expect(await repo.commitState(GOLDEN.commit)).toBe('complete')
    }
  })

  test('the first layer is that of the commit, whatever the concurrency is (case F1)', async () => {
    const repo = await fixtureRepo()
    const { files } = await imageOf(repo, { ...CHUNKED, concurrency: 1 })
    const { manifest, config } = documentsOf(files)
    expect(config.history[0]?.created_by).toMatch(/^ostree export/)
    expect(config.history[1]?.created_by).toBe('9 components')
    expect(config.history[2]?.created_by).toBe('Reserved for new packages')
    expect(manifest.annotations['ostree.final-diffid']).toBe(config.rootfs.diff_ids[2])
    expect(documentsOf((await imageOf(repo, { ...CHUNKED, concurrency: 3 })).files).manifestText).toBe(
      documentsOf(files).manifestText,
    )
  })

  test('a file with two paths is one object with two links in its layer (case F5)', async () => {
    const { files } = await imageOf(await fixtureRepo(), CHUNKED)
    const chunk = documentsOf(files).manifest.layers[1]?.digest.replace(':', '/')
    const entries = entriesOf(gunzipSync(files.get(`blobs/${chunk}`) as Uint8Array))
    const links = entries.filter(({ path }) => path.endsWith('/pkgdb'))
    expect(links.map(({ path, type, mode }) => [path, type, mode])).toEqual([
      ['usr/lib/pkgdb/pkgdb', 'hardlink', 0o644],
      ['usr/lib/sysimage/pkgdb', 'hardlink', 0o644],
    ])
    expect(new Set(links.map(({ linkPath }) => linkPath)).size).toBe(1)
  })

  test('metadata to copy must exist for copyMetaKeys, and may be missing for copyMetaOptKeys (case F2)', async () => {
    const repo = await fixtureRepo()
    await expect(imageOf(repo, { host: HOST, copyMetaKeys: ['x'] })).rejects.toThrow(
      'Building oci: Could not find commit metadata key: x',
    )
    await expect(imageOf(repo, { host: HOST, copyMetaOptKeys: ['ostree.bootable'] })).rejects.toThrow(
      'Expected string for commit metadata value',
    )
    const { files } = await imageOf(repo, { host: HOST, copyMetaOptKeys: ['x', 'version'], legacyVersionLabel: true })
    expect(documentsOf(files).manifest.annotations).toMatchObject({ version: '42.0' })
  })

  test('an image of a commit that is not bootable has no label ostree.bootable (case F7)', async () => {
    const repo = await memoryRepo()
    const commit = await repo.transaction((tx) => storeCommit(tx, directory({ a: file('1') }), { subject: 'plain' }))
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await encapsulateTo(repo, commit, {}, { host: HOST }, to)
    const { manifest, config } = documentsOf(files)
    expect(Object.keys(manifest.annotations)).toEqual(['ostree.commit', 'ostree.final-diffid'])
    expect(config.history[0]?.created_by).toBe('plain')
    expect((await unpacked(await memoryRepo(), files)).commit).toBe(commit)
  })

  test('an image is dated by SOURCE_DATE_EPOCH, and its progress reports each layer', async () => {
    const events: Progress[] = []
    const created = createdAtSourceDateEpoch('1577934245')
    const options = { ...CHUNKED, created, onProgress: (event: Progress) => void events.push(event) }
    const { files } = await imageOf(await fixtureRepo(), options)
    expect(JSON.parse(documentsOf(files).configText).created).toBe('2020-01-02T03:04:05Z')
    expect(events.filter(({ kind }) => kind === 'step')).toEqual(
      [1, 2, 3].map((done) => ({ kind: 'step', label: 'layers', done, total: 3 })),
    )
    for (const text of ['', 'now', '-1', '1e3', '9'.repeat(13)]) {
      expect(() => createdAtSourceDateEpoch(text)).toThrow('Invalid SOURCE_DATE_EPOCH')
    }
  })

  test('an image has the time, platform, command and base config of its options', async () => {
    const options: EncapsulateOptions = {
      host: HOST,
      created: '2020-01-02T03:04:05.6+01:00',
      platform: { architecture: 'arm64', os: 'linux', variant: 'v8' },
      containerConfig: { Cmd: ['/base'], Labels: { foo: 'base', base: 'kept' } },
    }
    const config = { labels: { foo: 'bar', 'ostree.final-diffid': 'lie' }, cmd: ['/bin/sh', '-l'] }
    const { files } = await imageOf(await fixtureRepo(), options, { config })
    const documents = documentsOf(files)
    expect(JSON.parse(documents.configText)).toMatchObject({
      architecture: 'arm64',
      variant: 'v8',
      created: '2020-01-02T03:04:05.6+01:00',
      history: [{ created: '2020-01-02T02:04:05Z' }],
      config: { Cmd: ['/bin/sh', '-l'], Labels: { foo: 'bar', base: 'kept' } },
    })
    expect(documents.manifest.annotations['ostree.final-diffid']).toBe(documents.config.rootfs.diff_ids[0])
  })

  test.each<[string, EncapsulateOptions]>([
    ['gzip, fast', { host: HOST, skipCompression: true }],
    ['zstd', { host: HOST, compression: { kind: 'zstd' } }],
    ['none', { host: HOST, compression: { kind: 'none' } }],
  ])('an image has the same diff ids with compression %s', async (_, options) => {
    const { files } = await imageOf(await fixtureRepo(), options)
    expect(documentsOf(files).config.rootfs.diff_ids).toEqual(GOLDEN.single.config.rootfs.diff_ids)
    expect((await unpacked(await memoryRepo(), files)).commit).toBe(GOLDEN.commit)
  })

  test('with tarCreateParentDirs the directories of each file precede it, once per layer', async () => {
    const { files } = await imageOf(await fixtureRepo(), { ...CHUNKED, tarCreateParentDirs: true })
    const chunk = documentsOf(files).manifest.layers[1]?.digest.replace(':', '/')
    const paths = entriesOf(gunzipSync(files.get(`blobs/${chunk}`) as Uint8Array))
      .map(({ path }) => path)
      .filter((path) => !path.startsWith('sysroot'))
    expect(new Set(paths).size).toBe(paths.length)
    for (const path of paths.filter((path) => path.includes('/'))) {
      const parent = path.slice(0, path.lastIndexOf('/'))
      expect(paths.indexOf(parent)).toBeGreaterThanOrEqual(0)
      expect(paths.indexOf(parent)).toBeLessThan(paths.indexOf(path))
    }
    expect(paths).toContain('etc')
    expect((await unpacked(await memoryRepo(), files)).commit).toBe(GOLDEN.commit)
  })

  test('a component that claims its files gets a layer of its own (case G5)', async () => {
    const specificContentmeta = new Map([['zz-bash', [{ path: '/usr/bin/bash', checksum: BASH }]]])
    const { files } = await imageOf(await fixtureRepo(), { ...CHUNKED, specificContentmeta })
    const { manifest, config } = documentsOf(files)
    expect(config.history[1]?.created_by).toBe('zz-bash')
    expect(manifest.layers[1]?.annotations).toEqual({ 'ostree.components': 'zz-bash' })
    expect((await unpacked(await memoryRepo(), files)).commit).toBe(GOLDEN.commit)
  })

  test('encapsulation fails with an error that names the files without a component', async () => {
    const map = new Map([...COMPONENTS.map].filter(([checksum]) => checksum !== BASH))
    const packageContentmeta = { ...COMPONENTS, map }
    await expect(imageOf(await fixtureRepo(), { ...CHUNKED, packageContentmeta })).rejects.toThrow(
      `No component has /usr/bin/bash (${BASH})`,
    )
  })

  test('an image with a failing layer is not published', async () => {
    const repo = await fixtureRepo()
    await repo.objects.delete({ checksum: BASH, type: 'file' })
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, 'tag', nodePlatform)
    await expect(encapsulateTo(repo, GOLDEN.commit, {}, { host: HOST }, to)).rejects.toThrow(BASH)
    expect(files.has('index.json')).toBe(false)
    const aborted = { host: HOST, signal: AbortSignal.abort(new Error('enough')) }
    await expect(encapsulateTo(await fixtureRepo(), GOLDEN.commit, {}, aborted, to)).rejects.toThrow('enough')
  })
})

describe('the image of the next commit', () => {
  const UPDATE = goldenImage('container/oci-chunked-update.tar.gz')

  /** Returns the fixture with another bash, read from its reference image. */
  async function updated() {
    const repo = await fixtureRepo()
    const reference = 'ostree-unverified-image:oci:update'
    const { commit } = await unencapsulate(repo, reference, { host: HOST, open: sourceOf(UPDATE) })
    const map = new Map<Checksum, string>()
    for (const [checksum, { paths }] of (await newChunking(repo, commit)).remainder.content) {
      map.set(checksum, COMPONENTS.map.get(checksum) ?? (paths.includes('/usr/bin/bash') ? 'bash' : 'unknown'))
    }
    const set = new Map(COMPONENTS.sizes.map((meta) => [meta.identifier, meta]))
    return { repo, commit, packageContentmeta: await computeSizes(repo, { set, map }) }
  }

  test('the image of an updated commit differs in two layers, as the reference image does (cases H3, F6)', async () => {
    const { repo, commit, packageContentmeta } = await updated()
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await encapsulateTo(repo, commit, LABELS, { ...CHUNKED, packageContentmeta }, to)
    const golden = parseManifest(UPDATE.blobs.get(UPDATE.manifest) as Uint8Array)
    expect(documentsOf(files).configText).toBe(decodeUtf8(UPDATE.blobs.get(golden.config.digest) as Uint8Array))
    const before = documentsOf((await imageOf(repo, CHUNKED)).files).manifest.layers
    const after = documentsOf(files).manifest.layers
    expect(after.map(({ digest }, i) => digest === before[i]?.digest)).toEqual([false, false, true])
  })

  test('the image of an updated commit keeps the layers of the prior build, if it is given', async () => {
    const { repo, commit, packageContentmeta } = await updated()
    const options = { ...CHUNKED, maxLayers: 64 }
    const first = documentsOf((await imageOf(repo, options)).files)
    const priorBuild = parseManifest(new TextEncoder().encode(first.manifestText))
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await encapsulateTo(repo, commit, LABELS, { ...options, packageContentmeta, priorBuild }, to)
    const changed = documentsOf(files).manifest.layers.filter(
      ({ digest }, i) => digest !== first.manifest.layers[i]?.digest,
    )
    expect(changed.map(({ annotations }) => annotations)).toEqual([undefined, { 'ostree.components': 'bash' }])
  })
})
