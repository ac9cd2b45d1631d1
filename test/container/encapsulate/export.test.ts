/** Tests of exporting and copying stored images. */
import { mkdirSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../src/bytes.ts'
import { exportTree } from '../../../src/container/encapsulate/tar-export.ts'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import {
  chunkingFromLayerCommitted,
  copyImage,
  type Descriptor,
  type Digest,
  exportImage,
  exportToOci,
  type ImageReference,
  listImages,
  newChunking,
  openImage,
  openMemoryDestination,
  openMemoryLayout,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { type Repo, traverseCommit } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packTar } from '../../../src/tar/index.ts'
import { BACKENDS, PLATFORMS, supportsMode, testRepos } from '../../support/backends.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { goldenImage, sourceOf, withLayers } from '../golden-images.ts'
import { collect, entriesOf, memoryRepo, once } from '../tar-kit.ts'
import { documentsOf, type GoldenConfig, type GoldenManifest, HOST } from './kit.ts'

interface Reexport {
  readonly manifest: GoldenManifest
  readonly config: GoldenConfig
  readonly index: { readonly manifests: readonly { readonly annotations?: object }[] }
}
const GOLDEN = goldenJson<{ chunked: Reexport; derived: Reexport }>('container/reexport.json')
interface DerivedCase {
  readonly file: string
  readonly allow_nonusr: boolean
  readonly retain_var: boolean
  readonly raw_export_sha256?: string
  readonly merge_over_fixture_bare_user_uid0?: { readonly blob_gzip_b64: string }
}
const { cases } = goldenJson<{ cases: Record<string, DerivedCase> }>('container/derived-layers.json')

const DIGEST = `sha256:${'ab'.repeat(32)}` as Digest
const IMAGE: ImageReference = { transport: 'oci', name: 'image' }
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const places = testRepos()

function derived(name: string) {
  const blob = cases[name]?.merge_over_fixture_bare_user_uid0?.blob_gzip_b64
  return withLayers(CHUNKED, [blob === undefined ? new Uint8Array(0) : new Uint8Array(Buffer.from(blob, 'base64'))])
}

async function stored(image: typeof CHUNKED, repo?: Repo): Promise<Repo> {
  const into = repo ?? (await memoryRepo())
  await pullImage(into, 'ostree-unverified-image:oci:image', { host: HOST, open: sourceOf(image) })
  return into
}

async function treeOf(repo: Repo, commit: Checksum) {
  const { rootTree: tree, rootMeta: meta } = await repo.readCommit(commit)
  return [tree, meta]
}

async function exported(repo: Repo, options = {}, tag: string | undefined = 'exported-test') {
  const files = new Map<string, Uint8Array>()
  await using to = openMemoryDestination(files, tag, repo.platform)
  const digest = await exportToOci(repo, IMAGE, to, options)
  return { files, digest, ...documentsOf(files) }
}

describe('an exported layer', () => {
  const exportable = Object.entries(cases).filter(([, { raw_export_sha256 }]) => raw_export_sha256 !== undefined)

  test.each(exportable)('the exported layer %s equals the output of ostree-ext', async (_, vector) => {
    const repo = await memoryRepo()
    const options = { layer: DIGEST, allowNonusr: vector.allow_nonusr, retainVar: vector.retain_var }
    const tree = await repo.transaction((tx) =>
      importLayer(repo, tx, once(goldenBytes(`container/${vector.file}`)), options),
    )
    expect(nodePlatform.sha256(await collect(exportTree(repo, tree)))).toBe(vector.raw_export_sha256)
  })
})

describe('a stored image', () => {
  test.each(['chunked', 'derived'] as const)(
    'the exported %s image equals the reference export (cases I1, I2, I4)',
    async (name) => {
      const repo = await stored(name === 'chunked' ? CHUNKED : derived('simple'))
      const { manifest, config, index, digest } = await exported(repo)
      const golden = GOLDEN[name]
      expect(config).toEqual(golden.config)
      expect(manifest).toEqual(golden.manifest)
      const [entry] = index.manifests
      expect(entry).toMatchObject({ digest, annotations: golden.index.manifests[0]?.annotations })
      expect(manifest.layers).toHaveLength(name === 'chunked' ? 3 : 4)
    },
  )

  test.each(BACKENDS)('an exported image is imported as the same tree, in $name (case I1)', async (place) => {
    for (const mode of ['bare-user', 'archive'] as const) {
      if (!supportsMode(place, mode)) continue
      const repo = await stored(CHUNKED, await places.create(place, mode))
      const { files } = await exported(repo)
      const again = await places.create(place, mode)
      const open = () => openMemoryLayout(files, 'exported-test', { platform: place.platform, host: HOST })
      const image = await pullImage(again, 'ostree-unverified-image:oci:image', { host: HOST, open })
      const before = await queryImage(repo, IMAGE)
      expect(image.baseCommit).toBe(before?.baseCommit)
      expect(await treeOf(again, image.mergeCommit)).toEqual(await treeOf(repo, before?.mergeCommit as Checksum))
    }
  })

  test.each(PLATFORMS)('an image is exported with zstd layers on request, on the platform $name', async (platform) => {
    const repo = await stored(
      derived('simple'),
      await places.create({ name: '', store: 'memory', platform }, 'bare-user'),
    )
    const { files, manifest, config } = await exported(repo, { compression: { kind: 'zstd' } })
    expect(new Set(manifest.layers.map((layer) => (layer as Descriptor).mediaType))).toEqual(
      new Set(['application/vnd.oci.image.layer.v1.tar+zstd']),
    )
    expect(config).toEqual(GOLDEN.derived.config)
    const open = () => openMemoryLayout(files, 'exported-test', { platform, host: HOST })
    const image = await pullImage(await memoryRepo(), 'ostree-unverified-image:oci:image', { host: HOST, open })
    expect(image.baseCommit).toBe((await queryImage(repo, IMAGE))?.baseCommit)
  })

  test('the /usr/etc of a derived layer is exported as /etc (case I3)', async () => {
    const repo = await stored(derived('simple'))
    const etc = new Uint8Array(
      await collect(
        packTar([
          { path: 'etc/added.conf', body: encodeUtf8('x') },
          { path: 'usr/etc2', body: encodeUtf8('y') },
        ]),
      ),
    )
    const image = withLayers(CHUNKED, [new Uint8Array(gzipSync(etc))])
    await stored(image, repo)
    const { files, manifest } = await exported(repo)
    const blob = files.get(`blobs/${manifest.layers[3]?.digest.replace(':', '/')}`) as Uint8Array
    const paths = entriesOf(gunzipSync(blob)).map(({ path }) => path)
    expect(paths).toContain('etc/added.conf')
    expect(paths.filter((path) => path.startsWith('usr/etc/'))).toEqual([])
  })

  test('an exported image keeps the annotations and history of its layers on request', async () => {
    const { manifest, config } = await exported(await stored(derived('simple')), { keepLayerNotes: true })
    expect(config.history.map(({ created_by }) => created_by)).toEqual([
      expect.stringMatching(/^ostree export of commit/),
      '9 components',
      'Reserved for new packages',
      'generate_derived_oci',
    ])
    expect(manifest.layers[1]?.annotations).toEqual({ 'ostree.components': expect.stringContaining('bash,') })
    expect(config.rootfs.diff_ids).toEqual(GOLDEN.derived.config.rootfs.diff_ids)
  })

  test('an image without an OSTree base is exported from its layers', async () => {
    const repo = await stored(goldenImage('container/oci-nonostree.tar.gz'))
    const { config, manifest } = await exported(repo)
    expect(manifest.layers).toHaveLength(config.rootfs.diff_ids.length)
    expect(manifest.annotations).toBeUndefined()
  })

  test('exporting fails with an error that names the missing layer or image', async () => {
    const repo = await stored(CHUNKED)
    const layer = documentsOf((await exported(repo)).files).manifest.layers[1]
    expect(layer).toBeDefined()
    const state = await queryImage(repo, IMAGE)
    const ref = refForLayer(state?.manifest.layers[1] as Descriptor)
    await repo.refs.write(`heads/${ref}`, undefined)
    await expect(exported(repo)).rejects.toThrow(`No such ref: ${ref}`)
    await expect(copyImage(repo, IMAGE, await memoryRepo())).rejects.toThrow(`Copying image: No such ref: ${ref}`)
    const chunking = await newChunking(repo, state?.baseCommit ?? '')
    const [first, second] = state?.manifest.layers ?? []
    await expect(chunkingFromLayerCommitted(repo, second as Descriptor, chunking)).rejects.toThrow(ref)
    await expect(chunkingFromLayerCommitted(repo, first as Descriptor, chunking)).rejects.toThrow(
      'Not the commit of a chunk',
    )
    const none: ImageReference = { transport: 'oci', name: 'none' }
    await using to = openMemoryDestination(new Map(), undefined, nodePlatform)
    await expect(exportToOci(repo, none, to)).rejects.toThrow('No such image')
  })

  test('an image is exported to an existing oci: directory and to a new archive', async () => {
    const repo = await stored(CHUNKED)
    const options = { host: HOST, files: nodeFiles }
    const path = places.path()
    await expect(exportImage(repo, IMAGE, `oci:${path}:tag`, options)).rejects.toThrow(`Opening ${path}`)
    mkdirSync(path)
    const digest = await exportImage(repo, IMAGE, `oci:${path}:tag`, options)
    const context = { platform: nodePlatform, files: nodeFiles, host: HOST }
    await using layout = await openImage(parseImageReference(`oci:${path}:tag`), context)
    expect(layout.manifestDigest).toBe(digest)
    const archived = await exportImage(repo, IMAGE, `oci-archive:${path}.tar`, options)
    await using archive = await openImage(parseImageReference(`oci-archive:${path}.tar`), context)
    expect(archive.manifestDigest).toBe(archived)
  })
})

describe('a copy of a stored image', () => {
  test('an image is copied to a repository of another mode, under its own and another name (case H10)', async () => {
    const repo = await stored(derived('simple'))
    const archive = await memoryRepo('archive')
    const other: ImageReference = { transport: 'registry', name: 'quay.io/exampleos/centos:stream9' }
    await copyImage(repo, IMAGE, archive)
    await copyImage(repo, IMAGE, archive, { target: other })
    expect(await listImages(archive)).toEqual(['docker://quay.io/exampleos/centos:stream9', 'oci:image'])
    const state = await queryImage(repo, IMAGE)
    expect(await queryImage(archive, other)).toEqual(state)
    for await (const name of traverseCommit(archive, state?.mergeCommit as Checksum)) {
      expect(await archive.objects.has(name)).toBe(true)
    }
    expect((await exported(archive)).config).toEqual(GOLDEN.derived.config)
  })
})
