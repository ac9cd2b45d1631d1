/** Threads that write small files: the objects are the same as with one thread. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { encodeUtf8, readAll } from '../../../../src/bytes.ts'
import { IoError } from '../../../../src/errors.ts'
import { verifyFile } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import type { Storage, Transaction } from '../../../../src/repo/index.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { GATE } from '../../../../src/system/threads/thread-program.ts'
import { threadProgram } from '../../../support/bundle.ts'
import { linkTo, regular, type TreeFile, writeFlatCommit } from '../../../support/flat-commits.ts'
import { isRoot } from '../../../support/machine.ts'
import { hasReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const platform = nodePlatform
const root = temporaryFolder()
const writers = { count: 2, program: threadProgram('write-worker'), after: 1 }
let made = 0

function place(): string {
  return join(root, `repo-${made++}`)
}

/** The state of each thread that was started, as in src/system/threads/thread-program.ts. */
const gates: Int32Array[] = []
vi.stubGlobal(
  'SharedArrayBuffer',
  class extends SharedArrayBuffer {
    constructor(size: number) {
      super(size)
      gates.push(new Int32Array(this))
    }
  },
)
afterAll(() => vi.unstubAllGlobals())

/** Writes a file, so that threads are started, and waits until they run. */
async function warmUp(tx: Transaction): Promise<void> {
  await tx.writeFile({ header: regular(0o600), size: 1, body: encodeUtf8('w') })
  const started = () => expect(gates.filter(([state]) => state !== GATE.loaded)).toEqual([])
  await vi.waitFor(started, { timeout: 20_000 })
  // The message that the thread is ready follows.
  await new Promise((resolve) => setTimeout(resolve, 100))
}

function manyFiles(count: number, rich: boolean): TreeFile[] {
  const xattrs = [[encodeUtf8('user.x'), encodeUtf8('value')]] as const
  return Array.from({ length: count }, (_, i): TreeFile => {
    const name = `f${i.toString().padStart(5, '0')}`
    if (i % 50 === 49) return { name, header: linkTo(`target-${i}`), body: new Uint8Array(0) }
    if (i % 400 === 3) return { name, header: regular(0o644), body: new Uint8Array(700_000).fill(i) }
    const more = rich && i % 7 === 0 ? { uid: 1000, gid: i, xattrs } : {}
    const body = encodeUtf8(`content of ${i} `.repeat(i % 300))
    return { name, header: regular(i % 3 === 0 ? 0o755 : 0o644, more), body }
  })
}

async function checkAll(storage: Storage, expected: number): Promise<void> {
  let found = 0
  for await (const { checksum } of storage.objects.list('file')) {
    const { header, body } = await storage.objects.readFile(checksum)
    verifyFile(platform, header, await readAll(body), checksum)
    found++
  }
  expect(found).toBe(expected)
}

