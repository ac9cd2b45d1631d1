/** SQLite files that are opened, refused, damaged and forged. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../../src/bytes.ts'
import {
  FormatError,
  IoError,
  OstreeError,
  ReadOnlyError,
  UnsupportedError,
  UsageError,
} from '../../../../src/errors.ts'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import { SMALL_FILE, type Storage } from '../../../../src/repo/index.ts'
import { betterSqlite3Refusal } from '../../../../src/repo/stores/sqlite/driver.ts'
import { createSqliteStorage, openSqliteStorage } from '../../../../src/repo/stores/sqlite/open.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const folder = temporaryFolder()
let files = 0
const fresh = () => join(folder, `${files++}.sqlite`)

const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
const bytes = (length: number, seed: number) =>
  new Uint8Array(length).map((_, i) => (i === 0 ? seed : Math.imul(i + seed * 1000, 2654435761) >>> 11))

async function write(storage: Storage, bodies: readonly Uint8Array[]): Promise<Checksum[]> {
  const tx = await storage.begin()
  const checksums: Checksum[] = []
  for (const body of bodies) checksums.push(await tx.writeFile({ header, size: body.length, body }))
  tx.setRef('heads/main', { commit: checksums[0] as Checksum })
  await tx.commit()
  return checksums
}

describe('openSqliteStorage and createSqliteStorage', () => {
  test('a file that does not exist is refused with the error of the system, and not created', async () => {
    const path = fresh()
    const open = openSqliteStorage(path, { platform })
    await expect(open).rejects.toThrow(IoError)
    await expect(open).rejects.toThrow(`opening repo: open(${path}): No such file or directory`)
    await expect(createSqliteStorage(join(path, 'x.sqlite'), { platform })).rejects.toThrow(
      /^Creating repo: .*No such file/,
    )
    expect(existsSync(path)).toBe(false)
  })

  test('a directory is refused', async () => {
    await expect(openSqliteStorage(folder, { platform })).rejects.toThrow(OstreeError)
    await expect(createSqliteStorage(folder, { platform })).rejects.toThrow(OstreeError)
  })

  test.each([
    { what: 'text', content: Buffer.from('just some notes, no database at all\n'.repeat(100)) },
    { what: 'an empty file', content: Buffer.alloc(0) },
    { what: 'the first page of something else', content: Buffer.from(`SQLite format 3\0${'\x01'.repeat(4080)}`) },
  ])('$what is refused and not changed', async ({ content }) => {
    const path = fresh()
    writeFileSync(path, content)
    await expect(openSqliteStorage(path, { platform })).rejects.toThrow(FormatError)
    expect(readFileSync(path)).toEqual(content)
    if (content.length === 0) return
    await expect(createSqliteStorage(path, { platform })).rejects.toThrow(FormatError)
    expect(readFileSync(path)).toEqual(content)
  })

  test('a database of another program is refused and not changed', async () => {
    const path = fresh()
    const other = new Database(path)
    other.exec('CREATE TABLE notes (text); PRAGMA application_id = 252006674')
    other.close()
    const before = readFileSync(path)
    for (const open of [openSqliteStorage, createSqliteStorage]) {
      await expect(open(path, { platform })).rejects.toThrow(
        `${path} is an SQLite database, but not an ostree-ts repository (application id 0x0f055112)`,
      )
    }
    expect(readFileSync(path)).toEqual(before)
  })

  test('a file of a newer version is refused, and the error has both versions', async () => {
    const path = fresh()
    await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    const newer = new Database(path)
    newer.pragma('user_version = 7')
    newer.close()
    for (const open of [openSqliteStorage, createSqliteStorage]) {
      await expect(open(path, { platform })).rejects.toThrow(UnsupportedError)
      await expect(open(path, { platform })).rejects.toThrow('(schema 7, this one knows 2)')
    }
  })

  describe('a file of schema 1', () => {
    /** Creates a file as schema 1 had it: without the table of files. */
    async function olderFile(): Promise<string> {
      const path = fresh()
      const storage = await createSqliteStorage(path, { platform, mode: 'bare-user' })
      await write(storage, [bytes(10, 0)])
      await storage[Symbol.asyncDispose]()
      const older = new Database(path)
      older.exec('DROP TABLE files; PRAGMA user_version = 1')
      older.close()
      return path
    }

    /** Returns `user_version` and whether there is a table of files. */
    function layoutOf(path: string): [unknown, number] {
      const database = new Database(path, { readonly: true })
      const tables = database.prepare("SELECT name FROM sqlite_schema WHERE name = 'files'").all()
      const version = database.pragma('user_version', { simple: true })
      database.close()
      return [version, tables.length]
    }

    test('opens, also read-only, has no files, and stays as it is until one is written', async () => {
      const path = await olderFile()
      for (const readOnly of [true, false]) {
        const storage = await openSqliteStorage(path, { platform, readOnly })
        expect(await storage.files?.read('summary')).toBeUndefined()
        expect(await storage.files?.list('')).toEqual([])
        expect(await storage.deltas?.list()).toEqual([])
        if (readOnly)
          await expect(async () => storage.files?.write('summary', bytes(1, 1))).rejects.toThrow(OstreeError)
        else {
          expect(await storage.files?.delete('summary')).toBe(false)
          await write(storage, [bytes(20, 1)])
        }
        await storage[Symbol.asyncDispose]()
        expect(layoutOf(path)).toEqual([1, 0])
      }
    })

    test('becomes one of the current schema with the first file, for every handle that has it open', async () => {
      const path = await olderFile()
      const one = await openSqliteStorage(path, { platform })
      const other = await openSqliteStorage(path, { platform })
      expect(await other.files?.read('summary')).toBeUndefined()
      await one.files?.write('summary', bytes(3, 1))
      await other.files?.write('summary.sig', bytes(4, 1))
      expect([(await other.files?.read('summary'))?.length, (await one.files?.read('summary.sig'))?.length]).toEqual([
        3, 4,
      ])
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      expect(layoutOf(path)).toEqual([2, 1])
      await (await createSqliteStorage(path, { platform }))[Symbol.asyncDispose]()
    })

    test('keeps a file that was written while a transaction was open which is aborted', async () => {
      const path = await olderFile()
      const storage = await openSqliteStorage(path, { platform })
      const tx = await storage.begin()
      await storage.files?.write('summary', bytes(3, 1))
      await tx[Symbol.asyncDispose]()
      expect((await storage.files?.read('summary'))?.length).toBe(3)
      await storage[Symbol.asyncDispose]()
      expect(layoutOf(path)).toEqual([2, 1])
    })
  })

  test('createSqliteStorage opens an existing repository', async () => {
    const path = fresh()
    const first = await createSqliteStorage(path, { platform, mode: 'bare-user' })
    const [checksum] = await write(first, [bytes(10, 0)])
    await first[Symbol.asyncDispose]()
    const second = await createSqliteStorage(path, { platform, mode: 'archive' })
    expect(second.mode).toBe('bare-user')
    expect(await second.objects.has({ checksum: checksum as Checksum, type: 'file' })).toBe(true)
    await second[Symbol.asyncDispose]()
  })

  test('a closed repository has only one file', async () => {
    const inside = mkdtempSync(join(folder, 'alone-'))
    const path = join(inside, 'r.sqlite')
    const storage = await createSqliteStorage(path, { platform })
    await write(storage, [bytes(10, 1), bytes(3_000_000, 2)])
    await (await storage.lock('exclusive'))[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    expect(readdirSync(inside)).toEqual(['r.sqlite'])
  })

  test('better-sqlite3 is refused in a version of Node in which it crashes', () => {
    expect(betterSqlite3Refusal('12.11.1', '9')).toBeUndefined()
    expect(betterSqlite3Refusal('13.2.0', '10')).toBeUndefined()
    expect(betterSqlite3Refusal('13.2.0', '9')).toMatch('install better-sqlite3@12')
    expect(betterSqlite3Refusal('14.0.0', undefined)).toBeDefined()
  })
})

