/** Images unpacked into directories, tar and memory: what layers can say, and what must not happen. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { displayUtf8, encodeUtf8 } from '../../src/bytes.ts'
import { unpackImage } from '../../src/node.ts'
import type { TarEntry } from '../../src/tar/index.ts'
import { collect, entriesOf } from '../container/tar-kit.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { file, folder, hardlink, symlink, whiteout } from './image-cases.ts'
import { writeLayout } from './layout.ts'
import { listing } from './listing.ts'

const text = async (content: Promise<Uint8Array>) => displayUtf8(await content)
const of = (path: string, content: string): TarEntry => file(path, { body: encodeUtf8(content) })

async function memory(...layers: TarEntry[][]) {
  return unpackImage(await writeLayout(join(temporaryFolder(), 'layout'), layers), { as: 'memory' })
}

async function paths(...layers: TarEntry[][]): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of (await memory(...layers)).walk()) found.push(path)
  return found.slice(1)
}

describe('layers', () => {
  test('a whiteout spares what its own layer has put below it, at every depth', async () => {
    const lower = [file('a/b/old'), file('a/b/c/old'), file('a/old'), file('d/old')]
    expect(await paths(lower, [file('a/b/c/new'), whiteout('.wh.a'), whiteout('.wh.d')])).toEqual([
      '/a',
      '/a/b',
      '/a/b/c',
      '/a/b/c/new',
    ])
    expect(await paths(lower, [file('a/b/c/new'), whiteout('a/.wh..wh..opq')])).toEqual([
      '/a',
      '/a/b',
      '/a/b/c',
      '/a/b/c/new',
      '/d',
      '/d/old',
    ])
  })

  test('a hard link keeps the content of a layer below when its target changes', async () => {
    const image = await memory([of('a', 'old')], [hardlink('b', 'a')], [of('a', 'new')])
    expect(await text(image.readFile('/b'))).toBe('old')
    expect(await text(image.readFile('/a'))).toBe('new')
  })

  test('directories without an entry have mode 0755 and no time', async () => {
    const { permissions, mtime } = await (await memory([file('a/b')])).stat('/a')
    expect([permissions, mtime]).toEqual([0o755, 0])
  })

  test('the same layer may occur twice', async () => {
    const layer = [file('a'), whiteout('.wh.b')]
    expect(await paths(layer, [file('b')], layer)).toEqual(['/a'])
  })

  test.each<[string, TarEntry[][], string]>([
    ['a path with ..', [[file('a/../../b')]], "a/../../b: Invalid uplink '..' in path a/../../b"],
    ['a link target with ..', [[file('a'), hardlink('b', '../a')]], "b: Invalid uplink '..' in path ../a"],
    ['an entry below a file', [[file('a')], [file('a/b')]], 'a/b: /a is not a directory'],
    ['a hard link to nothing', [[hardlink('a', 'b')]], 'a: Hard link to b, which does not exist'],
    ['a hard link to a directory', [[folder('b'), hardlink('a', 'b')]], 'a: Hard link to the directory b'],
    ['a hard link to itself', [[file('a'), hardlink('a', 'a')]], 'a: Hard link to itself'],
    [
      'a hard link that removes its target',
      [[file('d/a'), hardlink('d', 'd/a')]],
      'd: Hard link in place of the directory of its target d/a',
    ],
    [
      'a loop of links',
      [[symlink('a', 'b'), symlink('b', 'a'), file('a/c')]],
      'a/c: Too many levels of symbolic links',
    ],
    ['a whiteout of nothing', [[whiteout('.wh.')]], ".wh.: Invalid whiteout '.wh.'"],
    ['a whiteout of ..', [[whiteout('a/.wh...')]], "a/.wh...: Invalid whiteout '.wh...'"],
    ['a root that is a link', [[symlink('.', '/etc')]], '.: The root is not a directory'],
    [
      'directories that are too deep',
      [[folder(Array.from({ length: 3000 }, () => 'd').join('/'))]],
      'directory depth exceeds the limit of 2048',
    ],
  ])('%s is refused, and nothing is left', async (_, layers, message) => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), layers)
    const expected = { message: expect.stringMatching(/^Unpacking layer sha256:[0-9a-f]{64}: /) }
    for (const as of ['memory', 'tar'] as const) {
      const result = as === 'tar' ? collect(unpackImage(reference, { as })) : unpackImage(reference, { as })
      await expect(result).rejects.toMatchObject(expected)
    }
    const failure = unpackImage(reference, join(parent, 'root'))
    await expect(failure).rejects.toThrow(message)
    await expect(failure).rejects.toMatchObject(expected)
    expect(readdirSync(parent)).toEqual(['layout'])
  })
})

describe('a directory', () => {
  test('nothing outside of it is written through links of the image', async () => {
    const parent = temporaryFolder()
    const outside = join(parent, 'outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'kept'), 'kept')
    const reference = await writeLayout(join(parent, 'layout'), [
      [
        symlink('abs', outside),
        symlink('up', '../outside'),
        symlink('deep', '../../../../../../../..'),
        symlink('f', `${outside}/kept`),
      ],
      [
        of('abs/a', 'x'),
        of('up/b', 'x'),
        of('up/kept', 'x'),
        of(`deep${outside}/c`, 'x'),
        whiteout(`abs/.wh.kept`),
        whiteout('up/.wh..wh..opq'),
        of('f', 'replaced'),
      ],
    ])
    await unpackImage(reference, join(parent, 'root'))
    expect(listing(outside)).toEqual({ '.': expect.anything(), './kept': expect.anything() })
    expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept')
    expect(readFileSync(join(parent, 'root', outside, 'a'), 'utf8')).toBe('x')
    expect(readFileSync(join(parent, 'root/outside/b'), 'utf8')).toBe('x')
    expect(readFileSync(join(parent, 'root/f'), 'utf8')).toBe('replaced')
  })

  test('a second run fails, and with overwrite equals a fresh one', async () => {
    const parent = temporaryFolder()
    const one = await writeLayout(join(parent, 'one'), [
      [folder('etc'), file('etc/a'), folder('shut', { mode: 0o555 }), file('shut/b')],
    ])
    const two = await writeLayout(join(parent, 'two'), [[folder('etc'), file('etc/c')]])
    const root = join(parent, 'root')
    await unpackImage(one, root)
    const before = listing(root)
    await expect(unpackImage(two, root)).rejects.toThrow(
      `${root} exists and is not empty; the option overwrite replaces it`,
    )
    expect(listing(root)).toEqual(before)
    await unpackImage(two, root, { overwrite: true })
    await unpackImage(two, join(parent, 'fresh'))
    expect(listing(root)).toEqual(listing(join(parent, 'fresh')))
    expect(readdirSync(parent).sort()).toEqual(['fresh', 'one', 'root', 'two'])
  })

  test('what was there is as it was after a failure', async () => {
    const parent = temporaryFolder()
    const broken = await writeLayout(join(parent, 'layout'), [
      [folder('shut', { mode: 0o500 }), file('shut/a')],
      [file('shut/a/b')],
    ])
    const empty = join(parent, 'empty')
    const full = join(parent, 'full')
    for (const path of [empty, full]) mkdirSync(path, { mode: 0o750 })
    writeFileSync(join(full, 'mine'), 'mine')
    for (const path of [empty, full]) utimesSync(path, 1_000_000, 1_000_000)
    const before = [listing(empty), listing(full)]
    await expect(unpackImage(broken, empty)).rejects.toThrow('not a directory')
    await expect(unpackImage(broken, full, { overwrite: true })).rejects.toThrow('not a directory')
    expect([listing(empty), listing(full)]).toEqual(before)
    expect(readdirSync(parent).sort()).toEqual(['empty', 'full', 'layout'])
  })

  test('an empty directory is filled, also through a link, and a file is an error', async () => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), [[file('a')]])
    const empty = join(parent, 'empty')
    mkdirSync(empty)
    const inode = statSync(empty).ino
    symlinkSync('empty', join(parent, 'link'))
    await unpackImage(reference, join(parent, 'link'))
    expect([statSync(empty).ino, readdirSync(empty)]).toEqual([inode, ['a']])
    writeFileSync(join(parent, 'file'), '')
    await expect(unpackImage(reference, join(parent, 'file'))).rejects.toMatchObject({ code: 'io' })
    await expect(unpackImage(reference, join(parent, 'missing/root'))).rejects.toMatchObject({
      data: { errno: 'ENOENT' },
    })
    await expect(unpackImage(reference, '/', { overwrite: true })).rejects.toMatchObject({ code: 'conflict' })
  })

  test('a wrong layer and an abort leave nothing', async () => {
    const parent = temporaryFolder()
    const wrong = await writeLayout(join(parent, 'wrong'), [[file('a')]], (layer) => ({ ...layer, found: layer.tar }))
    await expect(unpackImage(wrong, join(parent, 'root'))).rejects.toMatchObject({ name: 'DigestMismatchError' })
    const good = await writeLayout(join(parent, 'good'), [[file('a')], [file('b')]])
    const controller = new AbortController()
    const { signal } = controller
    const onProgress = ({ kind }: { kind: string }) => kind === 'layer-done' && controller.abort(new Error('enough'))
    await expect(unpackImage(good, join(parent, 'root'), { signal, onProgress })).rejects.toThrow('enough')
    await expect(collect(unpackImage(good, { as: 'tar' }, { signal }))).rejects.toThrow('enough')
    expect(readdirSync(parent).sort()).toEqual(['good', 'wrong'])
  })

  test('limits and references that cannot be verified are named', async () => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), [[file('a'), file('b')]])
    const root = join(parent, 'root')
    await expect(unpackImage(reference, root, { limits: { maxEntries: 1 } })).rejects.toThrow(
      'entries of the image exceeds',
    )
    await expect(unpackImage(reference, root, { limits: { maxLayers: 0 } })).rejects.toThrow('number of layers exceeds')
    await expect(unpackImage(reference, { as: 'memory' }, { limits: { maxMemory: 3 } })).rejects.toThrow('in memory')
    await expect(unpackImage(`ostree-remote-image:r:${reference}`, root)).rejects.toThrow('without a repository')
    await expect(unpackImage(`ostree-image-signed:${reference}`, root, { policy: null })).rejects.toThrow('policy')
    await expect(unpackImage('nonsense', root)).rejects.toMatchObject({ name: 'InvalidNameError' })
    const reject = { bytes: encodeUtf8('{"default":[{"type":"reject"}]}') }
    await expect(unpackImage(reference, root, { policy: reject })).rejects.toMatchObject({ code: 'denied' })
    expect(existsSync(root)).toBe(false)
    await unpackImage(`ostree-unverified-image:${reference}`, root)
    expect(readdirSync(root)).toEqual(['a', 'b'])
  })

  test('what a user cannot make is counted, and everything else is there', async () => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), [
      [
        { path: 'null', type: 'char', devMajor: 1, devMinor: 3 },
        file('owned', { uid: 5, gid: 0 }),
        file('labelled', { xattrs: [['security.selinux', encodeUtf8('x')]] }),
      ],
    ])
    const { notMade, entries } = await unpackImage(reference, join(parent, 'root'), { rootless: true })
    expect([notMade, entries]).toEqual([{ owners: 1, devices: 1, xattrs: 1 }, 3])
    expect(statSync(join(parent, 'root/null')).isFile()).toBe(true)
  })
})

describe('tar and memory', () => {
  test('the archive has directories before their content, and hard links behind their targets', async () => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), [
      [file('b/z'), folder('b', { mode: 0o700 }), hardlink('a', 'b/z'), symlink('c', 'b')],
    ])
    const entries = entriesOf(await collect(unpackImage(reference, { as: 'tar' })))
    expect(entries.map(({ path, type, linkPath, mode }) => [path, type, linkPath, mode])).toEqual([
      ['./', 'directory', '', 0o755],
      ['a', 'file', '', 0o644],
      ['b/', 'directory', '', 0o700],
      ['b/z', 'hardlink', 'a', 0o644],
      ['c', 'symlink', 'b', 0o777],
    ])
  })

  test('paths lead where they lead in a chroot', async () => {
    const image = await memory([
      folder('etc'),
      of('usr/lib/os-release', 'ID=x'),
      symlink('etc/os-release', '../usr/lib/os-release'),
      symlink('etc/abs', '/etc/os-release'),
      symlink('lib', 'usr/lib'),
      symlink('out', '../../../etc'),
      symlink('loop', 'loop2'),
      symlink('loop2', '/loop'),
      symlink('gone', 'nowhere'),
    ])
    for (const path of [
      '/etc/os-release',
      'etc/abs',
      '/lib/os-release',
      '/out/os-release',
      '/lib/../lib/os-release',
      '../etc/abs',
    ]) {
      expect(await text(image.readFile(path)), path).toBe('ID=x')
    }
    expect((await image.stat('/out/os-release')).path).toBe('/usr/lib/os-release')
    expect((await image.stat('/etc/abs', { followLink: false })).target).toBe('/etc/os-release')
    expect((await image.list('/lib')).map(({ path }) => path)).toEqual(['/usr/lib/os-release'])
    await expect(image.readFile('/loop')).rejects.toMatchObject({ data: { errno: 'ELOOP' } })
    await expect(image.readFile('/gone')).rejects.toMatchObject({
      name: 'PathNotFoundError',
      data: { path: '/nowhere' },
    })
    await expect(image.readFile('/etc')).rejects.toMatchObject({ data: { errno: 'EISDIR' } })
    await expect(image.readFile('/etc/os-release/x')).rejects.toMatchObject({ data: { errno: 'ENOTDIR' } })
    await expect(image.list('/etc/os-release')).rejects.toMatchObject({ data: { errno: 'ENOTDIR' } })
    await expect(image.readFile('/etc/abs', { maxBytes: 3 })).rejects.toMatchObject({ code: 'limit' })
    expect(displayUtf8(await collect(image.stream('/etc/abs')))).toBe('ID=x')
  })

  test('two images are compared by everything but their times', async () => {
    const one = await memory([
      of('same', 'x'),
      of('a', '1'),
      of('b', 'x'),
      file('gone/in'),
      file('d-', { mtime: 1 }),
      file('d/x'),
    ])
    const two = await memory([
      of('same', 'x'),
      of('a', '2'),
      file('b', { body: encodeUtf8('x'), mode: 0o600 }),
      file('d-'),
      file('d/x'),
      file('new/in'),
    ])
    expect(await one.diff(two)).toEqual({
      added: ['/new', '/new/in'],
      modified: ['/a', '/b'],
      removed: ['/gone', '/gone/in'],
    })
    expect(await one.diff(one)).toEqual({ added: [], modified: [], removed: [] })
  })
})
