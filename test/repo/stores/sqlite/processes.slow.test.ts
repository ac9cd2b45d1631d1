import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../../src/bytes.ts'
import { IoError, RepoLockedError } from '../../../../src/errors.ts'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import type { Storage } from '../../../../src/repo/index.ts'
import { createSqliteStorage, openSqliteStorage } from '../../../../src/repo/stores/sqlite/open.ts'
import { Child } from '../../../support/child-process.ts'
import { isRoot } from '../../../support/machine.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { sqliteScript } from './store-child.ts'

const folder = temporaryFolder()
chmodSync(folder, 0o755)
let files = 0
const fresh = () => join(folder, `${files++}.sqlite`)
const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
const ONE = '11'.repeat(32) as Checksum

async function list(storage: Storage): Promise<number> {
  let count = 0
  for await (const _ of storage.objects.list()) count++
  return count
}

/** Writes 4000 files of 10 kB in a transaction, and waits for words of the test in it and before its end. */
const WRITER = `
  const storage = await openSqliteStorage(path, { platform })
  const tx = await storage.begin()
  for (let i = 0; i < 4000; i++) {
    const body = new Uint8Array(10_000).fill(i)
    new DataView(body.buffer).setUint32(0, i)
    tx.writeFile({ header, size: body.length, body })
    if (i === 10) { say('begun'); await heard('on') }
  }
  tx.setRef('heads/main', { commit: '11'.repeat(32) })
  say('written')
  await heard('commit')
  await tx.commit()
  say('committed')
  await storage[Symbol.asyncDispose]()
`

describe('a transaction of another process', () => {
  const script = sqliteScript('writer', WRITER)

  test('readers see the state before it until it is committed, and no other transaction can begin', {
    timeout: 60_000,
  }, async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    await storage.writeConfig(`${await storage.readConfig()}lock-timeout-secs=0\n`)
    await storage.refs.write('heads/before', { commit: ONE })
    const child = new Child([script, path])
    expect(await child.nextLine()).toBe('begun')
    expect(await list(storage)).toBe(0)
    expect(await storage.refs.list('heads')).toEqual(['heads/before'])
    const begin = storage.begin()
    await expect(begin).rejects.toThrow(RepoLockedError)
    await expect(begin).rejects.toThrow('Locking repo exclusive failed: Resource temporarily unavailable')
    await expect(async () => storage.refs.write('heads/x', { commit: ONE })).rejects.toThrow(RepoLockedError)
    await expect(storage.lock('exclusive')).rejects.toThrow(RepoLockedError)
    await (await storage.lock('shared'))[Symbol.asyncDispose]()

    child.tell('on')
    expect(await child.nextLine()).toBe('written')
    // Its changes do not fit into memory any more, so readers have to wait.
    await expect(async () => storage.refs.list('heads')).rejects.toThrow(
      'Locking repo shared failed: Resource temporarily unavailable',
    )
    await storage[Symbol.asyncDispose]()
    const opening = openSqliteStorage(path, { platform, lockTimeout: 0 })
    await expect(opening).rejects.toThrow('opening repo: Locking repo shared failed: Resource temporarily unavailable')
    await expect(createSqliteStorage(path, { platform, lockTimeout: 0.05 })).rejects.toThrow(
      'Creating repo: Locking repo exclusive failed: Resource temporarily unavailable',
    )
    const patient = [openSqliteStorage(path, { platform }), createSqliteStorage(path, { platform })]
    child.tell('commit')
    expect(await child.nextLine()).toBe('committed')
    for (const reader of await Promise.all(patient)) {
      expect(await list(reader)).toBe(4000)
      expect(await reader.refs.list('heads')).toEqual(['heads/before', 'heads/main'])
      await reader[Symbol.asyncDispose]()
    }
    await child.kill()
  })

  test('a call that waits for the lock succeeds, and the event loop runs meanwhile', { timeout: 60_000 }, async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const child = new Child([script, path])
    expect(await child.nextLine()).toBe('begun')
    let ticks = 0
    const ticking = setInterval(() => ticks++, 5)
    child.tell('on')
    expect(await child.nextLine()).toBe('written')
    const reading = storage.refs.list('heads')
    const writing = storage.refs.write('heads/other', { commit: ONE })
    const beginning = storage.begin()
    await new Promise((resolve) => setTimeout(resolve, 100))
    child.tell('commit')
    // The order of two that wait is not defined.
    expect(await reading).toContain('heads/main')
    await writing
    const tx = await beginning
    clearInterval(ticking)
    expect(ticks).toBeGreaterThan(5)
    expect(await storage.refs.list('heads')).toEqual(['heads/main', 'heads/other'])
    await tx[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    await child.kill()
  })

  test('a transaction whose process is killed leaves no changes and no lock', { timeout: 60_000 }, async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    await storage.refs.write('heads/before', { commit: ONE })
    const size = statSync(path).size
    for (const last of ['begun', 'written']) {
      const child = new Child([script, path])
      expect(await child.nextLine()).toBe('begun')
      if (last === 'written') {
        child.tell('on')
        expect(await child.nextLine()).toBe('written')
        expect(statSync(path).size).toBeGreaterThan(10 * size)
      }
      await child.kill()
      expect(await list(storage)).toBe(0)
      expect(await storage.refs.list('heads')).toEqual(['heads/before'])
      await (await storage.lock('exclusive', { timeout: 0 }))[Symbol.asyncDispose]()
      const tx = await storage.begin()
      await tx[Symbol.asyncDispose]()
    }
    await storage[Symbol.asyncDispose]()
    expect(readdirSync(folder).filter((name) => path.endsWith(name.replace(/-(lock|journal)$/, '')))).toEqual([
      path.slice(folder.length + 1),
    ])
  })
})

