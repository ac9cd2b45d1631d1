import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, readAll } from '../../../src/bytes.ts'
import {
  allLayers,
  BASE_IMAGE_PREFIX,
  type CachedImageUpdate,
  cleanupRoot,
  clearCachedUpdate,
  countLayerReferences,
  type Digest,
  formatLayerStatus,
  IMAGE_PREFIX,
  ImageImporter,
  type ImportOptions,
  type ImportProgress,
  imageConfigFromCommitmeta,
  importProgressOf,
  isStarting,
  LAYER_PREFIX,
  type LayeredImageState,
  type LayerProgress,
  layerFromDiffid,
  layerProgressOf,
  layersToFetch,
  layersWithHistory,
  listContainerDeploymentManifests,
  listImages,
  type ManifestLayerState,
  META_CONFIG,
  META_MANIFEST,
  META_MANIFEST_DIGEST,
  type MetaFilteredData,
  manifestDataFromCommitmeta,
  manifestDigestFromCommit,
  manifestForImage,
  type OstreeVersion,
  type PreparedImport,
  type PreparedLayer,
  type PrepareResult,
  parseCachedUpdate,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  queryImageCommit,
  queryLayer,
  refForBlobDigest,
  refForImage,
  refForLayer,
  tryQueryImage,
} from '../../../src/container/index.ts'
import { canonicalJson } from '../../../src/container/internal.ts'
import { string, u32, type Vardict, variantOf } from '../../../src/gvariant/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Progress } from '../../../src/progress.ts'
import { commitRoot, createMemoryStorage, MutableTree, Repo, walkTree } from '../../../src/repo/index.ts'
import { packTar, type TarEntry, TarWriter } from '../../../src/tar/index.ts'
import { directory, file, storeCommit, storeTree, symlink } from '../../../src/testing/index.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from '../golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const TEXT = 'ostree-unverified-image:oci:/image:1'
const IMAGE = parseImageReference('oci:/image:1')
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const UPDATE = goldenImage('container/oci-chunked-update.tar.gz')

function memory(): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
}

function importer(repo: Repo, image: GoldenImage, options: Partial<ImportOptions> = {}): ImageImporter {
  return new ImageImporter(repo, parseOstreeImageReference(TEXT), { host: HOST, open: sourceOf(image), ...options })
}

function pull(repo: Repo, image: GoldenImage, options: Partial<ImportOptions> = {}) {
  return pullImage(repo, TEXT, { host: HOST, open: sourceOf(image), ...options })
}

async function prepare(repo: Repo, image: GoldenImage): Promise<PreparedImport> {
  await using opened = importer(repo, image)
  const result: PrepareResult = await opened.prepare()
  if (result.kind !== 'ready') throw new Error('nothing new')
  return result.prepared
}

describe('names of the store', () => {
  const digest = `sha256:${'2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'}` as Digest

  test('prefixes and metadata keys equal those of ostree-ext', () => {
    expect([LAYER_PREFIX, IMAGE_PREFIX, BASE_IMAGE_PREFIX]).toEqual([
      'ostree/container/blob',
      'ostree/container/image',
      'ostree/container/baseimage',
    ])
    expect([META_MANIFEST_DIGEST, META_MANIFEST, META_CONFIG]).toEqual([
      'ostree.manifest-digest',
      'ostree.manifest',
      'ostree.container.image-config',
    ])
  })

  test('refs are made of the digest of a layer, or of the reference of an image without its verification (case B3)', () => {
    const ref = `ostree/container/blob/sha256_3A_${digest.slice(7)}`
    expect(refForBlobDigest(digest)).toBe(ref)
    expect(refForLayer({ mediaType: 'x', digest, size: 1 })).toBe(ref)
    const plain = 'ostree/container/image/docker_3A__2F__2F_quay_2E_io/a/b_3A_latest'
    expect(refForImage(parseImageReference('registry:quay.io/a/b:latest'))).toBe(plain)
    expect(refForImage(parseImageReference('docker://quay.io/a/b:latest'))).toBe(plain)
  })
})

