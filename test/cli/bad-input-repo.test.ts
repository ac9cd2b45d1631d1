/** Repositories that somebody tampered with, or that are used by others: an error each, never a crash or a way out. */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { checksumMeta, DirTree, loosePath } from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { type Repo, writeCommit } from '../../src/repo/index.ts'
import { openRepo } from '../../src/repo/local.ts'
import { commitTree } from '../support/commits.ts'
import { type Outcome, runInProcess } from '../support/in-process.ts'
import { isRoot } from '../support/machine.ts'
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

describe('names of refs', () => {
  const NAMES = ['../../outside', 'a/../../outside', '/etc/x', 'a//b', '.', '..', 'a b', 'a\nb', '-x:y:z', 'x/', '']
  test.each(NAMES)('%j is refused wherever one is given', async (name) => {
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

describe('a configuration', () => {
  test.each([
    [
      'junk',
      'no group and no key\n',
      /opening repo: Couldn't parse config file: Key file contains line “no group and no key” which is not/,
    ],
    [
      'a mode nobody knows',
      '[core]\nrepo_version=1\nmode=strange\n',
      /opening repo: Invalid mode 'strange' in repository configuration/,
    ],
    ['a version of tomorrow', '[core]\nrepo_version=2\nmode=bare\n', /opening repo: Invalid repository version '2'/],
    ['a parent that is itself', '[core]\nrepo_version=1\nmode=bare-user\nparent=.\n', /opening repo: /],
    ['no UTF-8', Uint8Array.of(0x5b, 0x63, 0x5d, 10, 0xff, 0x3d, 0xff, 10), /opening repo: /],
    ['nothing', '', /opening repo: /],
  ])('of %s opens no repository', async (_, text, message) => {
    const place = await makePlace(root)
    const [path = ''] = place.repos
    writeFileSync(join(path, 'config'), text)
    expect(errorOf(await ostree(place, 'refs', `--repo=${path}`))).toMatch(message)
  })
})

/** Written past all checks, as a hostile program would. */
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

describe('a directory', () => {
  test.each([
    ['unsorted names', files('b', 'a'), /Incorrectly sorted filename/],
    ['a name twice', files('a', 'a'), /Duplicate filename a/],
    ['a name with a slash', files('../outside'), /Invalid \/ in filename \.\.\/outside/],
    ['the name ..', files('..'), /Invalid path uplink filename '\.\.'/],
    ['an empty name', files(''), /Invalid empty filename/],
    ['bytes that are not in normal form', Uint8Array.of(...files('a'), 0xff), /normal form|Not normal|corrupt/i],
    ['no bytes of a directory', new TextEncoder().encode('garbage'), /.+/],
  ])('of %s is neither listed, checked out nor found sound', async (_, tree, message) => {
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

  test('that nests without end is followed to the ceiling', async () => {
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
    // Deeper than rmSync can follow.
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

describeReference('python3', 'a repository that another program writes to', () => {
  test('is not pruned meanwhile', async () => {
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

test('a file that another writer holds ends a commit, and takes the next', async () => {
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

const mounted: string[] = []
afterAll(() => {
  for (const path of mounted.reverse()) spawnSync('umount', ['-l', path])
})

/** `mount` may be forbidden in a container, even to root. Where the reference is required it has to be allowed. */
function mayMount(): boolean {
  if (!isRoot) return false
  const probe = join(root, 'mount-probe')
  mkdirSync(probe)
  const allowed = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', probe]).status === 0
  if (allowed) run('umount', [probe])
  else if (process.env['REQUIRE_REFERENCE'] === '1') throw new Error('mounting is not allowed here')
  return allowed
}

describe.skipIf(!mayMount())('a disk (which only root can mount)', () => {
  async function mountedPlace(size: string): Promise<Place> {
    const disk = join(root, `disk${mounted.length}`)
    mkdirSync(disk)
    run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk])
    mounted.push(disk)
    return makePlace(disk)
  }

  test.each([0, 1])('that runs full ends a commit without a ref, and there is room again (store %i)', async (which) => {
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
  })

  test('that must keep some room free takes no more', async () => {
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

  test.each([0, 1])('that is read-only is read, and not written to (store %i)', async (which) => {
    const place = await mountedPlace('8m')
    const path = place.repos[which] as string
    const commit = await withRepo(path, (repo) => commitTree(repo, { f: 'x' }))
    run('mount', ['-o', 'remount,ro', mounted.at(-1) as string])
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
