import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IoError } from '../../../src/errors.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import {
  commitRoot,
  type DiffDirectory,
  diffDirectories,
  diffStats,
  type Repo,
  treeToDiff,
} from '../../../src/repo/index.ts'
import { formatDifference } from '../../../src/repo/internal.ts'
import { createDiskTree, openRepo } from '../../../src/repo/local.ts'
import { anyCollidingTree, createEntry } from '../../support/colliding-trees.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { isRoot } from '../../support/machine.ts'
import { directory, file, link } from '../../support/memory-directory.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

async function treeOf(repo: Repo, rev: string): Promise<DiffDirectory> {
  return treeToDiff(repo, await commitRoot(repo.objects, await repo.resolve(rev)))
}

describe('diffDirectories of commits', () => {
  test('paths are in the order of ostree, with everything below an added directory and not below a removed one', async () => {
    const repo = await memoryRepo()
    await commitTree(repo, { b: 'x', 'd/e/f': 'x', 'gone/deep/f': 'x', k: link('b'), z: 'x' })
    await commitTree(repo, { a: 'x', b: 'y', 'd/e/g': 'x', k: 'x', 'new/deep/f': 'x', 'z/in': 'x' })
    const difference = await diffDirectories(await treeOf(repo, 'main^'), await treeOf(repo, 'main'))
    expect(formatDifference(difference)).toBe(
      ['M    /b', 'M    /k', 'M    /z', 'D    /d/e/f', 'D    /gone']
        .concat(['A    /d/e/g', 'A    /a', 'A    /new', 'A    /new/deep', 'A    /new/deep/f'])
        .map((line) => `${line}\n`)
        .join(''),
    )
  })

  test('a directory with another owner or mode is modified, except for the root', async () => {
    const repo = await memoryRepo()
    await commitTree(repo, { 'd/e': directory() })
    await commitTree(repo, { '': directory({ uid: 5 }), 'd/e': directory({ mode: 0o040700 }) })
    const difference = await diffDirectories(await treeOf(repo, 'main^'), await treeOf(repo, 'main'))
    expect(difference).toEqual({ modified: ['/d/e'], removed: [], added: [] })
  })

  test('trees that are equal in both commits are not read', async () => {
    const repo = await memoryRepo()
    await commitTree(repo, { 'same/below/f': 'x', g: 'x' })
    await commitTree(repo, { 'same/below/f': 'x', g: 'y' })
    for await (const { checksum } of repo.objects.list('dirtree')) {
      const { files } = await repo.readDirTree(checksum)
      if (files.some(({ name }) => name === 'f')) await repo.objects.delete({ checksum, type: 'dirtree' })
    }
    const difference = await diffDirectories(await treeOf(repo, 'main^'), await treeOf(repo, 'main'))
    expect(difference).toEqual({ modified: ['/g'], removed: [], added: [] })
  })

  test('diffStats counts the objects of both commits and those in common', async () => {
    const repo = await memoryRepo()
    const one = await commitTree(repo, { f: 'x', g: file('yy', { uid: 1 }) })
    const two = await commitTree(repo, { f: 'x', h: 'z' })
    const stats = await diffStats(repo, one, two)
    expect(stats).toMatchObject({ from: 5, to: 5, common: 2 })
    expect(stats.commonSize).toBeGreaterThan(13)
  })
})

