/**
 * Conformance suite of repositories that store container images: images are imported, updated, verified, exported,
 * copied and removed; commits are encapsulated and extracted again. The test file of a backend is one call:
 *
 * ```ts
 * import * as vitest from 'vitest'
 * imageStoreSuite(vitest, 'memory', {
 *   platform,
 *   create: (mode) => Repo.open(createMemoryStorage({ mode, platform }), platform),
 * })
 * ```
 *
 * The result of an import does not depend on the backend, so it is compared with that in a repository in memory.
 */

import type { Checksum } from '../../bytes.ts'
import {
  computeSizes,
  copyImage,
  type EncapsulateOptions,
  encapsulateTo,
  exportCommit,
  exportToOci,
  gcImageLayers,
  importOstreeTar,
  listImages,
  newChunking,
  type ObjectMetaSized,
  openMemoryDestination,
  openMemoryLayout,
  type PulledImage,
  parseImageReference,
  planLayerGc,
  pullImage,
  queryImage,
  refForImage,
  removeImage,
  unencapsulate,
  verifyContainerImage,
} from '../../container/index.ts'
import type { Platform } from '../../platform/index.ts'
import { createMemoryStorage, fsck, prune, Repo, type RepoMode } from '../../repo/index.ts'
import type { TarEntry } from '../../tar/index.ts'
import {
  type Directory,
  directory,
  type FileAttributes,
  file,
  loadTree,
  storeCommit,
  symlink,
  walkNodes,
} from '../builders.ts'
import { compressLayer } from '../compress-layer.ts'
import { buildImage, type LayerFields } from '../image-builder.ts'
import { packLayer } from '../pack-layer.ts'
import { collect, noise, type TestTools, text } from './kit.ts'
import { sharedLayersTests } from './shared-layers.ts'