describe('a prepared import', () => {
  test('the prepared import of a new image lists commit layer and chunks, none of them stored (case H1)', async () => {
    const prepared = await prepare(await memory(), CHUNKED)
    expect(prepared).toMatchObject({
      manifestDigest: CHUNKED.manifest,
      version: '42.0',
      previousState: undefined,
      previousManifestDigest: undefined,
      previousImageid: undefined,
      layers: [],
    })
    expect(prepared.ostreeCommitLayer).toMatchObject({ index: 0, commit: undefined })
    expect(prepared.ostreeLayers.map(({ index, commit }) => [index, commit])).toEqual([
      [1, undefined],
      [2, undefined],
    ])
    const all: PreparedLayer[] = allLayers(prepared)
    expect(all.map(({ layer }) => layer)).toEqual(prepared.manifest.layers)
    for (const { layer, ostreeRef } of all) expect(ostreeRef).toBe(refForLayer(layer))
    expect(prepared.config.config?.Labels?.['ostree.commit']).toMatch(/^616069c2/)
  })

  test('the prepared import of an update has two layers to fetch, with their history (case H3)', async () => {
    const repo = await memory()
    const before = await pull(repo, CHUNKED)
    const prepared = await prepare(repo, UPDATE)
    expect(prepared.previousManifestDigest).toBe(CHUNKED.manifest)
    expect(prepared.previousImageid).toBe(before.manifest.config.digest)
    expect(prepared.previousState?.mergeCommit).toBe(before.mergeCommit)
    expect(layersToFetch(prepared).map(([, createdBy]) => createdBy)).toEqual([
      expect.stringMatching(/^ostree export of commit 6e6afc49/),
      '9 components',
    ])
    expect(formatLayerStatus(prepared)).toMatch(/^layers already present: 1; layers needed: 2 \([\d.]+\u00a0kB\)$/)
    const stored = (await queryImage(repo, IMAGE)) as LayeredImageState
    expect(stored.cachedUpdate).toMatchObject({ manifestDigest: UPDATE.manifest, version: '42.0' })

    await using again = importer(repo, UPDATE)
    const result = await again.prepare()
    if (result.kind === 'ready') await again.import(result.prepared)
    expect(await countLayerReferences(repo)).toBe(3)
    expect(await listImages(repo)).toEqual(['oci:/image:1'])
    const update = await prepare(repo, CHUNKED)
    expect(update.previousManifestDigest).toBe(UPDATE.manifest)
  })

  test('layersWithHistory pairs layers with history entries, and fails when there are too few', async () => {
    const prepared = await prepare(await memory(), CHUNKED)
    const made = [...layersWithHistory(prepared)]
    expect(made).toHaveLength(3)
    const [first] = prepared.config.history ?? []
    const history = [
      { created_by: 'LABEL x', empty_layer: true },
      { ...first, created_by: 'first' },
    ]
    const short: PreparedImport = { ...prepared, config: { ...prepared.config, history } }
    const pairs = layersWithHistory(short)
    expect(pairs.next().value).toMatchObject([{ index: 0 }, { created_by: 'first' }])
    expect(() => pairs.next()).toThrow('Truncated history')
    expect(() => layersToFetch(short)).toThrow('Truncated history')
    expect(formatLayerStatus(short)).toBe(formatLayerStatus(prepared))
  })

  test('a prepared import with nothing to fetch has no layer status', async () => {
    const repo = await memory()
    await pull(repo, CHUNKED)
    const prepared = await prepare(repo, UPDATE)
    const stored = allLayers(prepared).map((layer) => ({ ...layer, commit: prepared.previousState?.baseCommit }))
    const [ostreeCommitLayer, ...ostreeLayers] = stored
    expect(formatLayerStatus({ ...prepared, ostreeCommitLayer, ostreeLayers })).toBeUndefined()
  })
})

