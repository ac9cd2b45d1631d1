/**
 * Part of the conformance suite of image stores: an image is the same whatever else is stored, was stored before, or is
 * removed meanwhile.
 */

import { type Checksum, decodeUtf8, encodeUtf8 } from '../../bytes.ts'
import {
  computeSizes,
  copyImage,
  encapsulateTo,
  exportToOci,
  gcImageLayers,
  type ImportOptions,
  listImages,
  newChunking,
  openMemoryDestination,
  openMemoryLayout,
  type PulledImage,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  refForLayer,
  removeImage,
  verifyContainerImage,
} from '../../container/index.ts'
import type { Platform } from '../../platform/index.ts'
import { createMemoryStorage, fsck, Repo, type RepoMode } from '../../repo/index.ts'
import { directory, file, storeCommit } from '../builders.ts'
import { compressLayer } from '../compress-layer.ts'
import { buildImage } from '../image-builder.ts'
import { packLayer } from '../pack-layer.ts'
import { noise, type TestTools, text } from './kit.ts'

/** The part of `ImageStoreSubject` that these tests need. */
export interface SharedLayersSubject {
  readonly platform: Platform
  create(mode: RepoMode): Promise<Repo>
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

const HOST = { architecture: 'amd64', os: 'linux' }
const PLAIN = 'docker://example.org/plain:1'
const OSTREE = 'docker://example.org/ostree:1'

/** A checksum that no object has. */
const LOST = '0123456789abcdef'.repeat(4) as Checksum
/** Stored images that cannot be read: what is wrong, ref, commit (default: that of a directory), and what names them. */
const UNREADABLE: readonly [string, string, Checksum | undefined, string][] = [
  ['a lost merge commit', 'ostree/container/image/oci_3A_x', LOST, 'oci:x'],
  ['a ref on an ordinary commit', 'ostree/container/image/oci_3A_x', undefined, 'oci:x'],
  ['a ref that is not escaped', 'ostree/container/image/oci_3A__XY_', LOST, 'ostree/container/image/oci_3A__XY_'],
  ['a ref that is not a reference', 'ostree/container/image/nocolon', LOST, 'ostree/container/image/nocolon'],
  ['a deployment whose commit is lost', 'ostree/0/1/0', LOST, 'ostree/0/1/0'],
]

/** Files of an OCI layout, by path. */
type Layout = Map<string, Uint8Array>
type Source = Awaited<ReturnType<NonNullable<ImportOptions['open']>>>

/** Registers the tests for one mode. */
export function sharedLayersTests(tools: TestTools, subject: SharedLayersSubject, mode: RepoMode): void {
  const { test, expect } = tools
  const { platform } = subject
  const owner = mode === 'bare' ? subject.owner : undefined
  const inMemory = () => Repo.open(createMemoryStorage({ mode, platform }), platform)

  const pull = (repo: Repo, files: Layout, as: string, options: Partial<ImportOptions> = {}): Promise<PulledImage> =>
    pullImage(repo, `ostree-unverified-image:${as}`, {
      host: HOST,
      open: () => openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST }),
      ...options,
    })
  const layer = async (path: string) => {
    const packed = await packLayer([{ path, body: text(`content of ${path}`), ...owner }])
    return compressLayer(platform, packed, 'gzip')
  }
  /** Encapsulates a commit in chunks. */
  const encapsulated = async (): Promise<Layout> => {
    await using repo = await inMemory()
    const own = { ...owner }
    const tree = directory({
      usr: directory({
        bin: directory({ tool: file(noise(9_000, 1), own) }, own),
        lib: directory({ lib: file(noise(9_000, 2), own) }, own),
      }),
    })
    const commit = await repo.transaction((tx) => storeCommit(tx, tree, { subject: 'encapsulated' }))
    const map = new Map<Checksum, string>()
    for (const [checksum, { paths }] of (await newChunking(repo, commit)).remainder.content) {
      map.set(checksum, paths[0]?.split('/')[2] ?? '')
    }
    const fields = { changeTimeOffset: 1, changeFrequency: 1 }
    const set = new Map([...map.values()].map((id) => [id, { identifier: id, name: id, srcid: id, ...fields }]))
    const files: Layout = new Map()
    await using to = openMemoryDestination(files, undefined, platform)
    const packageContentmeta = await computeSizes(repo, { map, set })
    await encapsulateTo(repo, commit, {}, { host: HOST, packageContentmeta, maxLayers: 8 }, to)
    return files
  }
  const exported = async (repo: Repo, name: string) => {
    await using to = openMemoryDestination(new Map(), undefined, platform)
    return exportToOci(repo, parseImageReference(name), to)
  }
  /** Returns all that a store says of an image. */
  const facts = async (repo: Repo, name: string) => {
    const image = parseImageReference(name)
    const { ok, verified } = await verifyContainerImage(repo, image)
    return { state: await queryImage(repo, image), digest: await exported(repo, name), ok, verified }
  }
  const refsOf = async (repo: Repo) => {
    const paths = await repo.refs.list('heads')
    return Promise.all(paths.map(async (path) => [path, await repo.refs.read(path)]))
  }
  const fresh = async (files: Layout, name: string, options: Partial<ImportOptions> = {}) => {
    await using repo = await inMemory()
    await pull(repo, files, name, options)
    return { ...(await facts(repo, name)), refs: await refsOf(repo) }
  }

  test.each([
    ['a plain image', 'the commit in it', PLAIN, OSTREE],
    ['the commit in an image', 'that image as a plain one', OSTREE, PLAIN],
  ])('the blobs of %s are also %s: both images are as if each was stored alone', async (_, __, first, second) => {
    const files = await encapsulated()
    const layouts = new Map([
      [OSTREE, files],
      [PLAIN, withoutLabel(platform, files)],
    ])
    const of = (name: string) => layouts.get(name) ?? new Map()
    await using repo = await subject.create(mode)
    await pull(repo, of(first), first)
    await pull(repo, of(second), second)
    for (const name of [first, second]) {
      const { refs, ...alone } = await fresh(of(name), name)
      expect(alone.ok).toBe(true)
      expect(await facts(repo, name)).toEqual(alone)
    }
    expect(await fsck(repo)).toMatchObject({ damaged: 0, partial: 0 })
    // A pull finds the layers of both kinds.
    expect(await pull(repo, of(second), `${second}-again`)).toMatchObject({ layersFetched: 0 })
    await removeImage(repo, `${second}-again`)
    await removeImage(repo, first)
    await gcImageLayers(repo)
    const { refs, ...alone } = await fresh(of(second), second)
    expect(await facts(repo, second)).toEqual(alone)
    expect(await refsOf(repo)).toEqual(refs)
  })

  test('layers that are collected while an image is imported have their refs again when the image has its ref', async () => {
    const files = buildImage(platform, [await layer('usr/a'), await layer('usr/b')])
    await using repo = await subject.create(mode)
    let refused: unknown
    const open = async (): Promise<Source> => {
      const source = await openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST })
      const [first, last] = source.manifest.layers
      return intercept(source, async (digest) => {
        if (digest !== last?.digest || first === undefined) return
        // Our own collection does not run now. That of a program which does not wait for imports does.
        refused = await gcImageLayers(repo, { timeout: 0 }).catch((error: unknown) => error)
        expect(await repo.refs.read(`heads/${refForLayer(first)}`)).toBeDefined()
        await repo.refs.write(`heads/${refForLayer(first)}`, undefined)
      })
    }
    const pulled = await pull(repo, files, PLAIN, { open, readAhead: { layers: 0 } })
    expect(refused).toBeInstanceOf(Error)
    const { refs, ...alone } = await fresh(files, PLAIN)
    expect(await facts(repo, PLAIN)).toEqual(alone)
    expect(await refsOf(repo)).toEqual(refs)
    expect(pulled.mergeCommit).toBe(alone.state?.mergeCommit)
  })

  const RULES = [
    ['allowNonusr', { allowNonusr: true }, { allowNonusr: false }],
    ['retainVar', { retainVar: false }, { retainVar: true }],
  ] as const

  test.each(RULES)('images with the same layer and another %s are as if each was stored alone', async (_, one, two) => {
    const files = buildImage(platform, [await layer('usr/a'), await layer('opt/b'), await layer('var/c')])
    const [first, second, third] = ['docker://example.org/1', 'docker://example.org/2', 'docker://example.org/3']
    await using repo = await subject.create(mode)
    await pull(repo, files, first, one)
    expect(await pull(repo, files, second, two)).toMatchObject({ layersFetched: 1, layersReused: 2 })
    expect(await pull(repo, files, third, two)).toMatchObject({ layersFetched: 0, layersReused: 3 })
    const expected = new Map()
    for (const [name, rules] of [[first, one] as const, [second, two] as const, [third, two] as const]) {
      const { refs, ...alone } = await fresh(files, name, rules)
      expect(await facts(repo, name)).toEqual(alone)
      expected.set(name, alone.state?.mergeCommit)
    }
    expect(expected.get(first)).not.toBe(expected.get(second))
    // The same name with the other rules is another image, with the same rules it is stored already.
    expect(await pull(repo, files, first, one)).toMatchObject({ changed: false })
    expect(await pull(repo, files, third, one)).toMatchObject({ changed: true, layersFetched: 0 })
    expect((await queryImage(repo, parseImageReference(third)))?.mergeCommit).toBe(expected.get(first))
    expect(await fsck(repo)).toMatchObject({ damaged: 0, partial: 0 })
    await removeImage(repo, first)
    await removeImage(repo, third)
    await gcImageLayers(repo)
    expect(await refsOf(repo)).toEqual((await fresh(files, second, two)).refs)
  })

  test.each(UNREADABLE)('a stored image with %s does not prevent other imports', async (_, ref, target, named) => {
    await using repo = await subject.create(mode)
    const [base, two] = [await layer('usr/a'), await layer('usr/b')]
    await pull(repo, buildImage(platform, [base, await layer('usr/old')]), PLAIN)
    const ordinary = await repo.transaction((tx) => storeCommit(tx, directory({}, { ...owner })))
    await repo.setRef(ref, target ?? ordinary)
    const warnings: string[] = []
    const onWarning = (message: string) => warnings.push(message)
    const update = await pull(repo, buildImage(platform, [base, two]), PLAIN, { onWarning })
    expect(update).toMatchObject({ changed: true, layersFetched: 1, layersReused: 1 })
    const faults = [
      expect.stringContaining(named),
      expect.stringMatching('^Layers that no image needs were not removed: '),
    ]
    expect(warnings).toEqual(faults)
    expect(warnings[1]).toContain(named)
    const { refs, ...alone } = await fresh(buildImage(platform, [base, two]), PLAIN)
    expect(await facts(repo, PLAIN)).toEqual(alone)
    await using from = await inMemory()
    await pull(from, buildImage(platform, [two]), OSTREE)
    await copyImage(from, parseImageReference(OSTREE), repo)
    expect(await facts(repo, OSTREE)).toEqual(await facts(from, OSTREE))
    // The layers that the image needs are not known, so none is removed.
    await expect(gcImageLayers(repo)).rejects.toThrow(named)
    await repo.setRef(ref, undefined)
    expect(await gcImageLayers(repo)).toBe(1)
    await removeImage(repo, OSTREE)
    expect(await refsOf(repo)).toEqual(refs)
  })

  invalidNameTests(
    tools,
    () => subject.create(mode),
    async (repo, as, options) => pull(repo, buildImage(platform, [await layer('usr/a')]), as, options),
  )
}

