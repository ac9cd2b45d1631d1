/** Layers that were imported with other rules: what the suite of image stores does not reach. */
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, readAll } from '../../../src/bytes.ts'
import {
  copyImage,
  encapsulateTo,
  ImageImporter,
  type ImportOptions,
  openMemoryDestination,
  openMemoryLayout,
  parseOstreeImageReference,
  planPull,
  pullImage,
  queryImage,
  queryLayer,
  refForLayer,
} from '../../../src/container/index.ts'
import { kindOfCommit } from '../../../src/container/store/layer-kind.ts'
import { array, lookup, string, vardict, variantOf } from '../../../src/gvariant/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../../src/repo/index.ts'
import { packTar } from '../../../src/tar/index.ts'
import { type Directory, directory, file, packLayer, storeCommit } from '../../../src/testing/index.ts'
import { digestOf, type GoldenImage, sourceOf, withLayers } from '../golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const KEY = 'ostree-ts.layer-rules'

const memory = (mode: RepoMode = 'bare-user') =>
  Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)

const pull = (repo: Repo, image: GoldenImage, name: string, options: Partial<ImportOptions> = {}) =>
  pullImage(repo, `ostree-unverified-image:oci:/${name}:1`, { host: HOST, open: sourceOf(image), ...options })

async function layer(path: string, content = path): Promise<Uint8Array> {
  return gzipSync(await packLayer([{ path, body: new TextEncoder().encode(content) }]))
}

/** Encapsulates a tree as a base. */
async function baseOf(tree: Directory): Promise<GoldenImage> {
  await using repo = await memory()
  return encapsulated(repo, await repo.transaction((tx) => storeCommit(tx, tree, { subject: 'base' })))
}

async function encapsulated(repo: Repo, commit: Checksum): Promise<GoldenImage> {
  const files = new Map<string, Uint8Array>()
  await using to = openMemoryDestination(files, undefined, nodePlatform)
  const manifest = await encapsulateTo(repo, commit, {}, { host: HOST }, to)
  await using source = await openMemoryLayout(files, undefined, { platform: nodePlatform, host: HOST })
  expect(source.manifestDigest).toBe(manifest)
  const blobs = [...files.values()].map((bytes) => [digestOf(bytes) as string, bytes] as const)
  return { blobs: new Map(blobs), manifest }
}

const baseWith = (files: Readonly<Record<string, Directory>>) => baseOf(directory({ usr: directory(files) }))
const TRANSIENT = { lib: directory({ ostree: directory({ 'prepare-root.conf': file('[root]\ntransient=true\n') }) }) }

/** A directory `etc` with a policy of these file contexts. */
function policy(contexts: readonly string[]) {
  const lines = ['/.*\tu:default', ...contexts].join('\n')
  const files = directory({ file_contexts: file(`${lines}\n`) })
  const targeted = directory({
    contexts: directory({ files }),
    policy: directory({ 'policy.31': file('binary') }),
  })
  const config = file('SELINUX=enforcing\nSELINUXTYPE=targeted\n')
  return { etc: directory({ selinux: directory({ config, targeted }) }) }
}

/** Returns the commit of the last layer of an image. */
async function lastLayer(repo: Repo, image: GoldenImage): Promise<Checksum> {
  await using source = await sourceOf(image)()
  const last = source.manifest.layers.at(-1)
  const { commit } = await queryLayer(repo, last ?? source.manifest.config)
  if (commit === undefined) throw new Error('the layer is not stored')
  return commit
}

async function notes(repo: Repo, commit: Checksum) {
  return lookup(await repo.readDetachedMetadata(commit), KEY, array(string))
}

async function alone(image: GoldenImage, options: Partial<ImportOptions> = {}): Promise<Checksum> {
  await using repo = await memory()
  return (await pull(repo, image, 'alone', options)).mergeCommit
}