describe('an import', () => {
  const opt = gzipSync(
    tarOf([
      ['opt/x', 'x'],
      ['usr/y', 'y'],
      ['var/z', 'z'],
    ]),
  )

  test('an import reports the start and end of layers, and their bytes', async () => {
    const repo = await memory()
    const events: ImportProgress[] = []
    const bytes: LayerProgress[] = []
    const image = withLayers(CHUNKED, [opt])
    const { manifest } = await pull(repo, image, {
      onProgress: (event) => {
        const layer = importProgressOf(event)
        if (layer !== undefined) events.push(layer)
        const progress = layerProgressOf(event)
        if (progress !== undefined) bytes.push(progress)
      },
    })
    const [commitLayer, chunk, last, derived] = manifest.layers.map(({ digest, size }) => ({ digest, size }))
    const started = (kind: string, layer: unknown) => [`${kind}-started`, `${kind}-completed`].map((k) => [k, layer])
    expect(events.map(({ kind, layer }) => [kind, layer])).toEqual([
      ...[chunk, last, commitLayer].flatMap((layer) => started('ostree-chunk', layer)),
      ...started('derived-layer', derived),
    ])
    expect(events.map(isStarting)).toEqual([true, false, true, false, true, false, true, false])
    expect(bytes.at(-1)).toEqual({ layerIndex: 3, fetched: derived?.size, total: derived?.size })

    events.length = 0
    await pullImage(repo, `${TEXT}2`, {
      host: HOST,
      open: sourceOf(image),
      onProgress: (event) => void (importProgressOf(event) && events.push(importProgressOf(event) as ImportProgress)),
    })
    expect(events).toEqual([])
  })

  test('an import waits for a slow listener, and fails if it throws', async () => {
    let waiting = 0
    const onProgress = async ({ kind }: Progress) => {
      if (!kind.startsWith('layer-')) return
      expect(++waiting).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 1))
      waiting--
    }
    await pull(await memory(), CHUNKED, { onProgress })
    const gone = () => Promise.reject(new Error('the listener failed'))
    await expect(pull(await memory(), CHUNKED, { onProgress: gone })).rejects.toThrow('the listener failed')
  })

  test('an import returns filtered files by layer and name, and a query does not', async () => {
    const repo = await memory()
    const state = await pull(repo, withLayers(CHUNKED, [opt]))
    const top = state.manifest.layers.at(-1)?.digest ?? ''
    const expected: MetaFilteredData = new Map([[top, new Map([['opt', 1]])]])
    expect(state.filteredFiles).toEqual(expected)
    expect(await queryImage(repo, IMAGE)).not.toHaveProperty('filteredFiles')
    expect(await pull(repo, withLayers(CHUNKED, [opt]))).toMatchObject({ changed: false, filteredFiles: undefined })
  })

  test('an import reports entries that are lost, and they change neither counts nor the tree', async () => {
    const object = 'sysroot/ostree/repo/objects/aa/x.file'
    const link: TarEntry = { path: 'usr/lost', type: 'hardlink', linkPath: object, mtime: 1 }
    const other: TarEntry = { path: 'usr/here', body: encodeUtf8('x'), mtime: 1 }
    const layer = gzipSync(await readAll(packTar([link, other])))
    const events: Progress[] = []
    const onProgress = (event: Progress) => void (event.kind === 'entries-lost' && events.push(event))
    const state = await pull(await memory(), withLayers(CHUNKED, [layer]), { onProgress })
    const { digest = '' } = state.manifest.layers.at(-1) ?? {}
    const lost = { linksWithoutObject: 1, objectsWithoutLink: 0, examples: ['usr/lost'] }
    expect(state.lostEntries).toEqual(new Map([[digest, lost]]))
    expect(state.filteredFiles).toBeUndefined()
    expect(events).toEqual([{ kind: 'entries-lost', digest, index: state.manifest.layers.length - 1, ...lost }])
  })

  test.each<[OstreeVersion | undefined, string]>([
    [{ year: 2023, release: 11 }, '/usr/share/factory/var/z'],
    [{ year: 2024, release: 2 }, '/usr/share/factory/var/z'],
    [{ year: 2024, release: 3 }, '/var/z'],
    [{ year: 2025, release: 1 }, '/var/z'],
    [undefined, '/var/z'],
  ])('with ostreeVersion %j content of /var is stored at %s (case H11)', async (ostreeVersion, path) => {
    const repo = await memory()
    const { mergeCommit } = await pull(repo, withLayers(CHUNKED, [opt]), { ostreeVersion })
    const root = await commitRoot(repo.objects, mergeCommit)
    const paths: string[] = []
    for await (const entry of walkTree(repo.objects, root)) paths.push(entry.path)
    expect(paths.filter((name) => name.endsWith('/z'))).toEqual([path])
  })

  test('an import with disableGc keeps layers that are no longer needed', async () => {
    const repo = await memory()
    await pull(repo, CHUNKED)
    await pull(repo, UPDATE, { disableGc: true })
    expect(await countLayerReferences(repo)).toBe(5)
    await pull(repo, CHUNKED)
    expect(await countLayerReferences(repo)).toBe(3)
  })
})

