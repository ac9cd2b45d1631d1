/** Pulls random images into every kind of store, compares them with a model, and checks what removing them leaves. */
import { mkdirSync, rmSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, compareUtf8 } from '../../src/bytes.ts'
import {
  gcImageLayers,
  type ImportOptions,
  listImages,
  openMemoryLayout,
  type PulledImage,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
  removeImages,
} from '../../src/container/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { checkout, fsck, prune, type Repo, type RepoMode, traverseCommit } from '../../src/repo/index.ts'
import { createCheckoutTarget } from '../../src/repo/local.ts'
import {
  anyImage,
  type Directory,
  directory,
  type ImageSample,
  isTextEntry,
  layerEntries,
  loadTree,
  packImage,
  walkNodes,
} from '../../src/testing/index.ts'
import { type Backend, testRepos } from '../support/backends.ts'
import { describeDisk } from '../support/disk.ts'
import { flattenedBy, LayerModel } from './import/layer-model.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
/** Each store with one platform; the tests of the vectors cover all combinations. */
const BACKENDS: readonly Backend[] = [
  { name: 'memory', store: 'memory', platform: portablePlatform },
  { name: 'sqlite', store: 'sqlite', platform: nodePlatform },
  { name: 'directory', store: 'directory', platform: nodePlatform },
]
const places = testRepos()

async function pull(
  repo: Repo,
  name: string,
  sample: ImageSample,
  options: Partial<ImportOptions> = {},
): Promise<PulledImage> {
  // Always packed by one platform: another one compresses to different bytes, and so to a different image.
  const files = await packImage(nodePlatform, sample)
  return pullImage(repo, `ostree-unverified-image:oci:/${name}`, {
    host: HOST,
    open: (_, context) => openMemoryLayout(files, undefined, context),
    ...options,
  })
}

function modelOf({ layers }: ImageSample): LayerModel {
  const model = new LayerModel()
  for (const { tree } of layers) model.lay(tree)
  return model
}

async function treeOf(repo: Repo, commit: Checksum): Promise<Directory> {
  const { rootTree: tree, rootMeta: meta } = await repo.readCommit(commit)
  return loadTree(repo.objects, { tree, meta })
}

/** Checks a commit out and lists what needs no privileges to create: names, kinds, contents, link targets. */
async function checkedOut(repo: Repo, commit: Checksum): Promise<Record<string, string>> {
  const path = places.path()
  mkdirSync(path)
  await checkout(repo, commit, createCheckoutTarget(`${path}/root`), { mode: 'user', forceCopy: true })
  const entries = describeDisk(`${path}/root`)
  rmSync(path, { recursive: true })
  return Object.fromEntries(entries.map((entry) => [entry.path, entry.target ?? entry.sha256 ?? 'directory']))
}

function asCheckedOut(tree: Directory): Record<string, string> {
  const entries = [...walkNodes(tree)].map(([path, node]) => [
    path === '' ? '.' : path,
    node.kind === 'directory' ? 'directory' : node.kind === 'symlink' ? node.target : nodePlatform.sha256(node.content),
  ])
  return Object.fromEntries(entries)
}

describe('a random image', () => {
  const policies: [RepoMode, Partial<ImportOptions>, (model: LayerModel) => Directory][] = [
    ['archive', { metadata: 'exact' }, (model) => model.tree((node) => node)],
    ['bare-user', { owner: { uid: 7, gid: 8 } }, (model) => model.tree(flattenedBy(7, 8))],
  ]

  test.each(policies)(
    'a random image in mode %s becomes the same commit in every store, with the tree of the model',
    async (mode, options, expected) => {
      const repos = await Promise.all(BACKENDS.map((place) => places.create(place, mode)))
      let count = 0
      await fc.assert(
        fc.asyncProperty(anyImage({ maxLayers: 3 }), async (sample) => {
          const name = `image-${count++}`
          const tree = expected(modelOf(sample))
          const commits: Checksum[] = []
          for (const repo of repos) {
            const { mergeCommit } = await pull(repo, name, sample, options)
            commits.push(mergeCommit)
            expect(await treeOf(repo, mergeCommit)).toEqual(tree)
            expect(await checkedOut(repo, mergeCommit)).toEqual(asCheckedOut(tree))
          }
          expect(new Set(commits).size).toBe(1)
        }),
        { numRuns: 25 },
      )
      for (const repo of repos) expect(await fsck(repo)).toMatchObject({ damaged: 0, partial: 0 })
    },
  )
})

