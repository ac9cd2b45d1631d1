import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { ConflictError, InvalidNameError, OstreeError, RefNotFoundError } from '../../../src/errors.ts'
import { EMPTY_TREE } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, writeCommit } from '../../../src/repo/index.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

async function repository(parent?: Repo): Promise<Repo> {
  return Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform, { parent })
}

/** Makes the commits of a history. @returns their checksums, the first commit first */
function history(repo: Repo, length: number, subject = ''): Promise<Checksum[]> {
  return repo.transaction(async (tx) => {
    const commits: Checksum[] = []
    for (let i = 0; i < length; i++) {
      const root = { tree: EMPTY_TREE, meta: EMPTY_TREE }
      commits.push(await writeCommit(tx, { root, parent: commits.at(-1), subject, timestamp: BigInt(i) }))
    }
    return commits
  })
}

describe('resolve', () => {
  test('64 hex digits are the checksum itself, whether the commit exists or not', async () => {
    const nowhere = '0'.repeat(64) as Checksum
    expect(await (await repository()).resolve(nowhere)).toBe(nowhere)
  })

  test('a unique beginning of a checksum is a commit, even an empty one', async () => {
    const repo = await repository()
    const [first] = (await history(repo, 1)) as [Checksum]
    expect(await repo.resolve(first.slice(0, 5))).toBe(first)
    expect(await repo.resolve(first.slice(0, 63))).toBe(first)
    expect(await repo.resolve('')).toBe(first)
    const [other] = (await history(repo, 1, 'other')) as [Checksum]
    expect(await repo.resolve(other.slice(0, 20))).toBe(other)
    await expect(repo.resolve('')).rejects.toThrow(new InvalidNameError('', 'Refspec  not unique'))
  })

  test('each caret leads to a parent', async () => {
    const repo = await repository()
    const [first, second, third] = (await history(repo, 3)) as [Checksum, Checksum, Checksum]
    await repo.setRef('main', third)
    expect(await repo.resolve('main^')).toBe(second)
    expect(await repo.resolve('main^^')).toBe(first)
    expect(await repo.resolve(`${third}^^`)).toBe(first)
    expect(await repo.resolve(`${third.slice(0, 8)}^`)).toBe(second)
    await expect(repo.resolve('main^^^')).rejects.toThrow(`Commit ${first} has no parent`)
    expect(await repo.tryResolve('nothing^^')).toBeUndefined()
    await expect(repo.resolve(`main${'^'.repeat(20000)}`)).rejects.toThrow(RefNotFoundError)
  })

  test('a name is a local ref, else REMOTE/REF, else a ref of any remote', async () => {
    const repo = await repository()
    const [a, b, c] = (await history(repo, 3)) as [Checksum, Checksum, Checksum]
    await repo.setRef('o:main', b)
    await repo.setRef('z:main', c)
    expect(await repo.resolve('main')).toBe(b)
    expect(await repo.resolve('z/main')).toBe(c)
    await repo.setRef('main', a)
    expect(await repo.resolve('main')).toBe(a)
    expect(await repo.resolve('o:main')).toBe(b)
    expect(await repo.tryResolve('o:other')).toBeUndefined()
  })

  test('a refspec that does not exist is a RefNotFoundError', async () => {
    const repo = await repository()
    await expect(repo.resolve('o:main')).rejects.toThrow(new RefNotFoundError('o:main', "Refspec 'o:main' not found"))
  })

  test('the name of a directory of refs is refused', async () => {
    const repo = await repository()
    await repo.setRef('a/b', '0'.repeat(64) as Checksum)
    await expect(repo.resolve('a')).rejects.toThrow(new ConflictError('a', "Couldn't open ref 'a': Is a directory"))
  })

  test('refs and commits of the parent repository are found last', async () => {
    const parent = await repository()
    const repo = await repository(parent)
    const [theirs] = (await history(parent, 1)) as [Checksum]
    const [ours] = (await history(repo, 1, 'ours')) as [Checksum]
    await parent.setRef('main', theirs)
    await parent.setRef('both', theirs)
    await repo.setRef('both', ours)
    expect(await repo.resolve('main')).toBe(theirs)
    expect(await repo.resolve('both')).toBe(ours)
    expect(await repo.resolve(theirs.slice(0, 10))).toBe(theirs)
    expect((await repo.listRefs()).map((ref) => ref.name)).toEqual(['both'])
  })
})

describeReference('ostree', 'resolve and `ostree rev-parse`', () => {
  const folder = temporaryFolder('disk')
  const path = join(folder, 'repo')
  let repo: Repo

  beforeAll(async () => {
    repo = await repository()
    run('ostree', ['init', '--repo', path, '--mode=archive'])
    const commits: Checksum[] = []
    const ostree = (...args: string[]) => run('ostree', [...args, '--repo', path]).trim()
    for (const [i, branch] of ['main', 'main', 'a/b', 'main'].entries()) {
      const tree = join(folder, `tree-${i}`)
      run('mkdir', [tree])
      commits.push(ostree('commit', '-b', branch, `--tree=dir=${tree}`, `--timestamp=@${i}`) as Checksum)
    }
    const refs: Record<string, Checksum> = {
      main: commits[3],
      'a/b': commits[2],
      'é:f': commits[0],
      'o:g': commits[1],
    } as never
    for (const [refspec, commit] of Object.entries(refs)) {
      if (refspec.includes(':')) ostree('refs', '--create', refspec, commit)
      await repo.setRef(refspec, commit)
    }
    symlinkSync('main', join(path, 'refs/heads/alias'))
    await repo.refs.write('heads/alias', { alias: 'heads/main' })
    symlinkSync('nowhere', join(path, 'refs/heads/dangling'))
    await repo.refs.write('heads/dangling', { alias: 'heads/nowhere' })
    await repo.transaction(async (tx) => {
      for (const commit of commits) {
        const loose = join(path, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commit`)
        await tx.writeMeta('commit', new Uint8Array(readFileSync(loose)))
      }
    })
    writeFileSync(join(folder, 'commits'), commits.join('\n'))
  })

  const revs = [
    ...[
      'main',
      'main^',
      'main^^',
      'main^^^',
      'a/b',
      'a/b^',
      'a',
      'a^',
      'f',
      'g',
      'é',
      'é/f',
      'é:f',
      'o:g^',
      'o:f',
      'alias',
    ],
    ...[
      'alias^',
      'dangling',
      'nope',
      'o:nope',
      'x:nope',
      '',
      '^',
      '^^',
      'sp ace',
      ':x',
      'r:',
      'a:b:c',
      'a//b',
      '/b',
      '.b',
      'b/',
    ],
    ...[
      'b..c',
      '0'.repeat(64),
      '0'.repeat(65),
      'f'.repeat(63),
      'deadbeef',
      'DEADBEEF',
      'main^x',
      'main ^',
      'main~1',
      'refs/heads/main',
    ],
  ]
  test.each(revs)('the rev %j has the same commit or error', async (rev) => {
    const theirs = spawnSync('ostree', ['rev-parse', '--repo', path, rev], { encoding: 'utf8' })
    let ours: string
    try {
      ours = `${await repo.resolve(rev)}\n`
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      ours = `error: ${error.message}\n`
    }
    expect(ours).toBe(theirs.stdout + theirs.stderr)
  })

  test('the first 12 digits of every checksum are resolved', async () => {
    for (const commit of readFileSync(join(folder, 'commits'), 'utf8').split('\n')) {
      expect(await repo.resolve(commit.slice(0, 12))).toBe(commit)
    }
  })
})