describe('a layer that two images share', () => {
  test('is imported again on a base whose root is transient, when that base is stored and when it is not', async () => {
    const opt = await layer('opt/tool')
    const fixed = withLayers(await baseWith({ lib: directory({}) }), [opt])
    const transientBase = await baseWith(TRANSIENT)
    const transient = withLayers(transientBase, [opt])
    await using repo = await memory()
    await pull(repo, fixed, 'fixed')
    const { mergeCommit } = await pull(repo, transient, 'transient')
    expect(mergeCommit).toBe(await alone(transient))
    expect(mergeCommit).not.toBe((await pull(repo, fixed, 'fixed')).mergeCommit)

    await using second = await memory()
    await pull(second, transientBase, 'base')
    await pull(second, fixed, 'fixed')
    // The base is stored, so the plan knows that the layer is fetched.
    const reference = 'ostree-unverified-image:oci:/transient:1'
    const plan = await planPull(second, reference, { host: HOST, open: sourceOf(transient) })
    expect(plan.layers.map(({ action }) => action)).toEqual(['reuse', 'fetch'])
    expect((await pull(second, transient, 'transient')).mergeCommit).toBe(mergeCommit)
  })

  test('is not imported again when the rules change nothing in it', async () => {
    const image = withLayers(await baseWith({ lib: directory({}) }), [await layer('usr/tool')])
    await using repo = await memory()
    await pull(repo, image, 'a')
    const other = { allowNonusr: true, retainVar: false }
    expect(await pull(repo, image, 'b', other)).toMatchObject({ layersFetched: 0 })
    expect(await pull(repo, image, 'a', other)).toMatchObject({ changed: false })
    expect(await notes(repo, await lastLayer(repo, image))).toEqual(['nonusr=any var=any labels=none'])
  })

  test('has a note of every rule that gives the same commit', async () => {
    const image = withLayers(await baseWith({ lib: directory({}) }), [await layer('run/x')])
    await using repo = await memory()
    await pull(repo, image, 'a')
    await pull(repo, image, 'b', { allowNonusr: true })
    expect(await notes(repo, await lastLayer(repo, image))).toEqual([
      'nonusr=any var=any labels=none',
      'nonusr=dropped var=any labels=none',
    ])
    expect(await pull(repo, image, 'c')).toMatchObject({ layersFetched: 0 })
  })

  test.each([
    ['allowNonusr', { allowNonusr: false }, {}],
    ['retainVar', {}, { retainVar: false }],
    ['ostreeVersion', { ostreeVersion: { year: 2024, release: 2 } }, { ostreeVersion: { year: 2024, release: 3 } }],
    ['ostreeVersion', {}, { ostreeVersion: { year: 2024, release: 2 } }],
  ] as const)('is imported again with another %s', async (_, one, two) => {
    for (const base of [await baseWith({ lib: directory({}) }), await baseWith(TRANSIENT)]) {
      const image = withLayers(base, [await layer('usr/a'), await layer('opt/b'), await layer('var/c')])
      await using repo = await memory()
      await pull(repo, image, 'one', one)
      for (const [name, options] of [['two', two] as const, ['three', one] as const]) {
        const { mergeCommit } = await pull(repo, image, name, options)
        expect(mergeCommit).toBe(await alone(image, options))
      }
    }
  })

  test('without a note was imported with the default rules, unless its tree shows others', async () => {
    const base = await baseWith({ lib: directory({}) })
    const image = withLayers(base, [await layer('opt/tool')])
    await using repo = await memory()
    await pull(repo, image, 'a')
    const commit = await lastLayer(repo, image)
    await repo.writeDetachedMetadata(commit, [['other.key', variantOf(string, 'kept')]])
    expect(await pull(repo, image, 'a')).toMatchObject({ changed: false })
    expect(await pull(repo, image, 'b')).toMatchObject({ layersFetched: 0 })
    // Not what ostree-ext does by default, so the layer is imported again.
    expect(await pull(repo, image, 'c', { allowNonusr: true })).toMatchObject({ layersFetched: 1 })
    expect(await pull(repo, image, 'd', { noLabels: true })).toMatchObject({ layersFetched: 1 })
    expect((await repo.readDetachedMetadata(commit)).map(([key]) => key)).toEqual(['other.key', KEY])

    await using kept = await memory()
    await pull(kept, image, 'a', { allowNonusr: true })
    await kept.writeDetachedMetadata(await lastLayer(kept, image), [])
    expect(await pull(kept, image, 'b')).toMatchObject({ layersFetched: 1, mergeCommit: await alone(image) })
  })

  test('with a note that cannot be read is imported again', async () => {
    const image = withLayers(await baseWith({ lib: directory({}) }), [await layer('usr/tool')])
    await using repo = await memory()
    await pull(repo, image, 'a')
    const commit = await lastLayer(repo, image)
    for (const value of [variantOf(string, 'no list'), variantOf(array(string), ['of another version'])]) {
      await repo.objects.writeAttached('commitmeta', commit, vardict.encode([[KEY, value]]))
      expect(await pull(repo, image, 'b')).toMatchObject({ layersFetched: 1 })
    }
  })

  test('a base that looks like a set of objects is found again', async () => {
    await using builder = await memory()
    const tree = directory({ usr: directory({ tool: file('x') }) })
    const commit = await builder.transaction((tx) => storeCommit(tx, tree, { subject: '', timestamp: 0n }))
    expect(kindOfCommit(await builder.readCommit(commit))).toBe('chunk')
    const image = withLayers(await encapsulated(builder, commit), [await layer('usr/a')])
    await using repo = await memory()
    const { mergeCommit, baseCommit } = await pull(repo, image, 'a')
    expect(baseCommit).toBe(commit)
    expect(await pull(repo, image, 'a')).toMatchObject({ changed: false })
    expect(await pull(repo, image, 'b')).toMatchObject({ layersFetched: 0, mergeCommit })
    await using other = await memory()
    await copyImage(repo, 'oci:/a:1', other)
    expect(await queryImage(other, 'oci:/a:1')).toMatchObject({ baseCommit, mergeCommit })
  })

  test('an image whose layer is lost is imported again', async () => {
    const image = withLayers(await baseWith({ lib: directory({}) }), [await layer('usr/tool'), await layer('usr/b')])
    await using repo = await memory()
    const { manifest, mergeCommit } = await pull(repo, image, 'a')
    for (const lost of manifest.layers.slice(1)) await repo.setRef(refForLayer(lost), undefined)
    expect(await pull(repo, image, 'a')).toMatchObject({
      changed: true,
      layersFetched: 2,
      layersReused: 1,
      mergeCommit,
    })
    expect(await pull(repo, image, 'a')).toMatchObject({ changed: false })
    expect((await queryImage(repo, 'oci:/a:1'))?.cachedUpdate).toBeUndefined()
  })

  test('keeps no label that the merge of another image gave it', async () => {
    // The layers on top replace the policy: that of the first image labels the tool again, that of the second does not.
    const contexts = (line: string) => layer('etc/selinux/targeted/contexts/files/file_contexts', `/.*\tu:x\n${line}\n`)
    const base = await baseWith(policy(['/usr/tool\tu:base']))
    const tool = await layer('usr/tool')
    const first = withLayers(base, [tool, await contexts('/usr/tool\tu:first')])
    const second = withLayers(base, [tool, await contexts('/usr/tool\t<<none>>')])
    for (const [one, two] of [
      [first, second],
      [second, first],
    ] as const) {
      await using repo = await memory()
      await pull(repo, one, 'one')
      expect(await pull(repo, two, 'two')).toMatchObject({ mergeCommit: await alone(two) })
      expect(await pull(repo, one, 'three')).toMatchObject({ layersFetched: 0, mergeCommit: await alone(one) })
      expect(await pull(repo, two, 'four')).toMatchObject({ mergeCommit: await alone(two) })
    }
  })

  test('keeps no label of a policy that another image has', async () => {
    // Where the policy of the second base has no label, the layer keeps that of the tar: none.
    const tool = await layer('usr/tool')
    const first = withLayers(await baseWith(policy(['/usr/tool\tu:tool'])), [tool])
    const second = withLayers(await baseWith(policy(['/usr/tool\t<<none>>'])), [tool])
    for (const [one, two] of [
      [first, second],
      [second, first],
    ] as const) {
      await using repo = await memory()
      await pull(repo, one, 'one')
      expect(await pull(repo, two, 'two')).toMatchObject({ layersFetched: 2, mergeCommit: await alone(two) })
      expect(await pull(repo, one, 'three')).toMatchObject({ layersFetched: 0, mergeCommit: await alone(one) })
      expect(await pull(repo, two, 'four', { noLabels: true })).toMatchObject({
        mergeCommit: await alone(two, { noLabels: true }),
      })
      expect(await pull(repo, two, 'two')).toMatchObject({ changed: false })
      expect(await pull(repo, two, 'two', { noLabels: true })).toMatchObject({ changed: true })
    }
  })
})