describe.each(BACKENDS)('random images in $name', (place) => {
  test('random images are listed, queried and removed, and only objects that no image needs are deleted', async () => {
    const images = fc.array(fc.tuple(anyImage({ maxLayers: 3, depth: 2 }), fc.boolean()), {
      minLength: 1,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(images, async (given) => {
        const repo = await places.create(place, 'archive')
        // Each image shares its first layer with the previous one.
        const samples = given.map(([sample], i): ImageSample => {
          const shared = given[i - 1]?.[0].layers[0]
          return { ...sample, layers: shared === undefined ? sample.layers : [shared, ...sample.layers] }
        })
        const pulled: PulledImage[] = []
        for (const [i, sample] of samples.entries()) pulled.push(await pull(repo, `${i}`, sample))
        const nameOf = (i: number) => `oci:/${i}`
        const reference = (i: number) => parseImageReference(nameOf(i))
        expect([...(await listImages(repo))].sort()).toEqual(samples.map((_, i) => nameOf(i)))

        const staying = [...samples.keys()].filter((i) => given[i]?.[1])
        const going = [...samples.keys()].filter((i) => !staying.includes(i))
        await removeImages(repo, going.map(reference))
        await gcImageLayers(repo)
        expect([...(await listImages(repo))].sort()).toEqual(staying.map(nameOf))
        for (const i of going) expect(await queryImage(repo, reference(i))).toBeUndefined()
        for (const i of staying) {
          const { mergeCommit, manifestDigest } = pulled[i] as PulledImage
          expect(await queryImage(repo, reference(i))).toMatchObject({ mergeCommit, manifestDigest })
        }

        const layers = staying.flatMap((i) => pulled[i]?.manifest.layers.map((layer) => refForLayer(layer)) ?? [])
        const refs = await repo.refs.list('heads/ostree/container/blob')
        expect([...refs].sort(compareUtf8)).toEqual([...new Set(layers)].map((ref) => `heads/${ref}`).sort(compareUtf8))

        await prune(repo, { refsOnly: true })
        const needed = new Set<string>()
        for (const commit of [
          ...staying.map((i) => (pulled[i] as PulledImage).mergeCommit),
          ...(await Promise.all(layers.map((ref) => repo.resolve(ref)))),
        ]) {
          for await (const { checksum, type } of traverseCommit(repo, commit)) needed.add(`${checksum}.${type}`)
        }
        const left: string[] = []
        for await (const { checksum, type } of repo.objects.list()) left.push(`${checksum}.${type}`)
        expect(left.filter((name) => !name.endsWith('.commitmeta')).sort()).toEqual([...needed].sort())
        for (const i of staying) {
          const expected = modelOf(samples[i] as ImageSample).tree((node) => node)
          const tree = await treeOf(repo, (pulled[i] as PulledImage).mergeCommit)
          expect(asCheckedOut(tree)).toEqual(asCheckedOut(expected))
        }
        await repo.close()
      }),
      { numRuns: 15 },
    )
  })
})

test('tar-stream packs at least a quarter of the random layers, and our own writer a tenth', () => {
  const layers = fc.sample(anyImage(), { numRuns: 200, seed: 1 }).flatMap((sample) => sample.layers)
  const text = layers.filter(({ tree }) => layerEntries(tree).every(isTextEntry)).length
  expect(text).toBeGreaterThan(layers.length / 4)
  expect(layers.length - text).toBeGreaterThan(layers.length / 10)
  expect(layerEntries(directory()).every(isTextEntry)).toBe(true)
})
