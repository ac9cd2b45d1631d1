/** Tests of stored images over their lifetime: import, repeated import, update, removal. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, displayUtf8, encodeUtf8 } from '../../src/bytes.ts'
import {
  countLayerReferences,
  gcImageLayers,
  ImageImporter,
  type ImportOptions,
  imageConfigFromCommitmeta,
  imageFilteredContentWarning,
  layersToFetch,
  listImages,
  manifestDigestFromCommit,
  type PulledImage,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  refForLayer,
  removeImage,
  removeImages,
} from '../../src/container/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { commitRoot, createMemoryStorage, lookupFile, lookupPath, Repo, walkTree } from '../../src/repo/index.ts'
import { type TarEntryFields, TarWriter } from '../../src/tar/index.ts'
import { goldenJson } from '../support/golden.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from './golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const BASE = 'docker://quay.io/exampleos/exampleos:latest'
const DERIVED = 'docker://quay.io/exampleos/derived:latest'
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const golden = goldenJson<{ cases: Record<string, { merge_over_fixture_bare_user_uid0?: { blob_gzip_b64: string } }> }>(
  'container/derived-layers.json',
)

/** Returns a layer of the vectors, compressed as it was stored. */
function layer(name: string): Uint8Array {
  return new Uint8Array(
    Buffer.from(golden.cases[name]?.merge_over_fixture_bare_user_uid0?.blob_gzip_b64 ?? '', 'base64'),
  )
}

function made(entries: readonly (TarEntryFields & { content?: string })[]): Uint8Array {
  const writer = new TarWriter()
  const parts = entries.flatMap(({ content = '', ...entry }) => {
    const body = encodeUtf8(content)
    return [writer.header(entry, body.length), body, writer.padding(body.length)]
  })
  return gzipSync(concatBytes([...parts, writer.end()]))
}

function memory(): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
}

function importer(repo: Repo, name: string, image: GoldenImage, options: Partial<ImportOptions> = {}): ImageImporter {
  const reference = parseOstreeImageReference(`ostree-unverified-image:${name}`)
  return new ImageImporter(repo, reference, { host: HOST, open: sourceOf(image), ...options })
}

function pull(
  repo: Repo,
  name: string,
  image: GoldenImage,
  options: Partial<ImportOptions> = {},
): Promise<PulledImage> {
  const reference = `ostree-unverified-image:${name}`
  return pullImage(repo, reference, { host: HOST, open: sourceOf(image), ...options })
}

async function paths(repo: Repo, commit: Checksum): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of walkTree(repo.objects, await commitRoot(repo.objects, commit))) found.push(path)
  return found
}

