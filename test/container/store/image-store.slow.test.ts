import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  clearCachedUpdate,
  copyImage,
  gcImageLayers,
  IMAGE_LAYER_PREFIX,
  ImageImporter,
  type ImageSource,
  type ImportOptions,
  imageFilteredContentWarning,
  type LayeredImageState,
  listImages,
  manifestForImage,
  type PulledImage,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  queryImageCommit,
  refForBlobDigest,
  refForImage,
  refForLayer,
  removeImage,
  removeImages,
  unencapsulate,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { DigestMismatchError, NotFoundError, OstreeError } from '../../../src/errors.ts'
import type { Progress } from '../../../src/progress.ts'
import type { Repo } from '../../../src/repo/index.ts'
import { directory, storeCommit } from '../../../src/testing/index.ts'
import { BACKENDS, testRepos } from '../../support/backends.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from '../golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const TEXT = 'ostree-unverified-image:oci:/image:latest'
const IMAGE = parseImageReference('oci:/image:latest')
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const UPDATE = goldenImage('container/oci-chunked-update.tar.gz')

const places = testRepos()

function pull(repo: Repo, image: GoldenImage, options: Partial<ImportOptions> = {}, text = TEXT): Promise<PulledImage> {
  return pullImage(repo, text, { host: HOST, open: sourceOf(image), ...options })
}

/** Replaces a blob of an image. */
function withBlob(image: GoldenImage, digest: string, bytes: Uint8Array): GoldenImage {
  return { ...image, blobs: new Map([...image.blobs, [digest, bytes]]) }
}

function layerRefs(repo: Repo): Promise<string[]> {
  return Promise.resolve(repo.refs.list('heads/ostree/container/blob'))
}

