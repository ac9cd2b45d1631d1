/** Stores of images: what is pulled is read by path, whatever the store. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { displayUtf8, encodeUtf8 } from '../../src/bytes.ts'
import {
  type CheckoutOptions,
  checkout,
  commitFiles,
  createMemoryTarget,
  type OpenStoreOptions,
  openStore,
  pullImage,
} from '../../src/node.ts'
import { createRepo } from '../../src/repo/local.ts'
import { collect } from '../container/tar-kit.ts'
import { isRoot } from '../support/machine.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { file, folder, symlink } from './image-cases.ts'
import { writeLayout } from './layout.ts'

const layers = [
  [
    folder('etc'),
    folder('usr/lib'),
    file('usr/lib/os-release', { body: encodeUtf8('ID=x') }),
    symlink('etc/os-release', '../usr/lib/os-release'),
    file('etc/hostname', { body: encodeUtf8('box') }),
    file('var/lib/data', { body: encodeUtf8('data') }),
    file('usr/bin/tool', { mode: 0o755 }),
  ],
]

const KINDS: [string, OpenStoreOptions][] = [
  ['store.sqlite', {}],
  ['directory', {}],
  ['bare-user', { mode: 'bare-user' }],
  ['bare-user-only', { mode: 'bare-user-only' }],
  ...(isRoot ? [['bare', { mode: 'bare' }] as [string, OpenStoreOptions]] : []),
]

describe.each(KINDS)('%s', (name, options) => {
  test('an image is read as it was before it was stored', async () => {
    const parent = temporaryFolder()
    const reference = await writeLayout(join(parent, 'layout'), layers)
    await using store = await openStore(join(parent, name), options)
    const image = await store.pull(reference)
    expect(displayUtf8(await image.readFile('/etc/os-release'))).toBe('ID=x')
    expect(displayUtf8(await image.readFile('/usr/etc/hostname'))).toBe('box')
    expect(displayUtf8(await collect(image.stream('etc/hostname')))).toBe('box')
    expect((await image.list('/')).map(({ path }) => path)).toEqual(['/etc', '/usr', '/var'])
    expect((await image.list('/usr')).map(({ path }) => path)).toEqual(['/usr/bin', '/usr/lib'])
    expect((await image.list('/etc')).map(({ path, target }) => [path, target])).toEqual([
      ['/etc/hostname', undefined],
      ['/etc/os-release', '../usr/lib/os-release'],
    ])
    expect(await image.stat('/usr/bin/tool')).toMatchObject({ kind: 'file', permissions: 0o755, mtime: undefined })
    expect(image).toMatchObject({ reference, configuration: { os: 'linux' } })
    expect(await store.images()).toEqual([reference])

    const stored = await store.commit(image.mergeCommit)
    await expect(stored.stat('/etc')).rejects.toMatchObject({ name: 'PathNotFoundError' })
    expect(displayUtf8(await stored.readFile('/usr/etc/hostname'))).toBe('box')
    expect((await store.image(reference, { etc: 'stored' })).commit).toBe(image.mergeCommit)
    await expect(store.image('oci:/nowhere')).rejects.toMatchObject({ message: 'No such image: oci:/nowhere' })
  })

  test('images and commits are compared', async () => {
    const parent = temporaryFolder()
    const one = await writeLayout(join(parent, 'one'), layers)
    const changes = [file('etc/hostname', { body: encodeUtf8('other') }), file('etc/new'), file('usr/.wh.bin')]
    const two = await writeLayout(join(parent, 'two'), [...layers, changes])
    await using store = await openStore(join(parent, name), options)
    const [before, after] = [await store.pull(one), await store.pull(two)]
    expect(await before.diff(after)).toEqual({
      added: ['/etc/new'],
      modified: ['/etc/hostname'],
      removed: ['/usr/bin'],
    })
    // A tree that is shown in another way is compared entry by entry.
    const stored = await store.commit(after.mergeCommit)
    expect((await after.diff(stored)).added).toEqual([
      '/usr/etc',
      '/usr/etc/hostname',
      '/usr/etc/new',
      '/usr/etc/os-release',
    ])
  })
})

test('a store that does not exist is made only when asked', async () => {
  const path = join(temporaryFolder(), 'none')
  await expect(openStore(path, { create: false })).rejects.toThrow('opening repo')
  expect(existsSync(path)).toBe(false)
  await using store = await openStore(path, { mode: 'bare-user-only' })
  expect(store.repo.mode).toBe('bare-user-only')
})

test('pullImage has defaults, and takes every reference that the command takes', async () => {
  const parent = temporaryFolder()
  const reference = await writeLayout(join(parent, 'layout'), layers)
  await using repo = await createRepo(join(parent, 'a.sqlite'))
  const { mergeCommit, changed } = await pullImage(repo, reference)
  expect(changed).toBe(true)
  const again = await pullImage(repo, `ostree-unverified-image:${reference}`)
  expect([again.mergeCommit, again.changed]).toEqual([mergeCommit, false])
})

test('/etc of a commit is shown as asked', async () => {
  await using store = await openStore(join(temporaryFolder(), 'a.sqlite'))
  await commitFiles(store.repo, { 'usr/etc/a': '1', 'usr/b': '2' }, { branch: 'one' })
  await commitFiles(store.repo, { 'etc/a': 'own', 'usr/etc/a': '1' }, { branch: 'two' })
  const [one, two] = [await store.commit('one', { etc: 'deployed' }), await store.commit('two', { etc: 'deployed' })]
  expect(displayUtf8(await one.readFile('/etc/a'))).toBe('1')
  expect(displayUtf8(await two.readFile('/etc/a'))).toBe('own')
  const paths = async (files: typeof one) => {
    const found: string[] = []
    for await (const { path } of files.walk()) found.push(path)
    return found
  }
  expect(await paths(one)).toEqual(['/', '/etc', '/etc/a', '/usr', '/usr/b'])
  expect(await paths(two)).toEqual(['/', '/etc', '/etc/a', '/usr', '/usr/etc', '/usr/etc/a'])
})

test('a checkout puts /usr/etc at /etc when asked, and leaves an /etc alone', async () => {
  await using store = await openStore(join(temporaryFolder(), 'a.sqlite'))
  const { repo } = store
  await commitFiles(repo, { 'usr/etc/deep/a': '1', 'usr/b': '2', 'usr/x/etc/c': '3' }, { branch: 'one' })
  await commitFiles(repo, { 'etc/a': 'own', 'usr/etc/a': '1' }, { branch: 'two' })
  const paths = async (rev: string, options: CheckoutOptions) => {
    const target = createMemoryTarget()
    await checkout(repo, await repo.resolve(rev), target, options)
    return Array.from(target.entries(), ([path, { mode }]) => (mode & 0o170000) === 0o100000 && path).filter(Boolean)
  }
  expect(await paths('one', { etc: 'restore' })).toEqual(['/usr/b', '/usr/x/etc/c', '/etc/deep/a'])
  expect(await paths('one', {})).toEqual(['/usr/b', '/usr/etc/deep/a', '/usr/x/etc/c'])
  expect(await paths('one', { etc: 'restore', subpath: '/usr' })).toEqual(['/b', '/etc/deep/a', '/x/etc/c'])
  expect(
    await paths('one', { etc: 'restore', filter: (path) => (path === '/usr/etc/deep/a' ? 'skip' : 'allow') }),
  ).toEqual(['/usr/b', '/usr/x/etc/c'])
  expect(await paths('two', { etc: 'restore' })).toEqual(['/etc/a', '/usr/etc/a'])
})
