/** Locks between two storages, and between a storage and other programs. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, write, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../../src/bytes.ts'
import { RepoLockedError } from '../../../../src/errors.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { regular, writeFlatCommit } from '../../../support/flat-commits.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { startStoreScript } from './store-child.ts'

const platform = nodePlatform
const root = temporaryFolder()
let made = 0

async function newRepo(config = 'lock-timeout-secs=0\n') {
  const path = join(root, `repo-${made++}`)
  const storage = await initFsStorage(path, { mode: 'archive', platform })
  await storage.writeConfig(`${await storage.readConfig()}${config}`)
  await storage[Symbol.asyncDispose]()
  return { path, storage: await openFsStorage(path, { platform }) }
}

const files = [{ name: 'file', header: regular(0o644), body: encodeUtf8('content') }]

describe('the lock of a repository directory', () => {
  test('a transaction waits for the lock as long as lock-timeout-secs says', async () => {
    const { path, storage } = await newRepo('lock-timeout-secs=1\n')
    const other = await openFsStorage(path, { platform })
    const held = await storage.lock('exclusive')
    const start = performance.now()
    await expect(other.begin()).rejects.toThrow(RepoLockedError)
    expect(performance.now() - start).toBeGreaterThan(900)
    const waiting = other.begin()
    await held[Symbol.asyncDispose]()
    const tx = await waiting
    await tx.commit()
    for (const each of [storage, other]) await each[Symbol.asyncDispose]()
  })

  test('a timeout of -1 waits until the storage is closed', async () => {
    const { path, storage } = await newRepo()
    const other = await openFsStorage(path, { platform })
    const held = await storage.lock('exclusive')
    const waiting = other.lock('shared', { timeout: -1 })
    const outcome = expect(waiting).rejects.toThrow(RepoLockedError)
    await other[Symbol.asyncDispose]()
    await outcome
    await held[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })

  test('a storage with both locks holds a shared lock when its exclusive one is released', async () => {
    const { path, storage } = await newRepo()
    const other = await openFsStorage(path, { platform })
    const shared = await storage.lock('shared')
    const exclusive = await storage.lock('exclusive')
    await expect(other.lock('shared')).rejects.toThrow(RepoLockedError)
    await exclusive[Symbol.asyncDispose]()
    const theirs = await other.lock('shared')
    await expect(other.lock('exclusive')).rejects.toThrow(RepoLockedError)
    await theirs[Symbol.asyncDispose]()
    await shared[Symbol.asyncDispose]()
    await (await other.lock('exclusive'))[Symbol.asyncDispose]()
    for (const each of [storage, other]) await each[Symbol.asyncDispose]()
  })

  test('a storage cannot take an exclusive lock during its own transaction', async () => {
    const { storage } = await newRepo()
    const tx = await storage.begin()
    await expect(storage.lock('exclusive')).rejects.toThrow(RepoLockedError)
    await (await storage.lock('shared'))[Symbol.asyncDispose]()
    await tx.commit()
    const exclusive = await storage.lock('exclusive')
    const within = await storage.begin()
    await (await storage.lock('exclusive'))[Symbol.asyncDispose]()
    await within.commit()
    await exclusive[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })

  test('`locking=false` in the configuration disables locks', async () => {
    const { path, storage } = await newRepo('locking=false\n')
    const other = await openFsStorage(path, { platform })
    const held = await storage.lock('exclusive')
    await (await other.begin()).commit()
    const refs = await storage.lockRefs?.()
    await (await other.lockRefs?.())?.[Symbol.asyncDispose]()
    await refs?.[Symbol.asyncDispose]()
    await held[Symbol.asyncDispose]()
    expect(readdirSync(path)).not.toContain('.refs.lock')
    expect(readdirSync(path)).not.toContain('.lock')
    for (const each of [storage, other]) await each[Symbol.asyncDispose]()
  })

  test('a lock is released when its process is killed', async () => {
    const { path, storage } = await newRepo()
    const child = startStoreScript(`
      const storage = await store.openFsStorage(${JSON.stringify(path)}, { platform: store.nodePlatform })
      const tx = await storage.begin()
      say('locked')
      setTimeout(() => {}, 60_000)
    `)
    await child.said('locked')
    await expect(storage.lock('exclusive')).rejects.toThrow(RepoLockedError)
    await child.kill()
    await (await storage.lock('exclusive'))[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })

  test('the lock for refs is released when its process is killed', async () => {
    const { path, storage } = await newRepo()
    const child = startStoreScript(`
      const storage = await store.openFsStorage(${JSON.stringify(path)}, { platform: store.nodePlatform })
      await storage.lockRefs()
      say('locked')
      setTimeout(() => {}, 60_000)
    `)
    await child.said('locked')
    await expect(storage.lockRefs?.()).rejects.toThrow(RepoLockedError)
    const shared = await storage.lock('shared')
    await child.kill()
    await (await storage.lockRefs?.())?.[Symbol.asyncDispose]()
    await shared[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })

  test('a lock without native calls excludes other storages of the same process', async () => {
    const { path, storage } = await newRepo()
    await storage[Symbol.asyncDispose]()
    const [one, other] = [
      await openFsStorage(path, { platform, native: null }),
      await openFsStorage(`${path}/../${path.slice(path.lastIndexOf('/') + 1)}`, { platform, native: null }),
    ]
    const held = await one.lock('exclusive')
    await expect(other.begin()).rejects.toThrow(RepoLockedError)
    await held[Symbol.asyncDispose]()
    await (await other.begin()).commit()
    const refs = await one.lockRefs?.()
    await expect(other.lockRefs?.()).rejects.toThrow(RepoLockedError)
    const shared = await other.lock('shared')
    await refs?.[Symbol.asyncDispose]()
    await (await other.lockRefs?.())?.[Symbol.asyncDispose]()
    await shared[Symbol.asyncDispose]()
    for (const each of [one, other]) await each[Symbol.asyncDispose]()
  })
})

/** Starts an ostree that has begun a transaction and waits for a tar from a pipe. */
async function ostreeInTransaction(path: string) {
  const pipe = join(root, `pipe-${made++}`)
  run('mkfifo', [pipe])
  const process = spawn('ostree', ['commit', `--repo=${path}`, '-b', 'theirs', `--tree=tar=${pipe}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (let tries = 0; tries < 500; tries++) {
    if (readdirSync(join(path, 'tmp')).some((name) => name.endsWith('-lock'))) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { process, pipe }
}

describeReference('ostree', 'locks of ostree and of a storage', () => {
  test('neither can prune during a transaction of the other', async () => {
    const { path, storage } = await newRepo()
    const first = await storage.begin()
    await writeFlatCommit(first, files, 'main')
    await first.commit()

    const tx = await storage.begin()
    const prune = spawnSync('ostree', ['prune', `--repo=${path}`])
    expect(prune.stderr.toString()).toContain('Locking repo exclusive failed: Resource temporarily unavailable')
    await tx.commit()
    expect(run('ostree', ['prune', `--repo=${path}`])).toContain('Total objects')

    const { process, pipe } = await ostreeInTransaction(path)
    await expect(storage.lock('exclusive')).rejects.toThrow(
      'Locking repo exclusive failed: Resource temporarily unavailable',
    )
    const beside = await storage.begin()
    await writeFlatCommit(beside, files, 'beside', 'another')
    await beside.commit()
    closeSync(openSync(pipe, 'w'))
    await once(process, 'close')
    await (await storage.lock('exclusive'))[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
  })

  test('ostree cannot commit during an exclusive lock of a storage', async () => {
    const { path, storage } = await newRepo()
    const exclusive = await storage.lock('exclusive')
    mkdirSync(join(root, 'tree'), { recursive: true })
    const commit = spawnSync('ostree', ['commit', `--repo=${path}`, '-b', 'x', `--tree=dir=${join(root, 'tree')}`])
    expect(commit.stderr.toString()).toContain('Locking repo shared failed: Resource temporarily unavailable')
    await exclusive[Symbol.asyncDispose]()
    run('ostree', ['commit', `--repo=${path}`, '-b', 'x', `--tree=dir=${join(root, 'tree')}`])
    await storage[Symbol.asyncDispose]()
  })
})

describeReference('python3', 'locks of a program that uses fcntl', () => {
  test.each([
    ['F_RDLCK', 'shared', true],
    ['F_RDLCK', 'exclusive', false],
    ['F_WRLCK', 'shared', false],
    ['F_WRLCK', 'exclusive', false],
  ] as const)('a lock of %s allows a %s lock: %s', async (held, wanted, possible) => {
    const { path, storage } = await newRepo()
    const holder = spawn(
      'python3',
      [
        '-c',
        `import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o660)
fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.${held}, 0, 0, 0, 0))
print('held', flush=True)
sys.stdin.read()`,
        join(path, '.lock'),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    await once(holder.stdout, 'data')
    const attempt = storage.lock(wanted)
    if (possible) await (await attempt)[Symbol.asyncDispose]()
    else await expect(attempt).rejects.toThrow(RepoLockedError)
    holder.stdin.end()
    await once(holder, 'close')
    await (await storage.lock(wanted))[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })
})

describeReference(['ostree', 'tar'], 'staging directories of ostree and of a storage', () => {
  test('the staged objects of a killed ostree are used by the next transaction', async () => {
    const { path, storage } = await newRepo()
    const { process, pipe } = await ostreeInTransaction(path)
    const tar = join(root, 'one.tar')
    mkdirSync(join(root, 'one'))
    const body = encodeUtf8('written by the one that was killed')
    writeFileSync(join(root, 'one/file'), body, { mode: 0o644 })
    // The stream is longer than what is written to the pipe, so ostree stages the file and waits for the rest.
    const padding = 'x'.repeat(3_000_000)
    writeFileSync(join(root, 'one/padding'), padding)
    run('tar', ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-cf', tar, '-C', join(root, 'one'), '.'])
    const fd = openSync(pipe, 'w')
    const bytes = spawnSync('cat', [tar], { maxBuffer: 1 << 24 }).stdout
    await promisify(write)(fd, bytes, 0, 2_000_000)
    const staged = () =>
      readdirSync(join(path, 'tmp'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.filez'))
    for (let tries = 0; tries < 500 && staged().length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    process.kill('SIGKILL')
    await once(process, 'close')
    closeSync(fd)
    expect(staged()).toHaveLength(1)

    const tx = await storage.begin()
    const header = regular(0o644)
    const checksum = await tx.writeFile({ header, size: body.length, body })
    expect(await tx.has({ checksum, type: 'file' })).toBe(true)
    expect(tx.stats.contentWritten).toBe(0)
    expect((await tx.readFile(checksum)).body).toEqual(body)
    await writeFlatCommit(tx, [{ name: 'file', header, body }], 'main')
    await tx.commit()
    expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
    expect(await storage.objects.has({ checksum, type: 'file' })).toBe(true)
    await storage[Symbol.asyncDispose]()
  })

  test('neither removes the staging directory of a running transaction of the other', async () => {
    const { path, storage } = await newRepo()
    const tx = await storage.begin()
    const body = encodeUtf8('not yet')
    const checksum = await tx.writeFile({ header: regular(0o644), size: body.length, body })
    mkdirSync(join(root, 'other-tree'))
    writeFileSync(join(root, 'other-tree/file'), 'other')
    run('ostree', ['commit', `--repo=${path}`, '-b', 'theirs', `--tree=dir=${join(root, 'other-tree')}`])
    expect(await storage.objects.has({ checksum, type: 'file' })).toBe(false)

    const { process, pipe } = await ostreeInTransaction(path)
    await tx.commit()
    expect(await storage.objects.has({ checksum, type: 'file' })).toBe(true)
    await (await storage.begin()).commit()
    const tar = spawnSync('tar', ['-cf', '-', '-C', join(root, 'other-tree'), '.']).stdout
    const fd = openSync(pipe, 'w')
    writeFileSync(fd, tar)
    closeSync(fd)
    const [code] = (await once(process, 'close')) as [number]
    expect(code).toBe(0)
    expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
    await storage[Symbol.asyncDispose]()
  })

  test('staging directories of an earlier boot and files of two days ago are removed, and new files are not', async () => {
    const { path, storage } = await newRepo()
    const tmp = join(path, 'tmp')
    for (const name of ['staging-other-boot-ABCDEF/ab', 'old-directory/below', 'new-directory']) {
      mkdirSync(join(tmp, name), { recursive: true })
    }
    for (const name of ['staging-other-boot-ABCDEF-lock', 'old-file', 'new-file']) writeFileSync(join(tmp, name), '')
    for (const name of ['old-directory', 'old-file']) run('touch', ['-d', '2 days ago', join(tmp, name)])
    const tx = await storage.begin()
    tx.setRef('heads/none', { commit: '11'.repeat(32) as Checksum })
    await tx.commit()
    expect(readdirSync(tmp).sort()).toEqual(['cache', 'new-directory', 'new-file'])
    await storage[Symbol.asyncDispose]()
  })
})
