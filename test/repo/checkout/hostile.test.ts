/** Checkouts of hostile trees, and to hostile destinations. Files outside of the destination must not change. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { DeniedError, FormatError, IoError, LimitError } from '../../../src/errors.ts'
import { type CheckoutOptions, checkout, MAX_TREE_DEPTH, type Repo } from '../../../src/repo/index.ts'
import { createLocalTarget, type LocalTargetOptions } from '../../../src/repo/local.ts'
import { OpenDirectory } from '../../../src/system/open-directory.ts'
import { commitRaw, commitTree, EMPTY_TREE, memoryRepo } from '../../support/commits.ts'
import { link } from '../../support/memory-directory.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()

/** Creates a directory with a file that must not change, beside the destination `co`. */
function makePlace() {
  const place = mkdtempSync(join(root, 'place-'))
  mkdirSync(join(place, 'outside'))
  writeFileSync(join(place, 'outside/precious'), 'untouched')
  return { place, target: join(place, 'co'), outside: () => readdirSync(join(place, 'outside')) }
}

function user(repo: Repo, commit: Checksum, target: string, options: CheckoutOptions = {}, how?: LocalTargetOptions) {
  return checkout(repo, commit, createLocalTarget(target, how), { mode: 'user', ...options })
}

describe.each([
  ['with the system calls of koffi', {}],
  ['with the functions of Node', { native: null, linkCalls: null }],
  ['with paths in place of open directories', { native: null, linkCalls: null, byPath: true }],
] as const)('checkout of hostile trees, %s', (_, how) => {
  const union = { overwrite: 'union-files' } as const

  test('a symbolic link of an earlier checkout that leads out of the destination is refused', async () => {
    const { target, outside } = makePlace()
    const repo = await memoryRepo()
    const first = await commitTree(repo, { d: link('../outside') })
    const second = await commitTree(repo, { 'd/evil': 'x' })
    await user(repo, first, target, {}, how)
    await expect(user(repo, second, target, union, how)).rejects.toThrow(DeniedError)
    await expect(user(repo, second, target, { overwrite: 'add' }, how)).rejects.toThrow(/leads out of the checkout/)
    expect(outside()).toEqual(['precious'])
  })

  test('a chain of symbolic links that ends with an absolute one is refused', async () => {
    const { place, target, outside } = makePlace()
    const repo = await memoryRepo()
    const first = await commitTree(repo, { d: link('e'), e: link(join(place, 'outside')) })
    const second = await commitTree(repo, { 'd/evil': 'x' })
    await user(repo, first, target, {}, how)
    await expect(user(repo, second, target, union, how)).rejects.toThrow(DeniedError)
    expect(outside()).toEqual(['precious'])
  })

  test('a symbolic link to a directory inside of the destination is followed, as by ostree', async () => {
    const { target } = makePlace()
    const repo = await memoryRepo()
    const first = await commitTree(repo, { bin: link('usr/bin'), 'usr/bin/a': 'a' })
    const second = await commitTree(repo, { 'bin/b': 'b' })
    await user(repo, first, target, {}, how)
    await user(repo, second, target, union, how)
    expect(readdirSync(join(target, 'usr/bin'))).toEqual(['a', 'b'])
    expect(readlinkSync(join(target, 'bin'))).toBe('usr/bin')
  })

  test('a file replaces a symbolic link, and the target of the link is not changed', async () => {
    const { target, place } = makePlace()
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { f: 'new', e: '' })
    mkdirSync(target)
    for (const name of ['f', 'e']) symlinkSync('../outside/precious', join(target, name))
    await user(repo, commit, target, union, how)
    expect(lstatSync(join(target, 'f')).isFile()).toBe(true)
    expect(readFileSync(join(place, 'outside/precious'), 'utf8')).toBe('untouched')
  })

  test('a whiteout removes a symbolic link, and not its target', async () => {
    const { target, outside } = makePlace()
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { '.wh.d': 'x', 'op/.wh..wh..opq': 'x' })
    mkdirSync(join(target, 'op/deep'), { recursive: true })
    symlinkSync('../outside', join(target, 'd'))
    symlinkSync('../../../outside', join(target, 'op/deep/link'))
    await user(repo, commit, target, { ...union, whiteouts: true }, how)
    expect(outside()).toEqual(['precious'])
    expect(readdirSync(target)).toEqual(['op'])
    expect(readdirSync(join(target, 'op'))).toEqual([])
  })

  test.each(['.wh...', '.wh..', '.ostree-wh...', '.ostree-wh..'])('the whiteout %s is refused', async (name) => {
    const { target, outside, place } = makePlace()
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { [`d/${name}`]: 'x' })
    const options = { whiteouts: true, passthroughWhiteouts: true }
    await expect(user(repo, commit, target, options, how)).rejects.toThrow(FormatError)
    expect(outside()).toEqual(['precious'])
    expect(readdirSync(place)).toEqual(['co', 'outside'])
  })

  test.each(['..', '.', '', 'a/b', '../outside/evil', '/etc/evil', 'a\0b'])(
    'the file name %j is refused',
    async (name) => {
      const { target, place, outside } = makePlace()
      const repo = await memoryRepo()
      const commit = await commitRaw(repo, async (make, file) => make({ files: [{ name, checksum: await file('x') }] }))
      await expect(user(repo, commit, target, union, how)).rejects.toThrow(FormatError)
      const dirs = await commitRaw(repo, async (make) => make({ dirs: [{ name, tree: EMPTY_TREE }] }))
      await expect(user(repo, dirs, target, union, how)).rejects.toThrow(FormatError)
      expect(outside()).toEqual(['precious'])
      expect(readdirSync(place)).toEqual(['outside'])
    },
  )

  test('a tree in which a symbolic link and a directory have the same name is refused', async () => {
    const { target, outside } = makePlace()
    const repo = await memoryRepo()
    const commit = await commitRaw(repo, async (make, file) => {
      const evil = await make({ files: [{ name: 'evil', checksum: await file('x') }] })
      return make({ files: [{ name: 'd', checksum: await file('../outside') }], dirs: [{ name: 'd', tree: evil }] })
    })
    await expect(user(repo, commit, target, union, how)).rejects.toThrow(/Duplicate filename d/)
    expect(outside()).toEqual(['precious'])
  })

  test('a tree that is nested deeper than the limit is refused', async () => {
    const { place, target } = makePlace()
    const repo = await memoryRepo()
    const nested = (depth: number) =>
      commitRaw(repo, async (make) => {
        let tree = await make({})
        for (let i = 0; i < depth; i++) tree = await make({ dirs: [{ name: 'directory', tree }] })
        return tree
      })
    const deep = await nested(MAX_TREE_DEPTH + 10)
    // The system may refuse the tree first, because of its limits of open files and of the length of paths.
    const refused = await user(repo, deep, target, {}, how).catch((error: unknown) => error)
    expect(refused instanceof LimitError || refused instanceof IoError).toBe(true)
    const parent = OpenDirectory.at(place)
    parent.removeTree('co')

    // The path of this tree is longer than the system allows.
    if (process.platform === 'linux' && !('byPath' in how)) {
      await user(repo, await nested(600), target, {}, how)
      parent.removeTree('co')
    }
    parent.close()
    expect(readdirSync(place)).toEqual(['outside'])
  })

  test('a tree of few objects with more entries than the limit is refused', async () => {
    const { target } = makePlace()
    const repo = await memoryRepo()
    const bomb = await commitRaw(repo, async (make, file) => {
      const checksum = await file('x')
      let tree = await make({ files: Array.from({ length: 10 }, (_, i) => ({ name: `f${i}`, checksum })) })
      const same = (inner: Checksum) => Array.from({ length: 10 }, (_, i) => ({ name: `d${i}`, tree: inner }))
      for (let i = 0; i < 20; i++) tree = await make({ dirs: same(tree) })
      return tree
    })
    const refused = user(repo, bomb, target, { maxEntries: 500 }, how)
    await expect(refused).rejects.toThrow(/checkout entries exceeds the limit of 500/)
  })
})

test('an abort signal ends a long checkout', async () => {
  const { target } = makePlace()
  const repo = await memoryRepo()
  const bomb = await commitRaw(repo, async (make, file) => {
    const checksum = await file('')
    let tree = await make({ files: Array.from({ length: 100 }, (_, i) => ({ name: `f${i}`, checksum })).sort(byName) })
    for (let i = 0; i < 5; i++) {
      const inner = tree
      tree = await make({ dirs: Array.from({ length: 9 }, (_, n) => ({ name: `d${n}`, tree: inner })) })
    }
    return tree
  })
  const signal = AbortSignal.timeout(50)
  await expect(user(repo, bomb, target, { signal })).rejects.toThrow(/timeout/)
})

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}