describe('diffDirectories of directories on disk', () => {
  test('a path that does not exist is refused', () => {
    const path = join(root, 'nowhere')
    const message = `Error when getting information for file “${path}”: No such file or directory`
    expect(() => createDiskTree(path, { platform })).toThrow(new IoError(message, 'ENOENT', path))
  })

  test('a symbolic link to a directory is followed, and a file is refused', async () => {
    const at = join(root, String(count++))
    mkdirSync(`${at}/d`, { recursive: true })
    writeFileSync(`${at}/f`, '')
    symlinkSync('d', `${at}/l`)
    expect(await createDiskTree(`${at}/l`, { platform }).list()).toEqual([])
    expect(() => createDiskTree(`${at}/f`, { platform }).list()).toThrow(
      `Error opening directory '${at}/f': Not a directory`,
    )
  })

  test('1200 names, and names that are not UTF-8, are compared', async () => {
    const at = join(root, String(count++))
    for (const side of ['a', 'b']) {
      mkdirSync(join(at, side), { recursive: true })
      for (let i = 0; i < 1200; i++) writeFileSync(join(at, side, `f${i}`), side === 'a' || i % 100 ? 'x' : 'y')
    }
    const odd = (side: string, bytes: number[]) => Buffer.from([...Buffer.from(`${at}/${side}/`), ...bytes])
    writeFileSync(odd('a', [0xff, 0x61]), '')
    writeFileSync(odd('b', [0xff, 0x61]), '')
    writeFileSync(odd('b', [0xfe, 0x61]), '')
    const tree = (side: string) => createDiskTree(join(at, side), { platform })
    const { modified, removed, added } = await diffDirectories(tree('a'), tree('b'))
    expect(modified.toSorted()).toEqual(Array.from({ length: 12 }, (_, i) => `f${i * 100}`).toSorted())
    expect(removed).toEqual([])
    expect(added).toEqual(['\ufffda'])
  })
})

describeReference('ostree', 'diffDirectories and `ostree diff`', () => {
  const names = ['a', 'b', 'c', 'é', 'e.d']
  test.runIf(isRoot)('random commits and directories have the same differences in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('archive', 'bare-user', 'bare-user-only'),
        anyCollidingTree({ names }),
        anyCollidingTree({ names }),
        fc.constantFrom([], [], ['--owner-uid=1000'], ['--owner-gid=0', '--owner-uid=0']),
        fc.boolean(),
        async (mode, one, two, owners, noXattrs) => {
          const at = join(root, String(count++))
          mkdirSync(at)
          createEntry(join(at, 'one'), one)
          createEntry(join(at, 'two'), two)
          const path = join(at, 'repo')
          const ostree = (...args: string[]) => run('ostree', [`--repo=${path}`, ...args], { cwd: at })
          ostree('init', `--mode=${mode}`)
          for (const tree of ['one', 'two']) {
            const canonical = mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
            ostree('commit', '--fsync=0', '-b', tree, ...canonical, tree)
          }
          const repo = await openRepo(path)
          const owner = (name: string) => {
            const given = owners.find((text) => text.startsWith(`--${name}=`))
            return given === undefined ? undefined : Number(given.split('=')[1])
          }
          const side = async (text: string, second: boolean) => {
            if (!text.startsWith('/')) return treeOf(repo, text)
            const given = second ? { ownerUid: owner('owner-uid'), ownerGid: owner('owner-gid') } : {}
            return createDiskTree(text, { platform, ...given })
          }
          const disk = (name: string) => join(at, name)
          for (const [a, b] of [
            ['one', 'two'],
            ['one', disk('two')],
            [disk('one'), 'two'],
            [disk('one'), disk('two')],
            ['one', disk('one')],
          ] as const) {
            const flags = [...owners, ...(noXattrs ? ['--no-xattrs'] : [])]
            const found = await diffDirectories(await side(a, false), await side(b, true), { noXattrs })
            expect([a, b, formatDifference(found)]).toEqual([a, b, ostree('diff', ...flags, a, b)])
          }
          const stats = await diffStats(repo, await repo.resolve('one'), await repo.resolve('two'))
          const told = ostree('diff', '--stats', 'one', 'two')
          expect(told).toContain(`[A] Object Count: ${stats.from}\n[B] Object Count: ${stats.to}\n`)
          expect(told).toContain(`Common Object Count: ${stats.common}\n`)
          if (stats.commonSize < 1000) expect(told).toContain(`Common Object Size: ${stats.commonSize} byte`)
          await repo.close()
          rmSync(at, { recursive: true })
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 15) },
    )
  })
})
