/** Hostile repositories, and repositories that other programs use: commands fail with an error, and change nothing outside. */
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { checksumMeta, DirTree, loosePath } from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { type Repo, writeCommit } from '../../src/repo/index.ts'
import { openRepo } from '../../src/repo/local.ts'
import { commitTree } from '../support/commits.ts'
import { type Outcome, runInProcess } from '../support/in-process.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { makePlace, type Place } from './refused.ts'

const root = temporaryFolder()

async function withRepo<T>(path: string, work: (repo: Repo) => Promise<T>): Promise<T> {
  const repo = await openRepo(path)
  try {
    return await work(repo)
  } finally {
    await repo.close()
  }
}

const ostree = (place: Place, ...words: string[]): Promise<Outcome> => runInProcess(words, place.path)

function errorOf({ status, stderr }: Outcome): string {
  expect(status).toBe(1)
  const at = stderr.lastIndexOf('error: ')
  expect(at === 0 || stderr[at - 1] === '\n', stderr).toBe(true)
  return stderr.slice(at)
}

describe('commands with invalid names of refs', () => {
  const NAMES = ['../../outside', 'a/../../outside', '/etc/x', 'a//b', '.', '..', 'a b', 'a\nb', '-x:y:z', 'x/', '']
  test.each(NAMES)('the name %j is refused by every command', async (name) => {
    const place = await makePlace(root)
    for (const path of place.repos) {
      const commit = await withRepo(path, (repo) => commitTree(repo, { f: 'x' }))
      for (const words of [
        ['commit', `--repo=${path}`, `--branch=${name}`, `--tree=ref=${commit}`],
        ['refs', `--repo=${path}`, `--create=${name}`, commit],
      ]) {
        errorOf(await ostree(place, ...words))
      }
      expect((await ostree(place, 'refs', `--repo=${path}`)).stdout).toBe('main\n')
      expect(readFileSync(join(place.path, 'outside'), 'utf8')).toBe('as it was')
    }
  })
})

describe('commands on a repository with an invalid configuration', () => {
  test.each([
    [
      'junk',
      'no group and no key\n',
      /opening repo: Couldn't parse config file: Key file contains line “no group and no key” which is not/,
    ],
    [
      'an unknown mode',
      '[core]\nrepo_version=1\nmode=strange\n',
      /opening repo: Invalid mode 'strange' in repository configuration/,
    ],
    ['a newer version', '[core]\nrepo_version=2\nmode=bare\n', /opening repo: Invalid repository version '2'/],
    ['a parent that is itself', '[core]\nrepo_version=1\nmode=bare-user\nparent=.\n', /opening repo: /],
    ['bytes that are not UTF-8', Uint8Array.of(0x5b, 0x63, 0x5d, 10, 0xff, 0x3d, 0xff, 10), /opening repo: /],
    ['an empty file', '', /opening repo: /],
  ])('a repository is not opened if its configuration has %s', async (_, text, message) => {
    const place = await makePlace(root)
    const [path = ''] = place.repos
    writeFileSync(join(path, 'config'), text)
    expect(errorOf(await ostree(place, 'refs', `--repo=${path}`))).toMatch(message)
  })
})

/** Writes a commit of an invalid dirtree, as a hostile program would. */
async function plant(path: string, tree: Uint8Array): Promise<void> {
  await withRepo(path, async (repo) => {
    const sound = await repo.readCommit(await commitTree(repo, { a: 'x' }))
    const checksum = checksumMeta(nodePlatform, tree)
    const at = join(path, loosePath({ checksum, type: 'dirtree' }, false))
    mkdirSync(join(at, '..'), { recursive: true })
    writeFileSync(at, tree)
    const commit = await repo.transaction((tx) =>
      writeCommit(tx, { root: { tree: checksum, meta: sound.rootMeta }, timestamp: 1n }),
    )
    await repo.setRef('bad', commit)
  })
}

const file = 'ab'.repeat(32) as Checksum
const files = (...names: string[]) =>
  DirTree.encode({ files: names.map((name) => ({ name, checksum: file })), dirs: [] })