describe('a closed SQLite storage', () => {
  test('all calls fail, also those that were waiting for the lock', async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const other = await openSqliteStorage(path, { platform })
    const tx = await other.begin()
    const waiting = Promise.allSettled([storage.begin(), storage.refs.write('heads/x', undefined)])
    await storage[Symbol.asyncDispose]()
    for (const outcome of await waiting) expect(outcome).toMatchObject({ reason: expect.any(UsageError) })
    for (const use of [
      async () => storage.begin(),
      async () => storage.refs.read('heads/x'),
      async () => storage.objects.has({ checksum: '11'.repeat(32) as Checksum, type: 'file' }),
      async () => storage.refs.write('heads/x', undefined),
      async () => storage.readConfig(),
      async () => storage.lock('shared'),
    ])
      await expect(use()).rejects.toThrow(UsageError)
    await tx[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })
})

describe('a read-only SQLite storage', () => {
  test('everything can be read, and every write is refused', async () => {
    const path = fresh()
    const writer = await createSqliteStorage(path, { platform })
    const [checksum] = (await write(writer, [bytes(5, 3)])) as [Checksum]
    await writer[Symbol.asyncDispose]()
    const storage = await openSqliteStorage(path, { platform, readOnly: true })
    expect(storage.writable).toBe(false)
    expect((await storage.objects.readFile(checksum)).body).toEqual(bytes(5, 3))
    expect(await storage.refs.read('heads/main')).toEqual({ commit: checksum })
    const config = await storage.readConfig()
    for (const attempt of [
      async () => storage.begin(),
      async () => storage.refs.write('heads/x', undefined),
      async () => storage.objects.delete({ checksum, type: 'file' }),
      async () => storage.objects.setCommitState(checksum, 'partial'),
      async () => storage.objects.writeAttached('commitmeta', checksum, bytes(1, 0)),
      async () => storage.writeConfig(config),
    ]) {
      await expect(attempt()).rejects.toThrow(ReadOnlyError)
      await expect(attempt()).rejects.toThrow(/^Cannot write to repository: /)
    }
    // A lock always succeeds, because a read-only storage does not lock the file.
    await (await storage.lock('exclusive', { timeout: 0 }))[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
  })
})

describe('a damaged SQLite file', () => {
  test('a truncated or overwritten file is read, or refused with an OstreeError', { timeout: 120_000 }, async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const bodies = Array.from({ length: 60 }, (_, i) => bytes(200 + i * 300, i)).concat([bytes(2 * SMALL_FILE, 99)])
    const checksums = await write(storage, bodies)
    await storage[Symbol.asyncDispose]()
    const whole = readFileSync(path)

    let failures = 0
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(whole)
      const at = Math.imul(round + 1, 2654435761) >>> 0
      if (round % 3 === 0) damaged.fill(0xff, at % whole.length, (at % whole.length) + 4000)
      else for (let i = 0; i < 40; i++) damaged[(at + i * 30_011) % whole.length] = i
      writeFileSync(path, damaged)
      if (round % 5 === 0) truncateSync(path, at % whole.length)
      try {
        const reader = await openSqliteStorage(path, { platform })
        try {
          for (const [i, checksum] of checksums.entries()) {
            const { body } = await reader.objects.readFile(checksum)
            if (body instanceof Uint8Array) expect(body).toHaveLength(bodies[i]?.length ?? -1)
            else for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0)
          }
          for await (const name of reader.objects.list()) await reader.objects.has(name)
          await reader.refs.list('heads')
        } finally {
          await reader[Symbol.asyncDispose]()
        }
      } catch (error) {
        expect(error).toBeInstanceOf(OstreeError)
        expect((error as OstreeError).code, String(error)).toMatch(/^(corrupt|not-found|invalid|unsupported)$/)
        failures++
      }
    }
    expect(failures).toBeGreaterThan(10)
  })
})

