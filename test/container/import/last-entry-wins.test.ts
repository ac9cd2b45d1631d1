/** Tests of layers in which one path has entries of several types: the last one wins, as for container engines. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { TarFormatError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { buildImage, loadTree, walkNodes } from '../../../src/testing/index.ts'
import { describeReference, run } from '../../support/reference.ts'
import { dir, file, hardlink, symlink, type TarEntry, tarBytes } from '../../support/tar-bytes.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { memoryRepo, once } from '../tar-kit.ts'

const LAYER = `sha256:${'0'.repeat(64)}` as Digest

/** Imports a layer and lists its tree: contents of files, targets of links, `/` for directories. */
async function imported(entries: readonly TarEntry[]): Promise<Record<string, string>> {
  const repo = await memoryRepo()
  return await repo.transaction(async (tx) => {
    const { tree, meta } = await importLayer(repo, tx, once(tarBytes(entries)), { layer: LAYER })
    const paths: Record<string, string> = {}
    for (const [path, node] of walkNodes(await loadTree(tx, { tree, meta }))) {
      if (path === '' || path === 'usr') continue
      paths[path] =
        node.kind === 'directory'
          ? '/'
          : node.kind === 'file'
            ? new TextDecoder().decode(node.content)
            : `-> ${node.target}`
    }
    return paths
  })
}

const usr = dir('usr')
const cases: [string, TarEntry[], Record<string, string>][] = [
  ['a directory, then a file', [usr, dir('usr/x'), file('usr/x', 'f')], { 'usr/x': 'f' }],
  ['a directory with files, then a file', [usr, dir('usr/x'), file('usr/x/a'), file('usr/x', 'f')], { 'usr/x': 'f' }],
  ['a directory with files, then a symbolic link', [usr, file('usr/x/a'), symlink('usr/x', 'y')], { 'usr/x': '-> y' }],
  [
    'a directory with files, then a hard link',
    [usr, file('usr/f', 'f'), file('usr/x/a'), hardlink('usr/x', 'usr/f')],
    { 'usr/f': 'f', 'usr/x': 'f' },
  ],
  [
    'a file, then a directory',
    [usr, file('usr/x'), dir('usr/x'), file('usr/x/a', 'a')],
    { 'usr/x': '/', 'usr/x/a': 'a' },
  ],
  ['a symbolic link, then a directory', [usr, symlink('usr/x', 'y'), dir('usr/x')], { 'usr/x': '/' }],
  [
    'a hard link, then a directory',
    [usr, file('usr/f', 'f'), hardlink('usr/x', 'usr/f'), dir('usr/x'), file('usr/x/a', 'a')],
    { 'usr/f': 'f', 'usr/x': '/', 'usr/x/a': 'a' },
  ],
  [
    'a hard link, then a file',
    [usr, file('usr/f', 'f'), hardlink('usr/x', 'usr/f'), file('usr/x', 'x')],
    { 'usr/f': 'f', 'usr/x': 'x' },
  ],
  ['a directory, a file, and a directory again', [usr, file('usr/x/a'), file('usr/x'), dir('usr/x')], { 'usr/x': '/' }],
  [
    'a hard link to a file in a directory that a file replaces',
    [usr, dir('usr/x'), file('usr/x/a', 'a'), hardlink('usr/b', 'usr/x/a'), file('usr/x', 'f')],
    { 'usr/b': 'a', 'usr/x': 'f' },
  ],
]

describe('one path with entries of several types', () => {
  test.each(cases)('%s: the last one is in the tree', async (_, entries, expected) => {
    expect(await imported(entries)).toEqual(expected)
  })

  test('a hard link to itself, then its content, is a file', async () => {
    expect(await imported([usr, hardlink('usr/x', 'usr/x'), file('usr/x', 'x')])).toEqual({ 'usr/x': 'x' })
  })

  test('paths in etc and in usr/etc are the same', async () => {
    const expected = { 'usr/etc': '/', 'usr/etc/p': 'two' }
    expect(await imported([usr, file('etc/p', 'one'), file('usr/etc/p', 'two')])).toEqual(expected)
    expect(await imported([usr, dir('usr/etc/p'), file('etc/p', 'two')])).toEqual(expected)
    expect(await imported([usr, symlink('etc/p', 'x'), dir('usr/etc/p')])).toEqual({ 'usr/etc': '/', 'usr/etc/p': '/' })
  })

  const refused: [string, TarEntry[], string][] = [
    ['a file below a file', [usr, dir('usr/d'), file('usr/d/x'), file('usr/d/x/y')], 'usr/d/x/y at offset 2048: '],
    ['a link to a directory', [usr, dir('usr/d/e'), hardlink('usr/d/l', 'usr/d/e')], 'usr/d/l at offset 1024: '],
    ['a link to nothing', [usr, hardlink('usr/d/l', 'usr/d/n')], 'usr/d/l at offset 512: '],
    [
      'a link to a file that is left out',
      [usr, file('opt/f'), hardlink('usr/d/l', 'opt/f')],
      'The target of the hard link usr/d/l, opt/f, is left out without allowNonusr: at offset 1536: ',
    ],
    [
      'a link to a file that no option keeps',
      [usr, file('run/f'), hardlink('etc/l', '/run/f')],
      'The target of the hard link usr/etc/l, /run/f, is left out: at offset 1536: ',
    ],
    ['a link to itself without content', [usr, hardlink('usr/d/l', 'usr/d/l')], 'usr/d/l'],
  ]
  test.each(refused)('the error about %s names the whole path', async (_, entries, message) => {
    await expect(imported(entries)).rejects.toThrow(TarFormatError)
    await expect(imported(entries)).rejects.toThrow(message)
  })
})

/** Lists a directory as `imported` lists a tree. */
function onDisk(root: string): Record<string, string> {
  const paths: Record<string, string> = {}
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (path === 'usr') continue
    const at = join(root, path)
    const stat = lstatSync(at)
    if (stat.isDirectory()) paths[path] = '/'
    else paths[path] = stat.isSymbolicLink() ? `-> ${readlinkSync(at)}` : readFileSync(at, 'utf8')
  }
  return paths
}

describeReference('umoci', 'one path with entries of several types, unpacked by umoci', () => {
  const folder = temporaryFolder('disk')

  test.each(cases)('%s: gives the same files', async (title, entries, expected) => {
    const layout = join(folder, title.replaceAll(/[ ,]/g, '-'))
    for (const [path, bytes] of buildImage(nodePlatform, [{ tar: tarBytes(entries) }], { tag: 'x' })) {
      mkdirSync(dirname(join(layout, path)), { recursive: true })
      writeFileSync(join(layout, path), bytes)
    }
    run('umoci', ['raw', 'unpack', '--rootless', '--image', `${layout}:x`, join(layout, 'root')])
    expect(onDisk(join(layout, 'root'))).toEqual(expected)
  })
})