describe('commands on a repository with an invalid dirtree', () => {
  test.each([
    ['unsorted names', files('b', 'a'), /Incorrectly sorted filename/],
    ['a name twice', files('a', 'a'), /Duplicate filename a/],
    ['a name with a slash', files('../outside'), /Invalid \/ in filename \.\.\/outside/],
    ['the name ..', files('..'), /Invalid path uplink filename '\.\.'/],
    ['an empty name', files(''), /Invalid empty filename/],
    ['bytes that are not in normal form', Uint8Array.of(...files('a'), 0xff), /normal form|Not normal|corrupt/i],
    ['bytes that are not a dirtree', new TextEncoder().encode('garbage'), /.+/],
  ])('ls, checkout, diff and fsck refuse a directory with %s', async (_, tree, message) => {
    const place = await makePlace(root)
    const [path = ''] = place.repos
    await plant(path, tree)
    for (const words of [
      ['ls', `--repo=${path}`, '-R', 'bad'],
      ['checkout', `--repo=${path}`, '-U', 'bad', join(place.path, 'out')],
      ['diff', `--repo=${path}`, 'main', 'bad'],
    ]) {
      expect(errorOf(await ostree(place, ...words)), words[0]).toMatch(message)
      rmSync(join(place.path, 'out'), { recursive: true, force: true })
    }
    errorOf(await ostree(place, 'fsck', `--repo=${path}`))
    expect(readFileSync(join(place.path, 'outside'), 'utf8')).toBe('as it was')
  })

  test('checkout and diff refuse a tree that is nested deeper than the limit', async () => {
    const place = await makePlace(root)
    const [path = ''] = place.repos
    await withRepo(path, async (repo) => {
      const { rootMeta } = await repo.readCommit(await commitTree(repo, { a: 'x' }))
      const commit = await repo.transaction(async (tx) => {
        let tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
        for (let depth = 0; depth < 2500; depth++) {
          tree = await tx.writeMeta(
            'dirtree',
            DirTree.encode({ files: [], dirs: [{ name: 'd', tree, meta: rootMeta }] }),
          )
        }
        return writeCommit(tx, { root: { tree, meta: rootMeta }, timestamp: 1n })
      })
      await repo.setRef('deep', commit)
    })
    for (const words of [
      ['checkout', `--repo=${path}`, '-U', 'deep', join(place.path, 'out')],
      ['diff', `--repo=${path}`, 'main', 'deep'],
    ]) {
      expect(errorOf(await ostree(place, ...words))).toMatch(/depth|2048|too long|deep/i)
    }
    // The directories are nested deeper than rmSync can remove.
    run('rm', ['-rf', join(place.path, 'out')])
    expect(await ostree(place, 'fsck', `--repo=${path}`)).toMatchObject({ status: 0 })
  })
})

const HOLD = `
import fcntl, sys
held = open(sys.argv[1], 'a+')
fcntl.lockf(held, fcntl.LOCK_SH)
print('held', flush=True)
sys.stdin.read()
`

describeReference('python3', 'commands on a repository directory that another program has locked', () => {
  test('prune is refused until the lock is released', async () => {
    const place = await makePlace(root)
    const [path = ''] = place.repos
    appendFileSync(join(path, 'config'), 'lock-timeout-secs=0\n')
    const holder = spawn('python3', ['-c', HOLD, join(path, '.lock')])
    try {
      await new Promise((resolve) => holder.stdout.once('data', resolve))
      expect(errorOf(await ostree(place, 'prune', `--repo=${path}`))).toMatch(
        /Locking repo exclusive failed|Resource temporarily unavailable|lock/i,
      )
    } finally {
      holder.stdin.end()
      await new Promise((resolve) => holder.once('close', resolve))
    }
    expect(await ostree(place, 'prune', `--repo=${path}`)).toMatchObject({ status: 0 })
  })
})