describe('a stored image', () => {
  test('a stored image is found by name and by commit', async () => {
    const repo = await memory()
    expect(await queryImage(repo, IMAGE)).toBeUndefined()
    await expect(manifestForImage(repo, IMAGE)).rejects.toThrow('No such image: oci:/image:1')
    const { mergeCommit, baseCommit, manifest } = await pull(repo, CHUNKED)
    const state = (await queryImage(repo, IMAGE)) as LayeredImageState
    expect(state).toEqual(await queryImageCommit(repo, mergeCommit))
    expect(await tryQueryImage(repo, IMAGE)).toEqual(state)
    expect((await repo.readCommit(mergeCommit)).parent).toBe(baseCommit)
    expect(await manifestForImage(repo, IMAGE)).toEqual({ manifest, manifestDigest: CHUNKED.manifest })
    expect(manifestDigestFromCommit(await repo.readCommit(mergeCommit))).toBe(CHUNKED.manifest)
    const layer: ManifestLayerState = await queryLayer(repo, manifest.layers[0] ?? manifest.config)
    expect(layer.commit).toBe(baseCommit)
    expect((await queryLayer(repo, manifest.config)).commit).toBeUndefined()
  })

  test('the query of an image without its first layer fails with an error that names both', async () => {
    const repo = await memory()
    const { manifest } = await pull(repo, CHUNKED)
    const ref = refForLayer(manifest.layers[0] ?? manifest.config)
    await repo.setRef(ref, undefined)
    const message = `Querying image oci:/image:1: Missing base image ref ${ref}`
    await expect(queryImage(repo, IMAGE)).rejects.toThrow(message)
    const heard: string[] = []
    expect(await tryQueryImage(repo, IMAGE, (error) => heard.push(error.message))).toBeUndefined()
    expect(heard).toEqual([message])
  })

  test('the image of several deployments is listed once, and deployments without an image are skipped', async () => {
    const repo = await memory()
    const { mergeCommit, manifest } = await pull(repo, CHUNKED)
    const plain = await repo.transaction((tx) => storeCommit(tx, directory()))
    for (const ref of ['ostree/0/1/0', 'rpmostree/base/0', `${BASE_IMAGE_PREFIX}/x/y`, 'ostree/01']) {
      await repo.setRef(ref, mergeCommit)
    }
    await repo.setRef('ostree/1/1/0', plain)
    expect(await listContainerDeploymentManifests(repo)).toEqual([manifest])
    const broken = await repo.transaction((tx) =>
      storeCommit(tx, directory(), { metadata: [[META_MANIFEST_DIGEST, variantOf(string, 'x')]] }),
    )
    await repo.setRef('ostree/1/1/0', broken)
    await expect(listContainerDeploymentManifests(repo)).rejects.toThrow(
      'Listing deployment manifests: Reading ref ostree/1/1/0: Reading manifest data from commit: Failed to find ostree.manifest metadata key',
    )
  })
})