describe('an SQLite file whose first bytes are damaged', () => {
  test('every value of every byte of the header is accepted, or refused with an OstreeError', {
    timeout: 120_000,
  }, async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    await write(storage, [bytes(200, 1)])
    await storage[Symbol.asyncDispose]()
    const whole = readFileSync(path)
    const refusals = new Set<string>()
    // The header of the database is 100 bytes long, the header of its first page has 8 bytes (sqlite.org/fileformat2.html).
    for (let at = 0; at < 108; at++) {
      for (const value of [0, 1, 2, 5, 0x7f, 0xff]) {
        const damaged = Buffer.from(whole)
        damaged[at] = value
        writeFileSync(path, damaged)
        for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
        try {
          const reader = await openSqliteStorage(path, { platform, lockTimeout: 0 })
          try {
            await reader.refs.list('heads')
            await reader.refs.write('heads/other', { commit: '11'.repeat(32) as Checksum })
          } finally {
            await reader[Symbol.asyncDispose]()
          }
        } catch (error) {
          if (!(error instanceof OstreeError)) throw new Error(`byte ${at} = ${value}: ${error}`, { cause: error })
          refusals.add(error.message.replace(/^opening repo: /, '').replaceAll(path, 'PATH'))
        }
      }
    }
    expect(refusals).toContain('PATH: unsupported file format')
    expect(refusals).toContain('PATH: file is not a database')
  })
})