/** Runs a script in several processes at once. @returns what they wrote, one line per process */
async function together(script: string, path: string, count = 4): Promise<(string | undefined)[]> {
  const children = Array.from({ length: count }, (_, i) => new Child([script, path, String(i)]))
  const said = await Promise.all(children.map((child) => child.nextLine()))
  await Promise.all(children.map((child) => child.kill()))
  return said
}

describe('processes that use one file at the same time', () => {
  test('every transaction of every process is committed', { timeout: 60_000 }, async () => {
    const path = fresh()
    await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    const script = sqliteScript(
      'committer',
      `const name = process.argv[3]
       for (let i = 0; i < 40; i++) {
         const storage = await openSqliteStorage(path, { platform })
         const tx = await storage.begin()
         const body = new TextEncoder().encode(name + ' ' + i)
         const commit = await tx.writeFile({ header, size: body.length, body })
         tx.setRef('heads/' + name + '-' + i, { commit })
         await tx.commit()
         await storage[Symbol.asyncDispose]()
       }
       say('done')`,
    )
    expect(await together(script, path)).toEqual(['done', 'done', 'done', 'done'])
    const storage = await openSqliteStorage(path, { platform })
    expect(await list(storage)).toBe(160)
    expect(await storage.refs.list('heads')).toHaveLength(160)
    await storage[Symbol.asyncDispose]()
  })

  test('an exclusive lock excludes all others, although each process removes the lock file when it closes', {
    timeout: 60_000,
  }, async () => {
    const path = fresh()
    const held = `${path}-held`
    mkdirSync(held)
    await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    const script = sqliteScript(
      'excluder',
      `const { readdirSync, unlinkSync, writeFileSync } = await import('node:fs')
       const name = process.argv[3]
       const pause = (most) => new Promise((resolve) => setTimeout(resolve, Math.random() * most))
       for (let i = 0; i < 120; i++) {
         const storage = await openSqliteStorage(path, { platform })
         for (let j = 0; j < 2; j++) {
           const kind = Math.random() < 0.5 ? 'shared' : 'exclusive'
           const lock = await storage.lock(kind)
           const mine = path + '-held/' + kind + name
           writeFileSync(mine, '')
           await pause(3)
           const others = readdirSync(path + '-held').filter((other) => !other.endsWith(name))
           if (others.some((other) => kind === 'exclusive' || other.startsWith('exclusive'))) {
             throw new Error(kind + ' beside ' + others)
           }
           unlinkSync(mine)
           await lock[Symbol.asyncDispose]()
           await pause(10)
         }
         await storage[Symbol.asyncDispose]()
       }
       say('done')`,
    )
    expect(await together(script, path)).toEqual(['done', 'done', 'done', 'done'])
    expect(readdirSync(folder).filter((name) => name.startsWith(`${basename(path)}-`))).toEqual([basename(held)])
  })

  test('a file is created by one of them and opened by the others', { timeout: 60_000 }, async () => {
    const path = fresh()
    const script = sqliteScript(
      'creators',
      `for (let i = 0; i < 40; i++) {
         const storage = await createSqliteStorage(path + '.' + i, { platform })
         await storage.refs.write('heads/' + process.argv[3], { commit: '11'.repeat(32) })
         await storage[Symbol.asyncDispose]()
       }
       say('done')`,
    )
    expect(await together(script, path)).toEqual(['done', 'done', 'done', 'done'])
    for (let i = 0; i < 40; i++) {
      const storage = await openSqliteStorage(`${path}.${i}`, { platform })
      expect(await storage.refs.list('heads')).toEqual(['heads/0', 'heads/1', 'heads/2', 'heads/3'])
      await storage[Symbol.asyncDispose]()
    }
  })

  test('a file that another process has made but not yet filled is opened when it is complete', async () => {
    const path = fresh()
    writeFileSync(path, '')
    const opening = openSqliteStorage(path, { platform })
    await new Promise((resolve) => setTimeout(resolve, 100))
    await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    const storage = await opening
    expect(await storage.refs.list('heads')).toEqual([])
    await storage[Symbol.asyncDispose]()
  })
})

