/** Tests of layers in which a file replaces a directory, and redundant whiteouts delete the contents of the directory. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../src/bytes.ts'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import { mergeTrees } from '../../../src/container/import/merge.ts'
import { pullImage } from '../../../src/container/index.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { TarFormatError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, writeCommit, writeTree } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'
import { anyLayerTree, type Directory, layerEntries, loadTree, walkNodes } from '../../../src/testing/index.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest

const folder = (path: string, mode = 0o750): TarEntry => ({ path: `${path}/`, type: 'directory', mode, uid: 3, gid: 3 })
const content = (path: string): TarEntry => ({ path, body: encodeUtf8(path), uid: 1, gid: 1 })
const whiteout = (path: string): TarEntry => ({ path, mode: 0 })

function memory(): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
}

/** Merges layers and lists the result below `usr`: contents of files, targets of links, `/` for directories. */
async function merged(...layers: readonly TarEntry[][]): Promise<Record<string, string>> {
  const repo = await memory()
  return repo.transaction(async (tx) => {
    const commits: Checksum[] = []
    for (const layer of layers) {
      const root = await importLayer(repo, tx, packTar(layer), { layer: DIGEST })
      commits.push(await writeCommit(tx, { root, timestamp: 0n }))
    }
    return shown(await loadTree(tx, await writeTree(tx, await mergeTrees(tx, undefined, commits))))
  })
}

function shown(tree: Directory): Record<string, string> {
  const decoder = new TextDecoder()
  const paths: Record<string, string> = {}
  for (const [path, node] of walkNodes(tree)) {
    if (!path.startsWith('usr/')) continue
    paths[path.slice(4)] =
      node.kind === 'directory' ? '/' : node.kind === 'file' ? decoder.decode(node.content) : `-> ${node.target}`
  }
  return paths
}

const below = [folder('usr'), folder('usr/d'), content('usr/d/a'), folder('usr/d/sub'), content('usr/d/sub/b')]
const whiteouts = [whiteout('usr/d/.wh.a'), whiteout('usr/d/sub/.wh.b'), whiteout('usr/d/.wh.sub')]

describe('a file that replaces a directory, with whiteouts of its contents', () => {
  const replacements: [string, TarEntry[], Record<string, string>][] = [
    ['a file', [content('usr/d')], { d: 'usr/d' }],
    ['an empty file', [{ path: 'usr/d' }], { d: '' }],
    ['a symbolic link', [{ path: 'usr/d', type: 'symlink', linkPath: 'x' }], { d: '-> x' }],
    [
      'a hard link',
      [content('usr/c'), { path: 'usr/d', type: 'hardlink', linkPath: 'usr/c' }],
      { c: 'usr/c', d: 'usr/c' },
    ],
    [
      'a hard link to a hard link',
      [
        { path: 'usr/d', type: 'hardlink', linkPath: 'usr/e' },
        { path: 'usr/e', type: 'hardlink', linkPath: 'usr/c' },
        content('usr/c'),
      ],
      { c: 'usr/c', d: 'usr/c', e: 'usr/c' },
    ],
  ]
  test.each(replacements)('whiteouts after %s that replaces a directory are ignored', async (_, entries, expected) => {
    expect(await merged(below, [folder('usr'), ...entries, ...whiteouts])).toEqual(expected)
  })
  test.each(replacements)('whiteouts before %s that replaces a directory are ignored', async (_, entries, expected) => {
    expect(await merged(below, [folder('usr'), ...whiteouts, ...entries])).toEqual(expected)
  })
  test.each(replacements)(
    'whiteouts before and after %s that replaces a directory are ignored',
    async (_, entries, expected) => {
      const [first, ...others] = whiteouts as [TarEntry, ...TarEntry[]]
      expect(await merged(below, [first, ...entries, ...others])).toEqual(expected)
    },
  )

  test('an ignored whiteout does not create directories', async () => {
    const repo = await memory()
    const layer = [folder('', 0o711), folder('usr', 0o700), content('usr/d')]
    const roots = await repo.transaction(async (tx) => [
      await importLayer(repo, tx, packTar(layer), { layer: DIGEST }),
      await importLayer(repo, tx, packTar([...layer, ...whiteouts]), { layer: DIGEST }),
    ])
    expect(roots[1]).toEqual(roots[0])
  })

  test('an opaque whiteout in a replaced directory is ignored too', async () => {
    expect(await merged(below, [whiteout('usr/d/.wh..wh..opq'), content('usr/d')])).toEqual({ d: 'usr/d' })
    expect(await merged(below, [content('usr/d'), whiteout('usr/d/.wh..wh..opq')])).toEqual({ d: 'usr/d' })
  })

  test('whiteouts in a directory that is not replaced are applied', async () => {
    expect(await merged(below, [whiteout('usr/d/.wh.a'), content('usr/f')])).toEqual({
      d: '/',
      'd/sub': '/',
      'd/sub/b': 'usr/d/sub/b',
      f: 'usr/f',
    })
  })

  test('a cached parent directory is not used after it was replaced', async () => {
    const entries = [whiteout('usr/d/sub/.wh.b'), content('usr/d/sub')]
    expect(await merged(below, [...entries, content('usr/d/new')])).toEqual({
      d: '/',
      'd/a': 'usr/d/a',
      'd/new': 'usr/d/new',
      'd/sub': 'usr/d/sub',
    })
    await expect(merged([...entries, content('usr/d/sub/new')])).rejects.toThrow(
      "Can't replace file with directory: sub",
    )
  })

  const refused: [string, TarEntry[], string][] = [
    [
      'a file below a file',
      [content('usr/d'), content('usr/d/x')],
      "usr/d/x at offset 1024: Can't replace file with directory: d",
    ],
    [
      'a directory named like a whiteout below a file',
      [content('usr/d'), folder('usr/d/.wh.a')],
      "Can't replace file with directory: d",
    ],
  ]
  test.each(refused)('a layer with %s is still rejected', async (_, layer, message) => {
    await expect(merged(layer)).rejects.toThrow(TarFormatError)
    await expect(merged(layer)).rejects.toThrow(message)
  })

  test('redundant whiteouts anywhere in a random layer do not change it', async () => {
    await fc.assert(
      fc.asyncProperty(anyLayerTree(), fc.array(fc.tuple(fc.nat(), fc.nat(), fc.boolean())), async (tree, places) => {
        const entries = [...layerEntries(tree)]
        const files = entries.filter(({ type, path }) => type !== 'directory' && !String(path).includes('.wh.'))
        fc.pre(files.length > 0)
        const more = [...entries]
        for (const [file, at, deep] of places) {
          const { path } = files[file % files.length] as TarEntry
          more.splice(at % (more.length + 1), 0, whiteout(`${path}/${deep ? 'x/' : ''}.wh.y`))
        }
        expect(await merged(more)).toEqual(await merged(entries))
      }),
      { numRuns: 100 },
    )
  })
})