describe('an SQLite file that is moved while it is open', () => {
  test('a write is refused, and the error says why', async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    renameSync(path, `${path}.moved`)
    const writing = (async () => storage.refs.write('heads/x', { commit: '11'.repeat(32) as Checksum }))()
    await expect(writing).rejects.toMatchObject({ name: 'IoError', data: { errno: 'ESTALE', path } })
    await expect(writing).rejects.toThrow(`${path} was moved, replaced or deleted while it was open`)
    await storage[Symbol.asyncDispose]()
  })
})

describe('a forged SQLite file', () => {
  async function forged(...statements: string[]): Promise<string> {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const [first] = (await write(storage, [bytes(300, 1), bytes(2 * SMALL_FILE, 2), bytes(0, 0)])) as [Checksum]
    await storage.objects.writeAttached('commitmeta', first, bytes(4, 4))
    await storage.objects.setCommitState(first, 'partial')
    await storage[Symbol.asyncDispose]()
    const database = new Database(path)
    for (const statement of statements) database.exec(statement)
    database.close()
    return path
  }

  async function readAll(path: string): Promise<void> {
    const storage = await openSqliteStorage(path, { platform })
    try {
      for await (const name of storage.objects.list()) {
        await storage.objects.storageSize(name)
        if (name.type === 'commitmeta') await storage.objects.readAttached(name.type, name.checksum)
        await storage.objects.commitState(name.checksum)
        if (name.type !== 'file') continue
        await storage.objects.statFile(name.checksum)
        const { body } = await storage.objects.readFile(name.checksum)
        if (!(body instanceof Uint8Array)) for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0)
      }
      for (const path of await storage.refs.list('heads')) await storage.refs.read(path)
      for (const path of (await storage.files?.list('')) ?? []) await storage.files?.read(path)
    } finally {
      await storage[Symbol.asyncDispose]()
    }
  }

  test('a file without changes is read', async () => {
    await expect(readAll(await forged())).resolves.toBeUndefined()
  })

  test.each([
    "UPDATE objects SET size = 'many'",
    'UPDATE objects SET size = -1',
    'UPDATE objects SET size = 4e15',
    'UPDATE objects SET size = size + 1',
    'UPDATE objects SET size = size - 1',
    'UPDATE objects SET header = NULL',
    "UPDATE objects SET header = 'text'",
    "UPDATE objects SET header = x'ffffffff00000000'",
    "UPDATE objects SET header = x'00'",
    "UPDATE objects SET body = 'text'",
    'UPDATE objects SET body = 77',
    'UPDATE objects SET body = -3',
    'UPDATE objects SET body = 1e300',
    "UPDATE objects SET body = x''",
    'UPDATE objects SET checksum = CAST(n AS BLOB)',
    'UPDATE objects SET type = 99',
    "UPDATE objects SET type = 'file'",
    'UPDATE objects SET type = 1.5',
    'DELETE FROM chunks',
    "UPDATE chunks SET data = 'text'",
    "UPDATE chunks SET data = x'00'",
    "UPDATE attached SET bytes = 'text'",
    'UPDATE attached SET type = 0',
    "UPDATE refs SET target = x'00'",
    "UPDATE refs SET target = 'garbage'",
    "UPDATE settings SET value = x'00'",
    "UPDATE settings SET value = 'junk'",
    "UPDATE settings SET value = '[core]\nmode=sparse\nrepo_version=1\n'",
    'DELETE FROM settings',
    'CREATE TRIGGER t AFTER INSERT ON objects BEGIN DELETE FROM refs; END',
    'ALTER TABLE refs RENAME TO real; CREATE VIEW refs AS WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x) SELECT i AS path, i AS target, 0 AS alias FROM x',
    'ALTER TABLE objects ADD COLUMN more DEFAULT 5',
    'DROP INDEX commits',
    'PRAGMA user_version = -1',
    'PRAGMA user_version = 1',
    'DROP TABLE files',
    "INSERT INTO files VALUES ('summary', 'text')",
    "INSERT INTO files VALUES (x'00', x'00')",
  ])('a file is refused after the statement %s', async (statement) => {
    const error = await readAll(await forged(statement)).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(OstreeError)
  })
})

