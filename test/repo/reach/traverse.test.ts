import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { DirMeta, formatObjectName, S_IFDIR } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  collectReachable,
  createMemoryStorage,
  MutableTree,
  ReachableSet,
  Repo,
  type TraverseOptions,
  traverseCommit,
  writeCommit,
  writeTree,
} from '../../../src/repo/index.ts'

const A = 'a'.repeat(64) as Checksum
const B = 'b'.repeat(64) as Checksum

/** Makes two commits. The second one adds a file in one directory, and shares another directory with the first one. */
async function repository() {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  const made = await repo.transaction(async (tx) => {
    const mode = S_IFDIR | 0o755
    const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode, xattrs: [] }))
    const tree = new MutableTree()
    tree.setMeta(meta)
    for (const name of ['x', 'y']) {
      const child = tree.ensureDir(name)
      child.setMeta(meta)
      child.replaceFile('f', A)
      if (name === 'y') child.replaceFile('g', A)
    }
    const one = await writeTree(tx, tree)
    const y = tree.dirs.get('y')?.contents as Checksum
    const first = await writeCommit(tx, { root: one, timestamp: 1n })
    tree.dirs.get('x')?.replaceFile('h', B)
    const two = await writeTree(tx, tree)
    const x = tree.dirs.get('x')?.contents as Checksum
    const second = await writeCommit(tx, { root: two, timestamp: 2n, parent: first })
    return { first, second, x, y, one, two }
  })
  return { repo, ...made }
}

async function names(
  repo: Repo,
  commit: Checksum,
  options?: TraverseOptions,
  reached?: ReachableSet,
): Promise<string[]> {
  const found: string[] = []
  for await (const name of traverseCommit(repo, commit, options, reached)) found.push(formatObjectName(name))
  return found
}

describe('traverseCommit', () => {
  test('a commit, its directories and their files are listed once each', async () => {
    const { repo, second, x, y, two } = await repository()
    const found = await names(repo, second)
    expect(found).toEqual([
      `${second}.commit`,
      ...[`${two.meta}.dirmeta`, `${two.tree}.dirtree`],
      ...[`${x}.dirtree`, `${A}.file`, `${B}.file`],
      `${y}.dirtree`,
    ])
    const set = await collectReachable(repo, second)
    expect([...set].map(formatObjectName).sort()).toEqual(found.toSorted())
    expect(set.size).toBe(found.length)
    expect(set.has({ checksum: x, type: 'dirtree' })).toBe(true)
    expect(set.has({ checksum: x, type: 'dirmeta' })).toBe(false)
    expect(set.has({ checksum: second, type: 'commitmeta' })).toBe(false)
  })

  test('parents are listed to the given depth', async () => {
    const { repo, first, second } = await repository()
    const commits = async (depth: number) =>
      (await names(repo, second, { depth, commitOnly: true })).map((name) => name.slice(0, 64))
    expect(await commits(0)).toEqual([second])
    expect(await commits(1)).toEqual([second, first])
    expect(await commits(9)).toEqual([second, first])
    expect(await commits(-1)).toEqual([second, first])
  })

  test('objects that an earlier call has reached are not listed again', async () => {
    const { repo, first, second, one } = await repository()
    const reached = new ReachableSet()
    await collectReachable(repo, second, {}, reached)
    const more = await names(repo, first, { depth: -1 }, reached)
    expect(more[0]).toBe(`${first}.commit`)
    expect(more).toContain(`${one.tree}.dirtree`)
    expect(more.some((name) => name.endsWith('.file'))).toBe(false)
    expect(await names(repo, first, { depth: -1 }, reached)).toEqual([])
  })

  test('a missing commit ends the list without an error', async () => {
    const { repo, first, second } = await repository()
    await repo.objects.delete({ checksum: first, type: 'commit' })
    expect((await names(repo, second, { depth: -1, commitOnly: true })).length).toBe(1)
    expect(await names(repo, first)).toEqual([])
  })

  test('a missing directory is refused, unless the commit is partial', async () => {
    const { repo, second, x, y } = await repository()
    await repo.objects.delete({ checksum: x, type: 'dirtree' })
    await expect(names(repo, second)).rejects.toThrow(`No such metadata object ${x}.dirtree`)
    await repo.objects.setCommitState(second, 'partial')
    const found = await names(repo, second)
    expect(found).not.toContain(`${x}.dirtree`)
    expect(found).toContain(`${y}.dirtree`)
  })

  test('an aborted signal stops the list', async () => {
    const { repo, second } = await repository()
    const signal = AbortSignal.abort()
    await expect(names(repo, second, { signal })).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  })
})
