import { beforeEach, describe, expect, test } from 'vitest'
import { type Checksum, readAll } from '../../../src/bytes.ts'
import { FormatError, ObjectNotFoundError, PathNotFoundError, RefNotFoundError } from '../../../src/errors.ts'
import { Commit } from '../../../src/objects/index.ts'
import { diffCommits, listTree, logCommits, type Repo, readTreeFile } from '../../../src/repo/index.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { directory, link } from '../../support/memory-directory.ts'

let repo: Repo
let first: Checksum
let second: Checksum

beforeEach(async () => {
  repo = await memoryRepo()
  first = await commitTree(repo, { usr: directory(), 'usr/a': 'one', 'usr/old': 'gone' })
  second = await commitTree(repo, { usr: directory(), 'usr/a': 'two', 'usr/b': link('a'), new: directory() })
})

const gather = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('logCommits', () => {
  test('a commit and its ancestors are listed, the newest first', async () => {
    const log = await gather(logCommits(repo, 'main'))
    expect(log.map(({ checksum }) => checksum)).toEqual([second, first])
    expect(log.map(({ commit }) => commit.parent)).toEqual([first, undefined])
    expect(await gather(logCommits(repo, 'main^'))).toHaveLength(1)
  })

  test('the list ends before a parent that is not in the repository', async () => {
    await repo.objects.delete({ checksum: first, type: 'commit' })
    const log = await gather(logCommits(repo, second))
    expect(log.map(({ commit }) => commit.parent)).toEqual([first])
  })

  test('a missing first commit, and a rev that does not exist, are refused', async () => {
    await repo.objects.delete({ checksum: second, type: 'commit' })
    await expect(gather(logCommits(repo, 'main'))).rejects.toThrow(ObjectNotFoundError)
    await expect(gather(logCommits(repo, 'nope'))).rejects.toThrow(RefNotFoundError)
  })

  test('a malformed commit is refused with its checksum', async () => {
    const bytes = Commit.encode({ ...(await repo.readCommit(second)), rootTree: 'abcd' as Checksum })
    const broken = await repo.transaction((tx) => Promise.resolve(tx.writeMeta('commit', bytes)))
    const read = gather(logCommits(repo, broken))
    await expect(read).rejects.toThrow(FormatError)
    await expect(read).rejects.toThrow(`${broken}.commit`)
  })

  test('an aborted signal stops the list', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(gather(logCommits(repo, 'main', { signal }))).rejects.toThrow('enough')
  })
})

describe('listTree', () => {
  const paths = async (...args: [path?: string, options?: { depth: number }]) =>
    (await gather(listTree(repo, 'main', ...args))).map(({ entry }) => entry.path)

  test('a directory and its direct children are listed, or as deep as `depth` says', async () => {
    expect(await paths()).toEqual(['/', '/new', '/usr'])
    expect(await paths('/usr', { depth: 0 })).toEqual(['/usr'])
    expect(await paths('/', { depth: Number.POSITIVE_INFINITY })).toEqual(['/', '/new', '/usr', '/usr/a', '/usr/b'])
  })

  test('a path that does not exist is refused by listTree', async () => {
    await expect(paths('/nope')).rejects.toThrow(PathNotFoundError)
  })
})

describe('readTreeFile', () => {
  test('a file is read, also through a symbolic link', async () => {
    for (const path of ['/usr/a', '/usr/b']) {
      const { body, size } = await readTreeFile(repo, 'main', path)
      expect([new TextDecoder().decode(await readAll(body)), size]).toEqual(['two', 3])
    }
    const { body } = await readTreeFile(repo, first, '/usr/a')
    expect(new TextDecoder().decode(await readAll(body))).toBe('one')
  })

  test('a path that does not exist is refused by readTreeFile', async () => {
    await expect(readTreeFile(repo, 'main', '/usr/old')).rejects.toThrow(PathNotFoundError)
  })
})

test('diffCommits lists the differences of the trees of two revs', async () => {
  expect(await diffCommits(repo, 'main^', 'main')).toEqual({
    modified: ['/usr/a'],
    removed: ['/usr/old'],
    added: expect.arrayContaining(['/usr/b', '/new']),
  })
})