describe('compression of an SQLite file', () => {
  test('the configuration stores it, and compressed files take less space and have the same content', async () => {
    const sizes = new Map<string, number>()
    const text = new TextEncoder().encode('all work and no play makes jack a dull boy\n'.repeat(2000))
    const long = new Uint8Array(3 * SMALL_FILE + 5).fill(7)
    const dense = bytes(5000, 5).map((byte, i) => byte ^ (i * 31))
    for (const compression of ['none', 'deflate'] as const) {
      const path = fresh()
      const created = await createSqliteStorage(path, { platform, compression, compressionLevel: 9 })
      await created[Symbol.asyncDispose]()
      const storage = await openSqliteStorage(path, { platform })
      expect((await storage.readConfig()).includes('[sqlite]\ncompression=deflate\ncompression-level=9\n')).toBe(
        compression === 'deflate',
      )
      const checksums = await write(storage, [text, long, dense, text.subarray(0, 20)])
      for (const [i, body] of [text, long, dense, text.subarray(0, 20)].entries()) {
        const file = await storage.objects.readFile(checksums[i] as Checksum)
        const parts: Uint8Array[] = []
        if (file.body instanceof Uint8Array) parts.push(file.body)
        else for await (const chunk of file.body) parts.push(chunk)
        expect(Buffer.concat(parts).equals(body)).toBe(true)
      }
      sizes.set(compression, await storage.objects.storageSize({ checksum: checksums[1] as Checksum, type: 'file' }))
      await storage[Symbol.asyncDispose]()
      sizes.set(`${compression} file`, statSync(path).size)
    }
    expect(sizes.get('none')).toBeGreaterThan(3 * SMALL_FILE)
    expect(sizes.get('deflate')).toBeLessThan(20_000)
    expect(sizes.get('none file') ?? 0).toBeGreaterThan(3_000_000)
    expect(sizes.get('deflate file') ?? 0).toBeLessThan(500_000)
  })

  test('an invalid method or level is refused and not written', async () => {
    const storage = await createSqliteStorage(fresh(), { platform })
    const config = await storage.readConfig()
    for (const line of ['compression=zip', 'compression=deflate\ncompression-level=12'])
      await expect(async () => storage.writeConfig(`${config}[sqlite]\n${line}\n`)).rejects.toThrow(FormatError)
    expect(await storage.readConfig()).toBe(config)
    await storage[Symbol.asyncDispose]()
    const path = fresh()
    for (const compressionLevel of [0, 10, -1, 2.5, Number.NaN])
      await expect(createSqliteStorage(path, { platform, compressionLevel })).rejects.toThrow(UsageError)
    const compression = 'zip' as 'deflate'
    await expect(createSqliteStorage(path, { platform, compression })).rejects.toThrow(UsageError)
    expect(existsSync(path)).toBe(false)
  })
})

describe('space of deleted objects in an SQLite file', () => {
  test('the file shrinks when the exclusive lock of a deletion is released', async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const checksums = await write(
      storage,
      Array.from({ length: 300 }, (_, i) => bytes(i === 0 ? 5_000_000 : 20_000, i)),
    )
    const full = statSync(path).size
    const lock = await storage.lock('exclusive')
    for (const checksum of checksums.slice(0, 290)) await storage.objects.delete({ checksum, type: 'file' })
    expect(statSync(path).size).toBe(full)
    await lock[Symbol.asyncDispose]()
    expect(statSync(path).size).toBeLessThan(full / 5)
    for (const checksum of checksums.slice(290)) {
      expect(await storage.objects.has({ checksum, type: 'file' })).toBe(true)
    }
    await storage[Symbol.asyncDispose]()
  })

  test('a deletion removes chunks of large files that another process did not finish', async () => {
    const path = fresh()
    const storage = await createSqliteStorage(path, { platform })
    const [kept, gone] = (await write(storage, [bytes(2_500_000, 1), bytes(10, 2)])) as [Checksum, Checksum]
    const other = new Database(path)
    const chunks = other.prepare('SELECT count(*) FROM chunks').pluck()
    for (const n of [5 * 2 ** 20, 5 * 2 ** 20 + 1, 9 * 2 ** 20])
      other.prepare('INSERT INTO chunks VALUES (?, zeroblob(1048576))').run(n)
    expect(chunks.get()).toBe(6)
    const lock = await storage.lock('exclusive')
    await storage.objects.delete({ checksum: gone, type: 'file' })
    await lock[Symbol.asyncDispose]()
    expect(chunks.get()).toBe(3)
    other.close()
    let length = 0
    for await (const chunk of (await storage.objects.readFile(kept)).body as AsyncIterable<Uint8Array>)
      length += chunk.length
    expect(length).toBe(2_500_000)
    await storage[Symbol.asyncDispose]()
  })
})