describe('SQLite without the package better-sqlite3', () => {
  test('node:sqlite is used, or the error names both', { timeout: 60_000 }, async () => {
    const body = `
      const storage = await createSqliteStorage(path, { platform })
      await storage.refs.write('heads/main', { commit: '11'.repeat(32) })
      say((await storage.refs.list('heads')).join())`
    const apart = temporaryFolder('disk')
    const script = sqliteScript('creator', body, apart)
    const child = new Child(['--no-warnings', script, join(apart, 'r.sqlite')])
    const said = await child.nextLine()
    if (process.getBuiltinModule('node:sqlite')) expect(said).toBe('heads/main')
    else {
      expect(said).toMatch(
        /^UnsupportedError \| unsupported \| A \.sqlite repository needs the package better-sqlite3 \(Cannot find module/,
      )
      expect(said).toContain("or Node's own node:sqlite (No such built-in module: node:sqlite)")
    }
    await child.kill()
  })
})

describe('an exclusive lock of another process', () => {
  test('a transaction can begin when the lock is released', { timeout: 60_000 }, async () => {
    const script = sqliteScript(
      'locker',
      `const storage = await openSqliteStorage(path, { platform })
       const lock = await storage.lock('exclusive', { timeout: 0 })
       say('locked')
       await heard('unlock')
       await lock[Symbol.asyncDispose]()
       say('unlocked')
       await heard('end')`,
    )
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const child = new Child([script, path])
    expect(await child.nextLine()).toBe('locked')
    await expect(storage.lock('shared', { timeout: 0 })).rejects.toThrow(RepoLockedError)
    const beginning = storage.begin()
    child.tell('unlock')
    expect(await child.nextLine()).toBe('unlocked')
    await (await beginning).commit()
    await child.kill()
    await storage[Symbol.asyncDispose]()
  })
})

describe('memory of an SQLite storage', () => {
  test('memory does not grow with the number and size of files', { timeout: 120_000 }, async () => {
    const script = sqliteScript(
      'large',
      `const storage = await createSqliteStorage(path, { platform })
       const tx = await storage.begin()
       const chunk = new Uint8Array(1 << 16)
       const grown = () => Math.round(process.resourceUsage().maxRSS / 1024)
       const before = grown()
       async function* content() { for (let i = 0; i < 3200; i++) { chunk.fill(i); yield chunk } }
       const checksum = await tx.writeFile({ header, size: 3200 * chunk.length, body: content() })
       for (let i = 0; i < 20000; i++) {
         new DataView(chunk.buffer).setUint32(0, i)
         tx.writeFile({ header, size: 4096, body: chunk.subarray(0, 4096) })
       }
       await tx.commit()
       let length = 0
       for await (const part of (await storage.objects.readFile(checksum)).body) length += part.length
       for await (const name of storage.objects.list()) await storage.objects.statFile(name.checksum)
       say(String(length))
       say(String(grown() - before))
       await storage[Symbol.asyncDispose]()`,
    )
    const path = fresh()
    const child = new Child([script, path])
    expect(await child.nextLine()).toBe(String(3200 * 65536))
    // 16 MiB of pages, a chunk of 1 MiB, and garbage that is not yet collected, but not 210 MB of content.
    expect(Number(await child.nextLine())).toBeLessThan(90)
    await child.kill()
    rmSync(path)
  })
})

describe('an SQLite file without permissions', () => {
  const script = `
    const storage = await openSqliteStorage(path, { platform })
    say(String(storage.writable))
    say(JSON.stringify(await storage.refs.list('heads')))
    await storage.begin()`

  test.each([
    { what: 'the file', file: 0o444, directory: 0o777 },
    { what: 'its directory', file: 0o666, directory: 0o555 },
  ])(
    'a repository is read and cannot be written without permission to write $what',
    { timeout: 60_000 },
    async ({ file, directory }) => {
      const inside = mkdtempSync(join(folder, 'kept-'))
      const path = join(inside, 'r.sqlite')
      const storage = await createSqliteStorage(path, { platform })
      await storage.refs.write('heads/main', { commit: ONE })
      await storage[Symbol.asyncDispose]()
      chmodSync(path, file)
      chmodSync(inside, directory)
      const child = new Child([sqliteScript('reader', script), path], { uid: isRoot ? 65534 : undefined })
      expect(await child.nextLine()).toBe('false')
      expect(await child.nextLine()).toBe('["heads/main"]')
      expect(await child.nextLine()).toBe(
        `ReadOnlyError | read-only | Cannot write to repository: ${path} is read-only`,
      )
      await child.kill()
      chmodSync(inside, 0o755)
    },
  )

  test('a file without permission to read is refused with the error of the system', { timeout: 60_000 }, async () => {
    const inside = mkdtempSync(join(folder, 'kept-'))
    const path = join(inside, 'r.sqlite')
    await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    chmodSync(inside, 0o755)
    chmodSync(path, 0o000)
    const child = new Child([sqliteScript('reader', script), path], { uid: isRoot ? 65534 : undefined })
    expect(await child.nextLine()).toMatch(/^IoError \| io \| opening repo: open\(.*r\.sqlite\): /)
    await child.kill()
  })
})

describeReference('mount', 'an SQLite file on a full disk', () => {
  test('a transaction fails with ENOSPC without changes, and the storage can be used further', async () => {
    const small = join(folder, 'small')
    mkdirSync(small)
    run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small])
    const storage = await createSqliteStorage(join(small, 'r.sqlite'), { platform })
    const good = await storage.begin()
    const body = new Uint8Array(20_000).fill(1)
    const kept = await good.writeFile({ header, size: body.length, body })
    await good.commit()

    for (const large of [false, true]) {
      const tx = await storage.begin()
      tx.setRef('heads/main', { commit: ONE })
      const filling = (async () => {
        for (let i = 0; i < 3000; i++) {
          const bytes = new Uint8Array(large ? 3_000_000 : 20_000)
          new DataView(bytes.buffer).setUint32(0, i)
          await tx.writeFile({ header, size: bytes.length, body: bytes })
        }
        await tx.commit()
      })()
      await expect(filling).rejects.toThrow(IoError)
      await expect(filling).rejects.toMatchObject({ data: { errno: 'ENOSPC' } })
      // Later calls of the transaction are refused, too.
      await expect(async () => tx.writeMeta('dirtree', new Uint8Array(1))).rejects.toMatchObject({ code: 'io' })
      await expect(tx.commit()).rejects.toMatchObject({ data: { errno: 'ENOSPC' } })
      await tx[Symbol.asyncDispose]()
      expect(await list(storage)).toBe(1)
      expect(await storage.refs.list('heads')).toEqual([])
    }
    const after = await storage.begin()
    await after.writeFile({ header, size: 3, body: new Uint8Array(3) })
    await after.commit()
    expect(await list(storage)).toBe(2)
    expect((await storage.objects.readFile(kept)).body).toEqual(body)
    await storage[Symbol.asyncDispose]()
  })
})
