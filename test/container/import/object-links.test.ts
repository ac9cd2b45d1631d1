/** Tests of links to objects in a layer whose files later entries replace, and of what is reported about the others. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import { type LostEntries, lostEntriesWarnings, pullImage } from '../../../src/container/index.ts'
import { canonicalJson, filterTar } from '../../../src/container/internal.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { TarFormatError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'
import { buildImage, loadTree, walkNodes } from '../../../src/testing/index.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf, type GoldenImage, goldenImage, sourceOf } from '../golden-images.ts'
import { collect, memoryRepo, once } from '../tar-kit.ts'

const LAYER = `sha256:${'0'.repeat(64)}` as Digest
const OBJECT = 'sysroot/ostree/repo/objects/aa/x.file'

const packed = (entries: readonly TarEntry[]) => readAll(packTar(entries))
const file = (path: string, text: string): TarEntry => ({ path, body: encodeUtf8(text), mtime: 1 })
const link = (path: string, linkPath = OBJECT): TarEntry => ({ path, linkPath, type: 'hardlink', mtime: 1 })
const directory = (path: string): TarEntry => ({ path, type: 'directory', mtime: 1 })

interface Imported {
  readonly files: Readonly<Record<string, string>>
  readonly lost: LostEntries | undefined
}

/** Imports a layer, and lists the contents of the files in its tree. */
async function imported(tar: Uint8Array): Promise<Imported> {
  const repo = await memoryRepo()
  return await repo.transaction(async (tx) => {
    const { tree, meta, lost } = await importLayer(repo, tx, once(tar), { layer: LAYER })
    const files: Record<string, string> = {}
    for (const [path, node] of walkNodes(await loadTree(tx, { tree, meta }))) {
      if (node.kind === 'file') files[path] = new TextDecoder().decode(node.content)
    }
    return { files, lost }
  })
}

const cases: [string, TarEntry[], Record<string, string>][] = [
  [
    'by a file',
    [file(OBJECT, 'old'), link('usr/a'), file('usr/a', 'new'), link('usr/b')],
    { 'usr/a': 'new', 'usr/b': 'old' },
  ],
  ['by a directory', [file(OBJECT, 'old'), link('usr/a'), directory('usr/a'), link('usr/b')], { 'usr/b': 'old' }],
  [
    'with the directory it is in',
    [file(OBJECT, 'old'), directory('usr/d'), link('usr/d/a'), file('usr/d', 'new'), link('usr/b')],
    { 'usr/b': 'old', 'usr/d': 'new' },
  ],
  [
    'by a link to another object',
    [file(OBJECT, 'old'), file(`${OBJECT}2`, 'new'), link('usr/a'), link('usr/a', `${OBJECT}2`), link('usr/b')],
    { 'usr/a': 'new', 'usr/b': 'old' },
  ],
  [
    'after it was large',
    [file(OBJECT, 'old'.repeat(100_000)), link('usr/a'), file('usr/a', 'new'), link('usr/b'), link('usr/c')],
    { 'usr/a': 'new', 'usr/b': 'old'.repeat(100_000), 'usr/c': 'old'.repeat(100_000) },
  ],
  [
    'and the object comes again',
    [file(OBJECT, 'one'), link('usr/a'), file(OBJECT, 'two'), link('usr/b'), link('usr/c')],
    { 'usr/a': 'one', 'usr/b': 'two', 'usr/c': 'two' },
  ],
]

describe('a file that an object became is replaced', () => {
  test.each(cases)('%s: later links have the content of the object', async (_, entries, files) => {
    expect(await imported(await packed(entries))).toEqual({ files, lost: undefined })
  })

  test('later links have the content of an object that comes after its first link', async () => {
    const entries = [link('usr/a'), link('usr/b'), file(OBJECT, 'old'), file('usr/a', 'new'), link('usr/c')]
    const files = { 'usr/a': 'new', 'usr/b': 'old', 'usr/c': 'old' }
    expect(await imported(await packed(entries))).toEqual({ files, lost: undefined })
  })

  test.each(cases.slice(0, 3))('%s: a stream that is rewritten has no file for later links', async (_, entries) => {
    const filtered = collect(filterTar(once(await packed(entries))))
    await expect(filtered).rejects.toBeInstanceOf(TarFormatError)
    await expect(filtered).rejects.toMatchObject({
      message: expect.stringMatching(/^objects\/aa\/x\.file became usr\/(d\/)?a, which a later entry has replaced$/),
      data: { path: 'usr/b' },
    })
  })
})