/** Registers the tests of names under which no image can be stored. */
function invalidNameTests(
  { test, expect }: TestTools,
  create: () => Promise<Repo>,
  pull: (repo: Repo, as: string, options?: Partial<ImportOptions>) => Promise<PulledImage>,
): void {
  test.each(['oci:/path/-img', 'dir:a/-b', 'docker://example.org/-a:1', `oci:/${'.'.repeat(64)}`])(
    'the name %s, whose ref no store could list, is refused before the image is opened',
    async (name) => {
      await using repo = await create()
      const open = () => Promise.reject(new Error('opened'))
      const refused = { code: 'invalid', message: expect.stringContaining(`Cannot store ${name}: `) }
      await expect(pull(repo, name, { open })).rejects.toMatchObject(refused)
      await expect(pull(repo, PLAIN, { open, target: parseOstree(name) })).rejects.toMatchObject(refused)
      expect(await pull(repo, name, { noImgref: true })).toMatchObject({ changed: true })
      await gcImageLayers(repo)
      await pull(repo, PLAIN)
      await using other = await create()
      await expect(copyImage(repo, PLAIN, other, { target: name })).rejects.toMatchObject(refused)
      for await (const { type } of other.storage.objects.list()) throw new Error(`a ${type} was copied`)
      expect(await listImages(repo)).toEqual([PLAIN])
    },
  )

  test('a copy to a name that would be a directory of a stored one is refused before anything is copied', async () => {
    await using repo = await create()
    await pull(repo, 'docker://example.org/a')
    await using other = await create()
    await pull(other, 'docker://example.org')
    const before = await other.refs.list('heads')
    await expect(copyImage(repo, 'docker://example.org/a', other)).rejects.toThrow(
      'Copying image: Cannot store docker://example.org/a beside docker://example.org: ',
    )
    expect(await other.refs.list('heads')).toEqual(before)
  })
}