test('commit is refused while an SQLite file has a transaction, and succeeds afterwards', async () => {
  const place = await makePlace(root)
  const path = place.repos[1] as string
  expect(await ostree(place, 'config', `--repo=${path}`, 'set', 'core.lock-timeout-secs', '0')).toMatchObject({
    status: 0,
  })
  const commit = await withRepo(path, (repo) => commitTree(repo, { f: 'x' }))
  const words = ['commit', `--repo=${path}`, '-b', 'other', `--tree=ref=${commit}`]
  await withRepo(path, async (repo) => {
    const tx = await repo.begin()
    await tx.writeMeta('dirtree', files('held'))
    expect(errorOf(await ostree(place, ...words))).toMatch(/lock/i)
    await tx[Symbol.asyncDispose]()
  })
  expect((await ostree(place, 'refs', `--repo=${path}`)).stdout).toBe('main\n')
  expect(await ostree(place, ...words)).toMatchObject({ status: 0 })
})

describeReference('mount', 'commands on a repository on another file system', () => {
  let mounts = 0
  let disk = ''
  async function mountedPlace(size: string): Promise<Place> {
    disk = join(root, `disk${mounts++}`)
    mkdirSync(disk)
    run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk])

    return makePlace(disk)
  }

  test.each([0, 1])(
    'a commit fails on a full disk without a ref, and a smaller one succeeds (store %i)',
    async (which) => {
      const place = await mountedPlace('4m')
      const path = place.repos[which] as string
      if (which === 0) appendFileSync(join(path, 'config'), 'min-free-space-percent=0\n')
      const tree = join(root, `tree${which}`)
      mkdirSync(tree)
      for (let i = 0; i < 60; i++) {
        writeFileSync(join(tree, `f${i}`), Buffer.alloc(100_000, `${i} `.repeat(1 + (i % 7))))
      }
      const said = errorOf(await runInProcess(['commit', `--repo=${path}`, '-b', 'main', tree], root))
      expect(said).toMatch(/No space left on device|disk is full/)
      expect((await runInProcess(['refs', `--repo=${path}`], root)).stdout).toBe('')
      expect(await runInProcess(['fsck', `--repo=${path}`], root)).toMatchObject({ status: 0 })
      for (let i = 5; i < 60; i++) rmSync(join(tree, `f${i}`))
      const small = await runInProcess(['commit', `--repo=${path}`, '-b', 'main', tree], root)
      expect(small).toMatchObject({ status: 0, stderr: '' })
    },
  )

  test('a commit that would exceed min-free-space-size is refused', async () => {
    const place = await mountedPlace('8m')
    const [path = ''] = place.repos
    appendFileSync(join(path, 'config'), 'min-free-space-size=7MB\n')
    const tree = join(root, 'tree-free')
    mkdirSync(tree)
    for (let i = 0; i < 40; i++) writeFileSync(join(tree, `f${i}`), Buffer.alloc(100_000, `${i}`))
    const said = errorOf(await runInProcess(['commit', `--repo=${path}`, '-b', 'main', tree], root))
    expect(said).toMatch(/min-free-space-size 7MB would be exceeded/)
    expect((await runInProcess(['refs', `--repo=${path}`], root)).stdout).toBe('')
  })

  test.each([0, 1])('a read-only repository is read, and commands that write are refused (store %i)', async (which) => {
    const place = await mountedPlace('8m')
    const path = place.repos[which] as string
    const commit = await withRepo(path, (repo) => commitTree(repo, { f: 'x' }))
    run('mount', ['-o', 'remount,ro', disk])
    const attempt = (...words: string[]) => runInProcess(words, root)
    expect(await attempt('rev-parse', `--repo=${path}`, 'main')).toMatchObject({ status: 0, stdout: `${commit}\n` })
    expect(await attempt('fsck', `--repo=${path}`)).toMatchObject({ status: 0 })
    for (const words of [
      ['commit', `--repo=${path}`, '-b', 'other', '--tree=ref=main'],
      ['refs', `--repo=${path}`, '--create=other', 'main'],
      ['prune', `--repo=${path}`],
      ['config', `--repo=${path}`, 'set', 'core.x', 'y'],
    ]) {
      expect(errorOf(await attempt(...words)), words[0]).toMatch(/read-only|Read-only/i)
    }
  })
})