describeReference('umoci', 'files of objects that are replaced, unpacked by umoci', () => {
  const folder = temporaryFolder('disk')

  test.each(cases)('%s: gives the same files', async (title, entries, files) => {
    const layout = join(folder, title.replaceAll(' ', '-'))
    const parents = ['usr', 'sysroot/ostree/repo/objects/aa'].map(directory)
    const tar = await packed([...parents, ...entries])
    for (const [path, bytes] of buildImage(nodePlatform, [{ tar }], { tag: 'x' })) {
      mkdirSync(dirname(join(layout, path)), { recursive: true })
      writeFileSync(join(layout, path), bytes)
    }
    const root = join(layout, 'root')
    run('umoci', ['raw', 'unpack', '--rootless', '--image', `${layout}:x`, root])
    rmSync(join(root, 'sysroot'), { recursive: true })
    const paths = readdirSync(root, { recursive: true, encoding: 'utf8' })
    const found = paths.filter((path) => lstatSync(join(root, path)).isFile())
    expect(Object.fromEntries(found.map((path) => [path, readFileSync(join(root, path), 'utf8')]))).toEqual(files)
  })
})

test.each(['chunked', 'single'])(
  'a plain image with the layers of %s has the files of the encapsulated commit',
  async (name) => {
    const image = goldenImage(`container/oci-${name}.tar.gz`)
    const document = (digest: string) => JSON.parse(new TextDecoder().decode(image.blobs.get(digest)))
    const put = (value: never) => {
      const bytes = encodeUtf8(canonicalJson(value))
      const digest = digestOf(bytes)
      image.blobs.set(digest, bytes)
      return { digest, size: bytes.length }
    }
    const filesOf = async (from: GoldenImage, allowNonusr: boolean) => {
      const repo = await memoryRepo()
      const host = { architecture: 'amd64', os: 'linux' }
      const open = sourceOf(from)
      const { mergeCommit } = await pullImage(repo, 'ostree-unverified-image:oci:/x:1', { host, open, allowNonusr })
      const { rootTree: tree, rootMeta: meta } = await repo.readCommit(mergeCommit)
      const nodes = [...walkNodes(await loadTree(repo.objects, { tree, meta }))]
      const inUsr = nodes.filter(([path]) => path.startsWith('usr/'))
      return inUsr.map(([path, node]) => [path, node.mode, 'content' in node ? digestOf(node.content) : node.kind])
    }
    const encapsulated = await filesOf(image, false)
    expect(encapsulated.length).toBeGreaterThan(10)
    const manifest = document(image.manifest)
    const config = document(manifest.config.digest)
    delete config.config.Labels['ostree.final-diffid']
    Object.assign(manifest.config, put(config as never))
    delete manifest.annotations
    const plain = { ...image, manifest: put(manifest as never).digest }
    expect(await filesOf(plain, false)).toEqual(encapsulated)
    expect(await filesOf(plain, true)).toEqual(encapsulated)
  },
)

describe('entries that are lost', () => {
  const entries = [
    directory('usr'),
    ...Array.from({ length: 12 }, (_, n) => link(`usr/${n}`)),
    file(`${OBJECT}2`, 'without a link'),
  ]

  test('a layer reports how many there are, and names some', async () => {
    const { lost } = await imported(await packed(entries))
    expect(lost).toEqual({
      linksWithoutObject: 12,
      objectsWithoutLink: 1,
      examples: [...Array.from({ length: 10 }, (_, n) => `usr/${n}`), `${OBJECT}2`],
    })
    expect(lostEntriesWarnings(new Map([['sha256:1', lost as LostEntries]]))).toEqual([
      'Layer sha256:1 has entries that are left out: 12 hard links to objects that it does not have, ' +
        `1 changed objects without a hard link: ${lost?.examples.join(' ')}`,
    ])
    expect(lostEntriesWarnings(undefined)).toEqual([])
  })
})