describeReference('umoci', 'layers written by umoci', () => {
  test('the merge of layers written by umoci equals what umoci unpacks', async () => {
    const work = temporaryFolder('disk')
    try {
      const [layout, bundle] = [join(work, 'layout'), join(work, 'bundle')]
      const umoci = (...args: string[]) => run('umoci', args)
      umoci('init', '--layout', layout)
      umoci('new', '--image', `${layout}:x`)
      umoci('unpack', '--image', `${layout}:x`, bundle)
      const usr = join(bundle, 'rootfs/usr')
      for (const name of ['file', 'symlink', 'hardlink']) {
        mkdirSync(join(usr, name, 'sub'), { recursive: true })
        for (const path of ['a', 'sub/b']) writeFileSync(join(usr, name, path), path)
      }
      writeFileSync(join(usr, 'back'), 'file')
      umoci('repack', '--refresh-bundle', '--image', `${layout}:x`, bundle)
      for (const name of ['file', 'symlink', 'hardlink', 'back']) rmSync(join(usr, name), { recursive: true })
      writeFileSync(join(usr, 'file'), 'file')
      symlinkSync('file', join(usr, 'symlink'))
      run('ln', [join(usr, 'file'), join(usr, 'hardlink')])
      mkdirSync(join(usr, 'back'))
      writeFileSync(join(usr, 'back/a'), 'a')
      umoci('repack', '--refresh-bundle', '--image', `${layout}:x`, bundle)
      umoci('unpack', '--image', `${layout}:x`, join(work, 'check'))

      const repo = await memory()
      const { mergeCommit } = await pullImage(repo, `ostree-unverified-image:oci:${layout}:x`, {
        host: { architecture: 'amd64', os: 'linux' },
        files: nodeFiles,
      })
      const { rootTree, rootMeta } = await repo.readCommit(mergeCommit)
      const tree = await loadTree(repo.objects, { tree: rootTree, meta: rootMeta })
      const unpacked = join(work, 'check/rootfs/usr')
      expect(readdirSync(unpacked).sort()).toEqual(['back', 'file', 'hardlink', 'symlink'])
      expect(shown(tree)).toEqual({
        back: '/',
        'back/a': readFileSync(join(unpacked, 'back/a'), 'utf8'),
        file: readFileSync(join(unpacked, 'file'), 'utf8'),
        hardlink: readFileSync(join(unpacked, 'hardlink'), 'utf8'),
        symlink: '-> file',
      })
    } finally {
    }
  })
})