describe('writer threads of a repository directory', () => {
  test.each(['archive', 'bare-user-only', 'bare-user', ...(isRoot ? (['bare'] as const) : [])] as const)(
    'threads write the same objects as one thread: mode %s',
    async (mode) => {
      const files = manyFiles(2500, mode !== 'bare-user-only')
      const path = place()
      const storage = await initFsStorage(path, { mode, platform, writers })
      const single = await initFsStorage(place(), { mode, platform, writers: null })
      const tx = await storage.begin({ fsync: false })
      await warmUp(tx)
      const commit = await writeFlatCommit(tx, files, 'main')
      const stats = await tx.commit()
      const other = await single.begin({ fsync: false })
      await other.writeFile({ header: regular(0o600), size: 1, body: encodeUtf8('w') })
      expect(await writeFlatCommit(other, files, 'main')).toBe(commit)
      expect(await other.commit()).toEqual(stats)
      await checkAll(storage, stats.contentWritten)

      // The threads are already running in the second transaction.
      const again = await storage.begin({ fsync: false })
      const more = manyFiles(2600, false)
      await writeFlatCommit(again, more, 'more')
      const { contentWritten } = await again.commit()
      await checkAll(storage, stats.contentWritten + contentWritten)
      if (hasReference('ostree')) expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
      for (const each of [storage, single]) await each[Symbol.asyncDispose]()
    },
  )

  test('a file that a thread writes can be read at once', async () => {
    const storage = await initFsStorage(place(), { mode: 'archive', platform, writers })
    const tx = await storage.begin()
    await warmUp(tx)
    let waited = 0
    for (let i = 0; i < 300; i++) {
      const header = regular(0o644)
      const body = encodeUtf8(`read at once ${i}`)
      const checksum = await tx.writeFile({ header, size: body.length, body })
      body.fill(0)
      expect(await tx.has({ checksum, type: 'file' })).toBe(true)
      if (i % 10 === 0) {
        const info = tx.statFile(checksum)
        if (info instanceof Promise) waited++
        expect(await info).toEqual({ header, size: body.length })
        const read = await tx.readFile(checksum)
        expect(new TextDecoder().decode(read.body as Uint8Array)).toBe(`read at once ${i}`)
      }
    }
    // If no read had to wait, no thread would have written a file.
    expect(waited).toBeGreaterThan(10)
    await tx.checkpoint()
    await checkAll(storage, 301)
    await tx.commit()
    await storage[Symbol.asyncDispose]()
  })

  test('an error in a thread fails the transaction, and the next transaction works', async () => {
    const path = place()
    const storage = await initFsStorage(path, { mode: 'bare-user-only', platform, writers })
    const tx = await storage.begin()
    await warmUp(tx)
    const write = async (count: number, into: Transaction) => {
      for (let i = 0; i < count; i++) {
        const body = encodeUtf8(`file ${i}`)
        await into.writeFile({ header: regular(0o644), size: body.length, body })
      }
    }
    await write(300, tx)
    const [staging] = readdirSync(join(path, 'tmp')).filter(
      (name) => /^staging-.*[^k]$/.test(name) && !name.endsWith('-lock'),
    )
    rmSync(join(path, 'tmp', staging ?? '', 'unsealed'), { recursive: true })
    mkdirSync(join(path, 'tmp', staging ?? '', 'unsealed'))
    // The class, the errno and the stack come from the other thread.
    const failure = await tx.commit().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(IoError)
    expect(failure).toMatchObject({ data: { errno: 'ENOENT' }, cause: { data: { errno: 'ENOENT' } } })
    expect(((failure as IoError).cause as IoError).stack).toContain('write-worker')
    await tx[Symbol.asyncDispose]()
    expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])

    const next = await storage.begin()
    await write(500, next)
    await next.commit()
    await checkAll(storage, 500)
    await storage[Symbol.asyncDispose]()
  })

  test('a transaction that is aborted while threads write leaves no files', async () => {
    const path = place()
    const storage = await initFsStorage(path, { mode: 'archive', platform, writers })
    const tx = await storage.begin()
    await warmUp(tx)
    for (const { header, body } of manyFiles(1500, true)) await tx.writeFile({ header, size: body.length, body })
    await tx[Symbol.asyncDispose]()
    expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
    await checkAll(storage, 0)
    await storage[Symbol.asyncDispose]()
  })

  test('threads are replaced when the configuration changes, and end when the storage is closed', async () => {
    const storage = await initFsStorage(place(), { mode: 'archive', platform, writers })
    for (const level of [1, 9]) {
      await storage.writeConfig(`[core]\nrepo_version=1\nmode=archive-z2\n[archive]\nzlib-level=${level}\n`)
      const tx = await storage.begin()
      await warmUp(tx)
      await writeFlatCommit(tx, manyFiles(300, false), `level-${level}`)
      await tx.commit()
    }
    await storage[Symbol.asyncDispose]()
  })

  test('all files are written if threads cannot be started', async () => {
    const program = new URL('./there-is-no-such-program.mjs', import.meta.url)
    expect(existsSync(program)).toBe(false)
    const storage = await initFsStorage(place(), { mode: 'archive', platform, writers: { ...writers, program } })
    for (let round = 0; round < 2; round++) {
      const tx = await storage.begin()
      await tx.writeFile({ header: regular(0o600), size: 1, body: encodeUtf8('w') })
      await new Promise((resolve) => setTimeout(resolve, 400))
      await writeFlatCommit(tx, manyFiles(100 + round, false), `main-${round}`)
      await tx.commit()
    }
    await storage[Symbol.asyncDispose]()
  })

  test('all files are written from the TypeScript sources, which have no program for threads', async () => {
    const storage = await openFsStorage((await initFsStorage(place(), { mode: 'archive', platform })).location, {
      platform,
    })
    const tx = await storage.begin({ fsync: false })
    for (let i = 0; i < 2100; i++) {
      const body = encodeUtf8(`${i}`)
      tx.writeFile({ header: regular(0o644), size: body.length, body })
    }
    expect((await tx.commit()).contentWritten).toBe(2100)
    await storage[Symbol.asyncDispose]()
  })
})