describe('an image', () => {
  test('an imported image is reported as present, without a newer version (case H2)', async () => {
    const repo = await memory()
    const { mergeCommit } = await pull(repo, BASE, CHUNKED)
    await using again = importer(repo, BASE, CHUNKED)
    const result = await again.prepare()
    if (result.kind !== 'already-present') throw new Error('not present')
    expect(result.state.mergeCommit).toBe(mergeCommit)
    expect(result.state.cachedUpdate).toBeUndefined()
  })

  test('a derived image shares the layers of its base, is reimported unchanged, and is removed completely (cases H4, H5, H6)', async () => {
    const repo = await memory()
    await pull(repo, BASE, CHUNKED)
    const image = withLayers(CHUNKED, [layer('simple')])
    await using opened = importer(repo, DERIVED, image, { disableGc: true })
    const result = await opened.prepare()
    if (result.kind !== 'ready') throw new Error('not ready')
    expect(layersToFetch(result.prepared)).toHaveLength(1)
    expect(result.prepared.ostreeCommitLayer?.commit).toBeDefined()
    const { mergeCommit, filteredFiles } = await opened.import(result.prepared)
    expect(await listImages(repo)).toEqual([DERIVED, BASE])
    const warning = 'Image contains non-ostree compatible file paths: filtered: 1'
    expect(imageFilteredContentWarning(filteredFiles)).toBe(warning)

    expect(await removeImage(repo, parseImageReference(DERIVED))).toBe(true)
    const again = await pull(repo, DERIVED, image, { disableGc: true })
    expect(again.mergeCommit).toBe(mergeCommit)
    expect(again.filteredFiles).toBeUndefined()

    expect(await gcImageLayers(repo)).toBe(0)
    expect(await removeImage(repo, parseImageReference(BASE))).toBe(true)
    expect(await removeImage(repo, parseImageReference(BASE))).toBe(false)
    expect(await gcImageLayers(repo)).toBe(0)
    await removeImages(repo, [parseImageReference(DERIVED)])
    expect(await gcImageLayers(repo)).toBe(4)
    expect(await countLayerReferences(repo)).toBe(0)
    expect(await repo.listRefs()).toEqual([])
  })

  test('an image with a layer that replaces the kernel has only the new one, and its metadata is readable (case H8)', async () => {
    const repo = await memory()
    const image = withLayers(CHUNKED, [layer('kernel-whiteout')])
    const { mergeCommit } = await pull(repo, DERIVED, image)
    const modules = (await paths(repo, mergeCommit)).filter((path) => /^\/usr\/lib\/modules\/[^/]+$/.test(path))
    expect(modules).toEqual(['/usr/lib/modules/5.12.7-42.x86_64'])
    expect(await listImages(repo)).toEqual([DERIVED])
    const commit = await repo.readCommit(mergeCommit)
    expect(manifestDigestFromCommit(commit)).toBe(image.manifest)
    expect(imageConfigFromCommitmeta(commit.metadata).os).toBe('linux')
  })

  test('an image is upgraded in place: one layer is fetched, and files of the old layer are gone (case H9)', async () => {
    const repo = await memory()
    const one = withLayers(CHUNKED, [made([{ path: 'usr/share/old', content: 'old' }])])
    const two = withLayers(CHUNKED, [made([{ path: 'usr/share/new', content: 'new' }])])
    const before = await pull(repo, DERIVED, one)
    const after = await pull(repo, DERIVED, two)
    expect(after).toMatchObject({ changed: true, layersFetched: 1, layersReused: 3 })
    expect(after.mergeCommit).not.toBe(before.mergeCommit)
    const found = await paths(repo, after.mergeCommit)
    expect([found.includes('/usr/share/old'), found.includes('/usr/share/new')]).toEqual([false, true])
    expect(await pull(repo, DERIVED, two)).toMatchObject({ changed: false, mergeCommit: after.mergeCommit })
  })

  test('an image whose label names another commit is rejected only with verifyCommitLabel', async () => {
    const repo = await memory()
    const source = await sourceOf(CHUNKED)()
    const config = await source.config()
    const Labels = { ...config.config?.Labels, 'ostree.commit': '0'.repeat(64) }
    const open = async () => ({ ...source, config: async () => ({ ...config, config: { ...config.config, Labels } }) })
    const message = /Importing: Label ostree.commit names 0{64}, the image holds 616069c2/
    await expect(pull(repo, BASE, CHUNKED, { open, verifyCommitLabel: true })).rejects.toThrow(message)
    expect(await listImages(repo)).toEqual([])
    expect((await pull(repo, BASE, CHUNKED, { open })).changed).toBe(true)
    expect((await pull(await memory(), BASE, CHUNKED, { verifyCommitLabel: true })).changed).toBe(true)
  })

  test('an image whose ref would be a directory of a stored one, or the reverse, is rejected before it is opened', async () => {
    const repo = await memory()
    await pull(repo, 'docker://host/a', CHUNKED)
    const open = () => Promise.reject(new Error('opened'))
    for (const [name, other] of [
      ['docker://host/a/b', 'docker://host/a'],
      ['docker://host/a/b/c:1', 'docker://host/a'],
      ['docker://host', 'docker://host/a'],
    ] as const) {
      const message = `Preparing import: Fetching manifest: Cannot store ${name} beside ${other}: `
      await expect(pull(repo, name, CHUNKED, { open })).rejects.toThrow(message)
    }
    const tagged = await pull(repo, 'docker://host/a:1', CHUNKED)
    expect((await pull(repo, 'docker://host/a/b', CHUNKED, { noImgref: true })).mergeCommit).toBe(tagged.mergeCommit)
  })

  test.each(['oci-zstd', 'oci-zstd-chunked'])(
    'an image with layers in %s is imported as the same tree (case H12)',
    async (name) => {
      const repo = await memory()
      const other = await memory()
      const plain = await pull(other, BASE, CHUNKED)
      const state = await pull(repo, BASE, goldenImage(`container/${name}.tar.gz`))
      expect(state.baseCommit).toBe(plain.baseCommit)
      const { rootTree } = await other.readCommit(plain.mergeCommit)
      expect((await repo.readCommit(state.mergeCommit)).rootTree).toBe(rootTree)
    },
  )

  test('an image of another architecture is rejected if it has to boot here (case H14)', async () => {
    const host = { architecture: 'mips64le', os: 'linux' }
    const pulled = pull(await memory(), BASE, CHUNKED, { requireBootable: true, host })
    await expect(pulled).rejects.toThrow('Image has architecture amd64; expected mips64le')
  })

  test('an image has the extended attributes of its layer and of its base commit (case H15)', async () => {
    const repo = await memory()
    const image = withLayers(CHUNKED, [
      made([{ path: 'usr/share/x', content: 'x', xattrs: [['user.foo', encodeUtf8('bar')]] }]),
    ])
    const { mergeCommit } = await pull(repo, DERIVED, image)
    const root = await commitRoot(repo.objects, mergeCommit)
    const xattrs = async (path: string) => {
      const { header } = await repo.objects.statFile((await lookupFile(repo.objects, root, path)).checksum)
      return header.xattrs.map(([name]) => displayUtf8(name))
    }
    expect(await xattrs('/usr/share/x')).toEqual(['user.foo'])
    expect(await xattrs('/usr/bin/arping')).toContain('security.capability')
  })

  test('an image imported without an image ref has layers and a merge commit (case H17)', async () => {
    for (const disableGc of [true, false]) {
      const repo = await memory()
      const { mergeCommit, manifest } = await pull(repo, BASE, CHUNKED, { noImgref: true, disableGc })
      expect(await listImages(repo)).toEqual([])
      expect(await queryImage(repo, parseImageReference(BASE))).toBeUndefined()
      for (const descriptor of manifest.layers) expect(await repo.tryResolve(refForLayer(descriptor))).toBeDefined()
      expect((await repo.readCommit(mergeCommit)).metadata).toHaveLength(4)
    }
  })
})