/** A repository backend under test. */
export interface ImageStoreSubject {
  /** Compresses the images; may differ from the platform of the repositories. */
  readonly platform: Platform
  /** Creates an empty repository, which the suite disposes. */
  create(mode: RepoMode): Promise<Repo>
  /** Default: archive, bare-user. */
  readonly modes?: readonly RepoMode[]
  /** Owner of files in mode `bare`, for a process that may not change owners; default: owners vary. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

const HOST = { architecture: 'amd64', os: 'linux' }
const NAME = 'docker://example.org/app:1'
const IMAGE = parseImageReference(NAME)
const OTHER = parseImageReference('docker://example.org/other:1')
/** Modes that images of any mode can be copied to. Copies to bare-user-only are tested only from that mode. */
const COPY_MODES = ['archive', 'bare-user', 'bare'] as const

/** Files of an OCI layout, by path. */
type Layout = Map<string, Uint8Array>

/** Registers the tests of a repository backend, one `describe` per mode. */
export function imageStoreSuite(tools: TestTools, name: string, subject: ImageStoreSubject): void {
  for (const mode of subject.modes ?? ['archive', 'bare-user']) modeTests(tools, name, subject, mode)
}

function modeTests({ describe, test, expect }: TestTools, name: string, subject: ImageStoreSubject, mode: RepoMode) {
  const { platform } = subject
  const owner = mode === 'bare' ? subject.owner : undefined
  const plain = mode === 'bare-user-only'
  const inMemory = (of: RepoMode = mode) => Repo.open(createMemoryStorage({ mode: of, platform }), platform)

  const layerOf = async (entries: readonly TarEntry[]): Promise<LayerFields> => {
    const owned = entries.map((entry) => ({ ...entry, ...owner }))
    return await compressLayer(platform, await packLayer(owned), 'gzip')
  }
  /** Compresses each layer only once. */
  const made = new Map<string, Promise<LayerFields>>()
  const once = (name: string, entries: () => TarEntry[]): Promise<LayerFields> => {
    const known = made.get(name) ?? layerOf(entries())
    made.set(name, known)
    return known
  }
  const base = () =>
    once('base', () => [
      { path: 'usr/bin/', type: 'directory' },
      { path: 'usr/bin/tool', mode: 0o755, body: text('tool 1\n') },
      { path: 'usr/bin/alias', type: 'hardlink', linkPath: 'usr/bin/tool' },
      { path: 'usr/lib/app/old', body: text('old\n') },
      { path: 'usr/lib/app/large', body: noise(70_000) },
      { path: 'usr/lib/libc.so', type: 'symlink', linkPath: 'libc.so.6' },
      { path: 'etc/app.conf', body: text('key=value\n') },
    ])
  const top = (version: string) =>
    once(version, () => [
      { path: 'usr/bin/tool', mode: 0o755, body: text(`tool ${version}\n`) },
      { path: 'usr/lib/app/.wh.old', body: text('') },
      { path: `usr/lib/app/${version}`, body: text('') },
      { path: 'srv/data', body: text('beside /usr') },
    ])
  const packed = (layers: readonly LayerFields[]): Layout => buildImage(platform, layers)
  const image = async (version: string) => packed([await base(), await top(version)])

  const pull = (repo: Repo, files: Layout, as = NAME): Promise<PulledImage> =>
    pullImage(repo, `ostree-unverified-image:${as}`, {
      host: HOST,
      open: () => openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST }),
    })
  const treeOf = async (repo: Repo, commit: Checksum): Promise<Directory> => {
    const { rootTree: tree, rootMeta: meta } = await repo.readCommit(commit)
    return await loadTree(repo.objects, { tree, meta })
  }
  const pathsOf = async (repo: Repo, commit: Checksum) =>
    [...walkNodes(await treeOf(repo, commit))].filter(([, { kind }]) => kind !== 'directory').map(([path]) => path)
  const sound = async (repo: Repo) => expect(await fsck(repo)).toMatchObject({ damaged: 0, partial: 0 })
  const objectsOf = async (repo: Repo) =>
    (await collect(repo.storage.objects.list())).map(({ checksum, type }) => `${checksum}.${type}`).sort()

  /** Writes the commit to encapsulate, with files that this mode can store. */
  const commitIn = async (repo: Repo): Promise<Checksum> => {
    const own = (fields: Partial<FileAttributes> = {}): Partial<FileAttributes> => ({ ...fields, ...owner })
    const special = plain ? {} : { setuid: file('x', own({ mode: 0o4755, ...(!owner && { uid: 3, gid: 4 }) })) }
    const shared = file(noise(40_000, 7), own())
    const tree = directory({
      usr: directory({
        bin: directory({ tool: file('#!/bin/sh\n', own({ mode: 0o755 })), ...special }),
        lib: directory({ a: shared, b: shared, c: symlink('a', own()), empty: file('', own()) }),
        etc: directory({ conf: file('x=1\n', own()) }),
      }),
    })
    return await repo.transaction(async (tx) => {
      const commit = await storeCommit(tx, tree, { subject: 'to be encapsulated' })
      tx.setRef('heads/main', { commit })
      return commit
    })
  }
  /** Returns one component per directory below /usr. */
  const componentsOf = async (repo: Repo): Promise<ObjectMetaSized> => {
    const map = new Map<Checksum, string>()
    for (const [checksum, { paths }] of (await newChunking(repo, 'main')).remainder.content) {
      map.set(checksum, paths[0]?.split('/')[2] ?? '')
    }
    const meta = (identifier: string) => ({ identifier, name: identifier, srcid: identifier })
    const set = new Map(
      [...new Set(map.values())].map((id) => [id, { ...meta(id), changeTimeOffset: 1, changeFrequency: 1 }]),
    )
    return await computeSizes(repo, { map, set })
  }

  describe(`${name}, images in mode ${mode}`, () => {
    test('an imported image has the same objects as in a repository in memory, and is listed and found', async () => {
      await using repo = await subject.create(mode)
      await using reference = await inMemory()
      const files = await image('2')
      const pulled = await pull(repo, files)
      expect(pulled).toMatchObject({ changed: true, layersFetched: 2, layersReused: 0 })
      expect(pulled.mergeCommit).toBe((await pull(reference, files)).mergeCommit)
      expect(await objectsOf(repo)).toEqual(await objectsOf(reference))
      const paths = ['2', 'large'].map((at) => `usr/lib/app/${at}`)
      expect(await pathsOf(repo, pulled.mergeCommit)).toEqual(
        ['srv/data', 'usr/bin/alias', 'usr/bin/tool', 'usr/etc/app.conf', ...paths, 'usr/lib/libc.so'].sort(),
      )
      expect(await listImages(repo)).toEqual([NAME])
      const state = await queryImage(repo, IMAGE)
      expect(state).toMatchObject({ mergeCommit: pulled.mergeCommit, manifestDigest: pulled.manifestDigest })
      expect(await pull(repo, files)).toMatchObject({ changed: false, mergeCommit: pulled.mergeCommit })
      await sound(repo)
    })

    test('an update fetches only new layers, and pruning removes objects that only the old version used', async () => {
      await using repo = await subject.create(mode)
      const first = await pull(repo, await image('2'))
      const second = await pull(repo, await image('3'))
      expect(second).toMatchObject({ changed: true, layersFetched: 1, layersReused: 1 })
      expect(await pathsOf(repo, second.mergeCommit)).not.toContain('usr/lib/app/2')
      expect(await listImages(repo)).toEqual([NAME])
      expect((await planLayerGc(repo)).unneeded).toEqual([])
      await prune(repo, { refsOnly: true, depth: 0 })
      expect(await repo.objects.has({ checksum: first.mergeCommit, type: 'commit' })).toBe(false)
      await sound(repo)

      await using fresh = await inMemory()
      expect((await pull(fresh, await image('3'))).mergeCommit).toBe(second.mergeCommit)
      await prune(fresh, { refsOnly: true, depth: 0 })
      expect(await objectsOf(repo)).toEqual(await objectsOf(fresh))
    })

    test('layers that two images share are kept until both images are removed, and then nothing is left', async () => {
      await using repo = await subject.create(mode)
      await pull(repo, await image('2'))
      await pull(repo, await image('3'), 'docker://example.org/other:1')
      expect(await listImages(repo)).toHaveLength(2)
      expect(await removeImage(repo, IMAGE)).toBe(true)
      expect(await removeImage(repo, IMAGE)).toBe(false)
      const plan = await planLayerGc(repo)
      expect([plan.unneeded.length, plan.kept.length]).toEqual([1, 2])
      expect(await gcImageLayers(repo)).toBe(1)
      await prune(repo, { refsOnly: true })
      await sound(repo)
      expect((await queryImage(repo, OTHER))?.manifest.layers).toHaveLength(2)

      await removeImage(repo, OTHER)
      expect(await gcImageLayers(repo)).toBe(2)
      await prune(repo, { refsOnly: true })
      expect(await objectsOf(repo)).toEqual([])
      expect(await repo.refs.list('heads')).toEqual([])
    })

    test('verification accepts an image that matches its layers, and rejects a changed one', async () => {
      await using repo = await subject.create(mode)
      const { mergeCommit } = await pull(repo, await image('2'))
      const verify = () => verifyContainerImage(repo, IMAGE)
      expect((await verify()).ok).toBe(true)

      const { metadata } = await repo.readCommit(mergeCommit)
      const { children, ...inode } = await treeOf(repo, mergeCommit)
      const usr = children.get('usr')
      if (usr?.kind !== 'directory') throw new Error('no /usr')
      const changed = directory([...usr.children, ['bin', directory({ tool: file('not this', { ...owner }) })]], usr)
      const commit = await repo.transaction((tx) =>
        storeCommit(tx, directory([...children, ['usr', changed]], inode), { metadata }),
      )
      await repo.setRef(refForImage(IMAGE), commit)
      const { ok, unknownCorrupted } = await verify()
      expect([ok, [...unknownCorrupted].length > 0]).toEqual([false, true])
    })

    test('an exported image has the same files as the original, and each export is identical', async () => {
      await using repo = await subject.create(mode)
      const { mergeCommit } = await pull(repo, await image('2'))
      const written = async () => {
        const files: Layout = new Map()
        await using to = openMemoryDestination(files, undefined, repo.platform)
        return { files, digest: await exportToOci(repo, IMAGE, to) }
      }
      const { files, digest } = await written()
      expect((await written()).digest).toBe(digest)
      await using again = await subject.create(mode)
      const back = await pull(again, files)
      expect(back.manifestDigest).toBe(digest)
      const roots = await Promise.all(
        (
          [
            [repo, mergeCommit],
            [again, back.mergeCommit],
          ] as const
        ).map(async ([from, commit]) => {
          const { rootTree, rootMeta } = await from.readCommit(commit)
          return [rootTree, rootMeta]
        }),
      )
      expect(roots[1]).toEqual(roots[0])
    })

    test.each(plain ? [mode] : [...new Set([mode, ...COPY_MODES])])(
      'an image copied to mode %s and back is unchanged',
      async (into) => {
        await using repo = await subject.create(mode)
        const { mergeCommit } = await pull(repo, await image('2'))
        await using elsewhere = await inMemory(into)
        await copyImage(repo, IMAGE, elsewhere)
        await copyImage(repo, IMAGE, elsewhere, { target: OTHER })
        expect(await listImages(elsewhere)).toHaveLength(2)
        await sound(elsewhere)
        await using back = await subject.create(mode)
        await copyImage(elsewhere, OTHER, back, { target: IMAGE })
        expect((await queryImage(back, IMAGE))?.mergeCommit).toBe(mergeCommit)
        expect(await pull(back, await image('2'))).toMatchObject({ changed: false })
        await sound(back)
      },
    )

    test.each(['one layer', 'chunks'])('a commit encapsulated in %s is extracted as the same commit', async (how) => {
      await using repo = await subject.create(mode)
      const commit = await commitIn(repo)
      const options: EncapsulateOptions = {
        host: HOST,
        ...(how === 'chunks' && { packageContentmeta: await componentsOf(repo), maxLayers: 8 }),
      }
      const files: Layout = new Map()
      await using to = openMemoryDestination(files, undefined, repo.platform)
      const digest = await encapsulateTo(repo, commit, {}, options, to)
      const open = () => openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST })
      await using again = await subject.create(mode)
      const image = await unencapsulate(again, `ostree-unverified-image:${NAME}`, { host: HOST, open })
      expect(image).toEqual({ commit, manifestDigest: digest })
      await again.setRef('main', commit)
      await sound(again)

      const pulled = await pull(again, files)
      expect(pulled.baseCommit).toBe(commit)
      expect(pulled.layersFetched + pulled.layersReused).toBe(how === 'chunks' ? 5 : 1)
      expect(await pathsOf(again, pulled.mergeCommit)).toEqual(await pathsOf(repo, commit))
    })

    test('a commit exported as a stream is imported as the same commit', async () => {
      await using repo = await subject.create(mode)
      const commit = await commitIn(repo)
      await using again = await subject.create(mode)
      expect(await importOstreeTar(again, exportCommit(repo, 'main'))).toBe(commit)
      await again.setRef('main', commit)
      await sound(again)
      expect(await objectsOf(again)).toEqual(await objectsOf(repo))
    })

    test('a truncated layer leaves nothing behind, and the next pull reuses the complete layers', async () => {
      await using repo = await subject.create(mode)
      const layers = [await base(), await top('2')] as const
      const broken = packed([layers[0], { ...layers[1], found: layers[1].blob?.subarray(0, 60) }])
      await expect(pull(repo, broken)).rejects.toMatchObject({ code: 'corrupt' })
      expect(await listImages(repo)).toEqual([])
      await sound(repo)
      expect(await pull(repo, packed(layers))).toMatchObject({ changed: true, layersFetched: 1, layersReused: 1 })
      await sound(repo)
    })

    sharedLayersTests({ describe, test, expect }, subject, mode)
  })
}
