/** Blobs that are layers of two kinds: what the suite of image stores does not reach. */
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  copyImage,
  exportToOci,
  gcImageLayers,
  IMAGE_LAYER_PREFIX,
  ImageImporter,
  openMemoryDestination,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  refForImage,
  refForLayer,
  removeImage,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, prune, Repo, writeCommit } from '../../../src/repo/index.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers, withoutLabels } from '../golden-images.ts'

const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const PLAIN = withoutLabels(CHUNKED)
const [OSTREE_NAME, PLAIN_NAME] = ['oci:/ostree:1', 'oci:/plain:1']

const memory = () => Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)

const pull = (repo: Repo, image: GoldenImage, name: string) =>
  pullImage(repo, `ostree-unverified-image:${name}`, {
    host: { architecture: 'amd64', os: 'linux' },
    open: sourceOf(image),
  })

const ownRefs = (repo: Repo) => repo.refs.list(`heads/${IMAGE_LAYER_PREFIX}`)

async function exported(repo: Repo, name: string) {
  await using to = openMemoryDestination(new Map(), undefined, nodePlatform)
  return exportToOci(repo, parseImageReference(name), to)
}

describe('a blob that is a layer of another kind in another image', () => {
  test('no image has refs of its own while all agree', async () => {
    await using repo = await memory()
    await pull(repo, CHUNKED, OSTREE_NAME)
    await pull(repo, CHUNKED, 'oci:/again:1')
    expect(await ownRefs(repo)).toEqual([])
  })

  test('refs of layers that only a removed image had are collected', async () => {
    await using repo = await memory()
    await pull(repo, CHUNKED, OSTREE_NAME)
    const { mergeCommit, manifest } = await pull(repo, PLAIN, PLAIN_NAME)
    expect(await ownRefs(repo)).toHaveLength(manifest.layers.length)
    for (const ref of await ownRefs(repo)) expect(ref).toContain(`/${mergeCommit}/derived/sha256_3A_`)
    await removeImage(repo, PLAIN_NAME)
    expect(await gcImageLayers(repo)).toBe(manifest.layers.length)
    expect(await ownRefs(repo)).toEqual([])
    await prune(repo, { refsOnly: true })
    expect((await verifyContainerImage(repo, OSTREE_NAME)).ok).toBe(true)
  })

  test('a deployed image keeps its layers, and its commit, when its name is removed', async () => {
    await using repo = await memory()
    await pull(repo, CHUNKED, OSTREE_NAME)
    const { mergeCommit, manifest } = await pull(repo, PLAIN, PLAIN_NAME)
    await repo.setRef('ostree/0/1/0', mergeCommit)
    await removeImage(repo, PLAIN_NAME)
    expect(await gcImageLayers(repo)).toBe(0)
    expect(await ownRefs(repo)).toHaveLength(manifest.layers.length)
  })

  test('what another program has confused is refused in clear words, and the next pull repairs it', async () => {
    await using alone = await memory()
    const expected = await pull(alone, PLAIN, PLAIN_NAME)
    await using repo = await memory()
    await pull(repo, CHUNKED, OSTREE_NAME)
    // ostree-ext has one ref for each blob, and takes what it finds there.
    await copyImage(alone, PLAIN_NAME, repo)
    for (const ref of await ownRefs(repo)) await repo.refs.write(ref, undefined)
    const other = /is stored as a (commit|chunk) layer, but the image has it as a derived layer: pull the image again/
    await expect(queryImage(repo, PLAIN_NAME)).rejects.toThrow(other)
    await expect(verifyContainerImage(repo, PLAIN_NAME)).rejects.toThrow(other)
    await expect(exported(repo, PLAIN_NAME)).rejects.toThrow(other)
    await expect(copyImage(repo, PLAIN_NAME, alone)).rejects.toThrow(other)
    expect(await pull(repo, PLAIN, PLAIN_NAME)).toMatchObject({ mergeCommit: expected.mergeCommit })
    expect(await exported(repo, PLAIN_NAME)).toBe(await exported(alone, PLAIN_NAME))
    expect(await exported(repo, OSTREE_NAME)).toBeDefined()
  })

  test('a base that was replaced by another commit is refused in clear words', async () => {
    await using repo = await memory()
    const { manifest, baseCommit } = await pull(repo, CHUNKED, OSTREE_NAME)
    const [first] = manifest.layers
    const other = await repo.transaction(async (tx) => {
      const { rootTree, rootMeta } = await repo.readCommit(baseCommit)
      return writeCommit(tx, { root: { tree: rootTree, meta: rootMeta }, timestamp: 5n, subject: 'another' })
    })
    await repo.setRef(first === undefined ? '' : refForLayer(first), other)
    await expect(queryImage(repo, OSTREE_NAME)).rejects.toThrow(
      `is stored as commit ${other}, but the image was made of ${baseCommit}: pull the image again`,
    )
  })

  test('copies have the layers of their own kind, in either order', async () => {
    for (const [first, second] of [
      [OSTREE_NAME, PLAIN_NAME],
      [PLAIN_NAME, OSTREE_NAME],
    ] as const) {
      const image = (name: string) => (name === PLAIN_NAME ? PLAIN : CHUNKED)
      await using from = await memory()
      await pull(from, image(second), second)
      await using repo = await memory()
      await pull(repo, image(first), first)
      const before = await exported(repo, first)
      await copyImage(from, second, repo)
      expect(await exported(repo, first)).toBe(before)
      expect(await exported(repo, second)).toBe(await exported(from, second))
      // The refs that only one image has are copied to ordinary ones where there is no other image.
      await using back = await memory()
      await copyImage(repo, second, back)
      expect(await ownRefs(back)).toEqual([])
      expect(await exported(back, second)).toBe(await exported(from, second))
    }
  })

  test('one image may have a blob as a chunk and as a derived layer', async () => {
    const { layers } = JSON.parse(new TextDecoder().decode(CHUNKED.blobs.get(CHUNKED.manifest)))
    const twice = withLayers(CHUNKED, [CHUNKED.blobs.get(layers[2].digest) ?? new Uint8Array(0)])
    await using repo = await memory()
    const { manifest, mergeCommit } = await pull(repo, twice, OSTREE_NAME)
    expect(manifest.layers.filter(({ digest }) => digest === layers[2].digest)).toHaveLength(2)
    expect(await ownRefs(repo)).toEqual([expect.stringContaining(`/${mergeCommit}/derived/`)])
    expect((await verifyContainerImage(repo, OSTREE_NAME)).ok).toBe(true)
    expect(await gcImageLayers(repo)).toBe(0)
    await using again = await memory()
    await copyImage(repo, OSTREE_NAME, again)
    expect((await verifyContainerImage(again, OSTREE_NAME)).ok).toBe(true)
    expect(await exported(again, OSTREE_NAME)).toBe(await exported(repo, OSTREE_NAME))
  })
})

describe('layers of an image that is stored at last', () => {
  test('a layer whose commit was pruned since the import was prepared is fetched again', async () => {
    await using repo = await memory()
    const { mergeCommit } = await pull(repo, CHUNKED, OSTREE_NAME)
    const reference = parseOstreeImageReference('ostree-unverified-image:oci:/later:1')
    await using importer = new ImageImporter(repo, reference, {
      host: { architecture: 'amd64', os: 'linux' },
      open: sourceOf(CHUNKED),
    })
    const result = await importer.prepare()
    if (result.kind !== 'ready') throw new Error('the image is stored')
    expect(result.prepared.ostreeLayers.every(({ commit }) => commit !== undefined)).toBe(true)
    await removeImage(repo, OSTREE_NAME)
    await gcImageLayers(repo)
    await prune(repo, { refsOnly: true })
    const imported = await importer.import(result.prepared)
    expect(imported).toMatchObject({ mergeCommit, layersReused: 0 })
    expect((await verifyContainerImage(repo, 'oci:/later:1')).ok).toBe(true)
    expect(await repo.tryResolve(refForImage('oci:/later:1'))).toBe(mergeCommit as Checksum)
  })
})