function parseOstree(name: string) {
  return parseOstreeImageReference(`ostree-unverified-image:${name}`)
}

/** Calls `before` when a blob is read. */
function intercept(source: Source, before: (digest: string) => Promise<void>): Source {
  return new Proxy(source, {
    get(target, key) {
      if (key !== 'blob') {
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async function* (layer: Parameters<Source['blob']>[0]) {
        await before(layer.digest)
        yield* target.blob(layer)
      }
    },
  })
}

interface Described {
  digest: string
  size: number
}

/** Returns the same image without the label that says which layers belong to a commit. */
function withoutLabel(platform: Platform, layout: Layout): Layout {
  const files = new Map(layout)
  const blob = ({ digest }: Described) => `blobs/sha256/${digest.slice('sha256:'.length)}`
  const read = (path: string) => JSON.parse(decodeUtf8(files.get(path) ?? new Uint8Array(0)) ?? '')
  const replace = (described: Described, content: object) => {
    const bytes = encodeUtf8(JSON.stringify(content))
    Object.assign(described, { digest: `sha256:${platform.sha256(bytes)}`, size: bytes.length })
    files.set(blob(described), bytes)
  }
  const index = read('index.json')
  const manifest = read(blob(index.manifests[0]))
  const { config, ...image } = read(blob(manifest.config))
  replace(manifest.config, { ...image, config: { ...config, Labels: {} } })
  replace(index.manifests[0], manifest)
  files.set('index.json', encodeUtf8(JSON.stringify(index)))
  return files
}