describe('a layer', () => {
  test('the /etc of a layer is stored as /usr/etc, and unknown top-level files are dropped (case D3)', async () => {
    const repo = await memory()
    const blob = made([
      { path: 'etc/systemd/system/foo.service', content: 'x' },
      { path: 'blah', content: 'y' },
    ])
    const { manifest } = await pull(repo, DERIVED, withLayers(CHUNKED, [blob]))
    const top = manifest.layers.at(-1)
    const found = await paths(repo, await repo.resolve(top === undefined ? '' : refForLayer(top)))
    expect(found.at(-1)).toBe('/usr/etc/systemd/system/foo.service')
    expect(found).not.toContain('/blah')
  })

  test('a layer drops and counts content of /run, and keeps /etc and /var/log (case D4)', async () => {
    const repo = await memory()
    const files = ['etc/someconfig.conf', 'var/log/a.log', 'var/log/b.log', 'run/somefile']
    const image = withLayers(CHUNKED, [made(files.map((path) => ({ path, content: path })))])
    const { filteredFiles, manifest } = await pull(repo, DERIVED, image)
    expect(filteredFiles?.get(manifest.layers.at(-1)?.digest ?? '')).toEqual(new Map([['somefile', 1]]))
    const top = manifest.layers.at(-1)
    const root = await commitRoot(repo.objects, await repo.resolve(top === undefined ? '' : refForLayer(top)))
    for (const path of ['/usr/etc/someconfig.conf', '/var/log/a.log', '/var/log/b.log']) {
      expect((await lookupPath(repo.objects, root, path)).kind).toBe('file')
    }
  })

  test('a layer may have hard links before their targets, to links, over files, and to symbolic links (case D9)', async () => {
    const repo = await memory()
    const blob = made([
      { path: 'usr/early', type: 'hardlink', linkPath: 'usr/target' },
      { path: 'usr/target', content: 'content' },
      { path: 'usr/twice', type: 'hardlink', linkPath: 'usr/early' },
      { path: 'usr/over', content: 'gone' },
      { path: 'usr/over', type: 'hardlink', linkPath: 'usr/target' },
      { path: 'usr/symbolic', type: 'symlink', linkPath: 'target' },
      { path: 'usr/to-symbolic', type: 'hardlink', linkPath: 'usr/symbolic' },
    ])
    const { manifest } = await pull(repo, DERIVED, withLayers(CHUNKED, [blob]))
    const top = manifest.layers.at(-1)
    const root = await commitRoot(repo.objects, await repo.resolve(top === undefined ? '' : refForLayer(top)))
    const checksum = async (name: string) => {
      const entry = await lookupPath(repo.objects, root, `/usr/${name}`)
      return entry.kind === 'file' ? entry.checksum : undefined
    }
    const target = await checksum('target')
    for (const name of ['early', 'twice', 'over']) expect(await checksum(name)).toBe(target)
    expect(await checksum('to-symbolic')).toBe(await checksum('symbolic'))
  })

  test('a layer with only /var gets a root directory with default metadata (case D9)', async () => {
    const repo = await memory()
    const blob = made([{ path: 'var/', type: 'directory', mode: 0o700, uid: 5, gid: 6 }])
    const { manifest } = await pull(repo, DERIVED, withLayers(CHUNKED, [blob]))
    const top = manifest.layers.at(-1)
    const root = await commitRoot(repo.objects, await repo.resolve(top === undefined ? '' : refForLayer(top)))
    expect(await repo.readDirMeta(root.meta)).toMatchObject({ uid: 0, gid: 0, mode: 0o040755 })
    const entry = await lookupPath(repo.objects, root, '/var')
    const meta = entry.kind === 'directory' ? await repo.readDirMeta(entry.meta) : undefined
    expect(meta).toMatchObject({ uid: 5, gid: 6, mode: 0o040700 })
  })
})

test('the vectors have the layers that these tests use', () => {
  for (const name of ['simple', 'kernel-whiteout']) expect(gunzipSync(layer(name)).length).toBeGreaterThan(0)
})