describe('a stored image', () => {
  const sets: readonly Partial<ImportOptions>[] = [
    {},
    { noLabels: true },
    { metadata: 'exact' },
    { owner: { uid: 7, gid: 8 } },
    { allowNonusr: false, noLabels: true },
  ]

  test('is merged again with other options of the merge, in every order, and is present with the same ones', async () => {
    const tree = directory({
      usr: directory({ bin: directory({ tool: file('#!') }), ...policy(['/usr/bin/.*\tu:bin']) }),
    })
    const base = await baseOf(tree)
    for (const image of [base, withLayers(base, [await layer('usr/bin/other')])]) {
      const expected = await Promise.all(sets.map((options) => alone(image, options)))
      await using repo = await memory()
      for (const i of [0, 1, 0, 2, 4, 3, 1, 3, 2, 0]) {
        const again = await pull(repo, image, 'a', sets[i])
        expect(again).toMatchObject({ mergeCommit: expected[i], changed: true })
        expect(await pull(repo, image, 'a', sets[i])).toMatchObject({ mergeCommit: expected[i], changed: false })
      }
    }
  })

  test('that was copied from a repository of another mode has the rules of that one', async () => {
    const image = withLayers(await baseWith({ lib: directory({}) }), [await layer('usr/x')])
    for (const [from, into] of [
      ['bare-user', 'bare'],
      ['bare', 'bare-user'],
    ] as const) {
      await using one = await memory(from)
      const { mergeCommit } = await pull(one, image, 'a')
      await using two = await memory(into)
      await copyImage(one, 'oci:/a:1', two)
      const metadata = from === 'bare' ? 'exact' : 'compat'
      expect(await pull(two, image, 'a', { metadata })).toMatchObject({ mergeCommit, changed: false })
      expect(await pull(two, image, 'a')).toMatchObject({ changed: true })
      expect(await pull(two, image, 'a')).toMatchObject({ changed: false })
    }
  })

  test('keeps the notes of its rules when a newer image is noted on it', async () => {
    const base = await baseWith({ lib: directory({}) })
    await using repo = await memory()
    const { mergeCommit } = await pull(repo, base, 'a', { metadata: 'exact' })
    const reference = parseOstreeImageReference('ostree-unverified-image:oci:/a:1')
    const newer = withLayers(base, [await layer('usr/x')])
    await using importer = new ImageImporter(repo, reference, { host: HOST, open: sourceOf(newer) })
    await importer.prepare()
    expect((await queryImage(repo, 'oci:/a:1'))?.cachedUpdate).toBeDefined()
    const detached = await repo.readDetachedMetadata(mergeCommit)
    expect(lookup(detached, 'ostree-ts.merge-rules', array(string))).toEqual(['labels=policy metadata=exact'])
    expect(await pull(repo, base, 'a', { metadata: 'exact' })).toMatchObject({ changed: false })
  })
})

test('a layer with an object that was not modified is imported again where it is kept at its path', async () => {
  const object = 'sysroot/ostree/repo/objects/aa/x.file'
  const body = new TextEncoder().encode('x')
  const tar = packTar([
    { path: object, body },
    { path: 'usr/a', type: 'hardlink', linkPath: object },
  ])
  const image = withLayers(await baseWith({}), [gzipSync(await readAll(tar))])
  const pulled = async (repo: Repo, allowNonusr: boolean) => {
    const { mergeCommit } = await pull(repo, image, 'a', { allowNonusr })
    return (await repo.readCommit(mergeCommit)).rootTree
  }
  await using both = await memory()
  await using alone = await memory()
  const dropped = await pulled(both, false)
  const kept = await pulled(both, true)
  expect(kept).not.toBe(dropped)
  expect(kept).toBe(await pulled(alone, true))
})