describe.each(BACKENDS)('the image store in $name', (place) => {
  const empty = () => places.create(place, 'bare-user')

  describe('repeated pulls', () => {
    test('an update is cached with the stored image, and can be cleared and imported', async () => {
      const repo = await empty()
      const first = await pull(repo, CHUNKED)
      await using importer = new ImageImporter(repo, parseOstreeImageReference(TEXT), {
        host: HOST,
        open: sourceOf(UPDATE),
      })
      const result = await importer.prepare()
      if (result.kind !== 'ready') throw new Error('nothing new')
      const cached = (await queryImage(repo, IMAGE))?.cachedUpdate
      expect(cached?.manifestDigest).toBe(UPDATE.manifest)
      expect(cached?.manifest).toEqual(result.prepared.manifest)
      await clearCachedUpdate(repo, IMAGE)
      expect((await queryImage(repo, IMAGE))?.cachedUpdate).toBeUndefined()

      const second = await importer.import(result.prepared)
      expect(second.mergeCommit).not.toBe(first.mergeCommit)
      expect(await layerRefs(repo)).toHaveLength(3)
      expect((await queryImage(repo, IMAGE)) as LayeredImageState).toMatchObject({ mergeCommit: second.mergeCommit })
    })

    test('an offline import finds only an image that is named by digest', async () => {
      const repo = await empty()
      const text = `ostree-unverified-registry:host/image@${CHUNKED.manifest}`
      await pull(repo, CHUNKED, {}, text)
      const offline = { open: () => Promise.reject(new Error('opened')), offline: true }
      expect(await pull(repo, CHUNKED, offline, text)).toMatchObject({ changed: false })
      await expect(pull(repo, CHUNKED, offline)).rejects.toThrow('Manifest fetch required in offline mode')
    })

    test('a broken stored image gives a warning and is replaced', async () => {
      const repo = await empty()
      const bad = await repo.transaction((tx) => storeCommit(tx, directory()))
      await repo.setRef(refForImage(IMAGE), bad)
      const warnings: string[] = []
      expect((await pull(repo, CHUNKED, { onWarning: (message) => warnings.push(message) })).changed).toBe(true)
      expect(warnings[0]).toContain('Missing ostree.manifest-digest metadata on merge commit')
    })
  })

  describe('progress of a pull', () => {
    test('progress reports start and end of each layer, and cached layers on the next pull', async () => {
      const repo = await empty()
      const events: Progress[] = []
      await pull(repo, CHUNKED, { onProgress: (event) => events.push(event) })
      const kinds = events.map(({ kind }) => kind)
      expect(kinds.filter((kind) => kind === 'layer-start')).toHaveLength(3)
      expect(kinds.filter((kind) => kind === 'layer-done')).toHaveLength(3)
      expect(events).toContainEqual(expect.objectContaining({ kind: 'bytes' }))

      events.length = 0
      await pull(repo, CHUNKED, { onProgress: (event) => events.push(event) }, `${TEXT}2`)
      expect(events.map(({ kind }) => kind)).toEqual(['layer-cached', 'layer-cached', 'layer-cached'])
    })
  })

  describe('a failed import', () => {
    test('an import with a corrupt layer keeps the previous layers, which the next import reuses', async () => {
      const repo = await empty()
      const source = await sourceOf(CHUNKED)()
      const [commitLayer] = source.manifest.layers
      const digest = commitLayer?.digest ?? ''
      const bytes = (CHUNKED.blobs.get(digest) as Uint8Array).slice()
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
      const error: unknown = await pull(repo, withBlob(CHUNKED, digest, bytes)).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OstreeError)
      expect(String(error)).toContain(digest)
      expect(await listImages(repo)).toEqual([])
      expect(await layerRefs(repo)).toHaveLength(2)

      expect(await pull(repo, CHUNKED)).toMatchObject({ layersFetched: 1, layersReused: 2 })
    })

    test('an import with swapped layers is rejected and stores no layer', async () => {
      const repo = await empty()
      const [first, second] = (await sourceOf(CHUNKED)()).manifest.layers
      const swapped = withBlob(CHUNKED, second?.digest ?? '', CHUNKED.blobs.get(first?.digest ?? '') as Uint8Array)
      await expect(pull(repo, swapped)).rejects.toBeInstanceOf(OstreeError)
      expect(await layerRefs(repo)).toEqual([])
    })

    test('an import of a commit whose objects are in no layer is rejected and sets no ref', async () => {
      const repo = await empty()
      const source: ImageSource = await sourceOf(CHUNKED)()
      // Without the chunk with files the label names the empty chunk.
      const config = await source.config()
      const [commitLayer, , last] = source.manifest.layers
      const [commitDiff, , lastDiff] = config.rootfs.diff_ids
      if (commitLayer === undefined || last === undefined || commitDiff === undefined || lastDiff === undefined) return
      const manifest = { ...source.manifest, layers: [commitLayer, last] }
      const rootfs = { type: 'layers', diff_ids: [commitDiff, lastDiff] }
      const open = async () => ({ ...source, manifest, config: async () => ({ ...config, rootfs }) })
      await expect(pull(repo, CHUNKED, { open })).rejects.toThrow(/which no layer of the image holds/)
      expect(await repo.tryResolve(refForLayer(commitLayer))).toBeUndefined()
    })

    test('an aborted import leaves the repository usable', async () => {
      const repo = await empty()
      const controller = new AbortController()
      const onProgress = ({ kind }: Progress) => kind === 'layer-done' && controller.abort()
      await expect(pull(repo, CHUNKED, { signal: controller.signal, onProgress })).rejects.toThrow(/abort/i)
      expect(await listImages(repo)).toEqual([])
      expect(await pull(repo, CHUNKED)).toMatchObject({ changed: true, layersReused: 1 })
    })
  })

  describe('references that are rejected before anything is fetched', () => {
    test.each(['ostree-image-signed:oci:/image', 'ostree-remote-image:fedora:oci:/image'])(
      'the reference %s is rejected without a configuration of its verification',
      async (text) => {
        await expect(pull(await empty(), CHUNKED, {}, text)).rejects.toMatchObject({
          code: expect.stringMatching(/^(unsupported|not-found)$/),
        })
      },
    )

    test('with requireBootable an image of another architecture or without a bootable label is rejected', async () => {
      const repo = await empty()
      const arm = { host: { architecture: 'arm64', os: 'linux' }, requireBootable: true }
      await expect(pull(repo, CHUNKED, arm)).rejects.toThrow('Image has architecture amd64; expected arm64')
      const plain = goldenImage('container/oci-nonostree.tar.gz')
      await expect(pull(repo, plain, { requireBootable: true })).rejects.toThrow(
        'Target image does not have ostree.bootable label',
      )
      expect((await pull(repo, CHUNKED, { requireBootable: true })).changed).toBe(true)
    })
  })

  describe('layers of removed images', () => {
    test('layers are removed when no image needs them', async () => {
      const repo = await empty()
      await pull(repo, CHUNKED)
      await pull(repo, UPDATE, {}, `${TEXT}3`)
      expect(await layerRefs(repo)).toHaveLength(5)
      await removeImages(repo, [IMAGE])
      expect(await gcImageLayers(repo)).toBe(2)
      expect(await gcImageLayers(repo)).toBe(0)
      expect(await layerRefs(repo)).toHaveLength(3)
    })

    test('layers of a deployed image are kept', async () => {
      const repo = await empty()
      const { mergeCommit } = await pull(repo, CHUNKED)
      await repo.setRef('ostree/0/1/0', mergeCommit)
      await removeImage(repo, IMAGE)
      expect(await gcImageLayers(repo)).toBe(0)
    })

    test('layers of an image without a ref are kept until the next collection (case H17)', async () => {
      const repo = await empty()
      const { mergeCommit } = await pull(repo, CHUNKED, { noImgref: true })
      expect(await listImages(repo)).toEqual([])
      expect((await queryImageCommit(repo, mergeCommit)).mergeCommit).toBe(mergeCommit)
      expect(await gcImageLayers(repo)).toBe(3)
      await expect(queryImageCommit(repo, mergeCommit)).rejects.toThrow(/Missing base image ref/)
    })

    test('a layer stored as an object set is read again when it is a derived layer of another image', async () => {
      const repo = await empty()
      await pull(repo, CHUNKED)
      const chunk = (await sourceOf(CHUNKED)()).manifest.layers[1]?.digest ?? ''
      const again = withLayers(UPDATE, [CHUNKED.blobs.get(chunk) as Uint8Array])
      const set = await repo.refs.read(`heads/${refForBlobDigest(chunk as Digest)}`)
      const { layersFetched, mergeCommit } = await pull(repo, again, {}, `${TEXT}2`)
      expect(layersFetched).toBeGreaterThan(0)
      const [own, ...others] = await repo.refs.list(`heads/${IMAGE_LAYER_PREFIX}`)
      expect(own).toContain(`/${mergeCommit}/derived/`)
      expect(others).toEqual([])
      // The objects of the set became the files of the links to them.
      expect(await repo.refs.read(own ?? '')).not.toEqual(set)
      expect((await verifyContainerImage(repo, parseImageReference('oci:/image:latest2'))).ok).toBe(true)
    })
  })

  describe('stored images', () => {
    test('removing several images removes the existing ones before it fails on a missing one', async () => {
      const repo = await empty()
      await pull(repo, CHUNKED)
      const missing = parseImageReference('oci:/other')
      await expect(removeImages(repo, [missing, IMAGE])).rejects.toThrow(NotFoundError)
      expect(await listImages(repo)).toEqual([])
      expect(await removeImage(repo, IMAGE)).toBe(false)
    })

    test('an image can be named by the text of its reference', async () => {
      const repo = await empty()
      const { mergeCommit } = await pull(repo, CHUNKED)
      const [name = ''] = await listImages(repo)
      expect(name).toBe('oci:/image:latest')
      expect(await queryImage(repo, name)).toEqual(await queryImage(repo, IMAGE))
      expect((await manifestForImage(repo, name)).manifest.layers).toHaveLength(3)
      expect((await verifyContainerImage(repo, name)).ok).toBe(true)
      const other = await empty()
      await copyImage(repo, name, other, { target: 'docker://quay.io/exampleos/os:1' })
      expect((await queryImage(other, 'registry:quay.io/exampleos/os:1'))?.mergeCommit).toBe(mergeCommit)
      await expect(removeImage(repo, 'image')).rejects.toThrow("Missing ':' in image")
      expect(await removeImage(repo, name)).toBe(true)
      await expect(verifyContainerImage(repo, name)).rejects.toThrow('No such image: oci:/image:latest')
    })

    test('an image can be stored under another name', async () => {
      const repo = await empty()
      await pull(repo, CHUNKED, { target: parseOstreeImageReference('ostree-unverified-registry:host/other:1') })
      expect(await listImages(repo)).toEqual(['docker://host/other:1'])
    })

    test('the warning about filtered files sums over layers, in byte order', () => {
      const layers = new Map([
        ['sha256:a', new Map([['opt', 2]])],
        [
          'sha256:b',
          new Map([
            ['opt', 1],
            ['boot', 1],
          ]),
        ],
      ])
      const text = 'Image contains non-ostree compatible file paths: boot: 1 opt: 3'
      expect(imageFilteredContentWarning(layers)).toBe(text)
      expect(imageFilteredContentWarning(undefined)).toBeUndefined()
    })
  })

  describe('unencapsulate', () => {
    const commit = '616069c200463abca9c1d3adc65b948f1f1d3ddd42bc2c8ea3308535a0e44c24' as Checksum

    test.each(['oci-single', 'oci-chunked'])(
      'the image %s is unencapsulated to its commit, without a ref',
      async (name) => {
        const repo = await empty()
        const image = goldenImage(`container/${name}.tar.gz`)
        const result = await unencapsulate(repo, TEXT, { host: HOST, open: sourceOf(image) })
        expect(result).toEqual({ commit, manifestDigest: image.manifest })
        expect(await repo.listRefs()).toEqual([])
        expect(await repo.commitState(commit)).toBe('complete')
        expect(await unencapsulate(repo, TEXT, { host: HOST, open: sourceOf(image) })).toEqual(result)
      },
    )

    test('unencapsulate rejects an image with derived layers or without a commit (case H7)', async () => {
      const repo = await empty()
      const blob = CHUNKED.blobs.values().next().value as Uint8Array
      const derived = withLayers(CHUNKED, [(await import('node:zlib')).gzipSync(blob)])
      await expect(unencapsulate(repo, TEXT, { host: HOST, open: sourceOf(derived) })).rejects.toThrow(
        `Importing ostree-unverified-image:oci:/image:latest: Image has 1 non-ostree layers`,
      )
      const plain = goldenImage('container/oci-nonostree.tar.gz')
      await expect(unencapsulate(repo, TEXT, { host: HOST, open: sourceOf(plain) })).rejects.toThrow(
        'not an ostree encapsulated container',
      )
    })
  })

  test('a blob with a wrong digest gives a DigestMismatchError', async () => {
    const repo = await empty()
    const layer = (await sourceOf(CHUNKED)()).manifest.layers[1]?.digest ?? ''
    const padded = Buffer.concat([CHUNKED.blobs.get(layer) as Uint8Array, new Uint8Array(16)])
    await expect(pull(repo, withBlob(CHUNKED, layer, padded))).rejects.toBeInstanceOf(DigestMismatchError)
  })
})