describe('metadata of stored images', () => {
  test('the metadata of a merge commit needs digest and manifest, both strings', () => {
    const context = 'Reading manifest data from commit: '
    const digest = [META_MANIFEST_DIGEST, variantOf(string, CHUNKED.manifest)] as const
    const wrong: [Vardict, string][] = [
      [[], 'Missing ostree.manifest-digest metadata on merge commit'],
      [[digest], 'Failed to find ostree.manifest metadata key'],
      [[[META_MANIFEST_DIGEST, variantOf(u32, 1)]], 'Metadata ostree.manifest-digest is no string'],
    ]
    for (const [metadata, message] of wrong) {
      expect(() => manifestDataFromCommitmeta(metadata)).toThrow(`${context}${message}`)
    }
    expect(() => manifestDataFromCommitmeta([digest, [META_MANIFEST, variantOf(string, '{')]])).toThrow(context)
  })

  test('metadata without a config, or with the null of early stores, gives the default config', () => {
    for (const metadata of [[], [[META_CONFIG, variantOf(string, 'null')] as const]]) {
      expect(imageConfigFromCommitmeta(metadata).rootfs).toEqual({ type: 'layers', diff_ids: [] })
    }
    const config = { architecture: 'arm64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } }
    expect(imageConfigFromCommitmeta([[META_CONFIG, variantOf(string, canonicalJson(config))]])).toEqual(config)
  })

  test('the metadata of a cached update is complete or an error', async () => {
    const repo = await memory()
    const { mergeCommit } = await pull(repo, CHUNKED)
    await prepare(repo, UPDATE)
    const detached = await repo.readDetachedMetadata(mergeCommit)
    expect(detached.map(([key]) => key)).toEqual([
      'ostree-ext.cached.config',
      'ostree-ext.cached.manifest',
      'ostree-ext.cached.manifest-digest',
    ])
    const update: CachedImageUpdate | undefined = parseCachedUpdate(detached)
    expect(update?.manifestDigest).toBe(UPDATE.manifest)
    expect(parseCachedUpdate([])).toBeUndefined()
    for (const key of ['ostree-ext.cached.manifest', 'ostree-ext.cached.config']) {
      const partial = detached.filter(([name]) => name !== key)
      expect(() => parseCachedUpdate(partial)).toThrow(`Expected cached manifest ${key}`)
    }

    await repo.writeDetachedMetadata(mergeCommit, [
      ['zz', variantOf(string, 'z')],
      ...detached,
      ['a', variantOf(u32, 1)],
    ])
    await clearCachedUpdate(repo, IMAGE)
    expect((await repo.readDetachedMetadata(mergeCommit)).map(([key]) => key)).toEqual(['a', 'zz'])
    await clearCachedUpdate(repo, IMAGE)
    await expect(clearCachedUpdate(repo, parseImageReference('oci:/other'))).rejects.toThrow(
      'Clearing cached update oci:/other: No such image: oci:/other',
    )
  })

  test('layerFromDiffid finds a layer, or fails with an error that names the diff id', async () => {
    const { manifest, config } = await prepare(await memory(), CHUNKED)
    const [, second = ''] = config.rootfs.diff_ids
    expect(layerFromDiffid(manifest, config, second)).toBe(manifest.layers[1])
    expect(() => layerFromDiffid(manifest, config, 'sha256:x')).toThrow('Missing ostree.final-diffid sha256:x')
    expect(() => layerFromDiffid({ ...manifest, layers: [] }, config, second)).toThrow(
      'diffid position 1 exceeds layer count 0',
    )
  })
})

describe('cleanupRoot', () => {
  test.each([
    ['does nothing without files', {}, []],
    ['keeps a hostname with content', { hostname: file('x') }, ['hostname']],
    ['removes an empty hostname', { hostname: file() }, []],
    ['keeps a resolv.conf that is a link', { 'resolv.conf': symlink('/run/resolv.conf') }, ['resolv.conf']],
    ['removes an empty resolv.conf and keeps hosts', { 'resolv.conf': file(), hosts: file() }, ['hosts']],
  ])('cleanupRoot %s (case C2)', async (_, etc, kept) => {
    const repo = await memory()
    await repo.transaction(async (tx) => {
      const tree = MutableTree.from(tx, await storeTree(tx, directory({ usr: directory({ etc: directory(etc) }) })))
      await cleanupRoot(tree, tx)
      await tree.loadAll()
      expect([...(tree.dirs.get('usr')?.dirs.get('etc')?.files.keys() ?? [])]).toEqual(kept)
      await cleanupRoot(MutableTree.from(tx, await storeTree(tx, directory())), tx)
    })
  })
})

function tarOf(files: [string, string][]): Uint8Array {
  const writer = new TarWriter()
  const parts = files.flatMap(([path, content]) => {
    const body = encodeUtf8(content)
    return [writer.header({ path }, body.length), body, writer.padding(body.length)]
  })
  return concatBytes([...parts, writer.end()])
}
