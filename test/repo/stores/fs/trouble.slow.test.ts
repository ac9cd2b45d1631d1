/** Full disks, read-only mounts, hostile links and damaged files: an OstreeError, and no stored object is lost. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, readAll } from '../../../../src/bytes.ts'
import { IoError, OstreeError, ReadOnlyError, UnsupportedError } from '../../../../src/errors.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import type { RepoMode, Storage } from '../../../../src/repo/index.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { threadProgram } from '../../../support/bundle.ts'
import { linkTo, regular, writeFlatCommit } from '../../../support/flat-commits.ts'
import { runInProcess } from '../../../support/in-process.ts'
import { isRoot } from '../../../support/machine.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const platform = nodePlatform
const root = temporaryFolder()
let made = 0

function place(): string {
  return join(root, `place-${made++}`)
}

async function repository(mode: RepoMode = 'bare-user-only'): Promise<Storage> {
  return initFsStorage(place(), { mode, platform })
}

async function caught(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return undefined
}

/** Where a repository is mounted read-only. */
const view = join(root, 'view')

describeReference('mount', 'a repository directory on another file system', () => {
  test.each([
    ['archive', undefined],
    ['bare-user-only', undefined],
    ['bare-user', undefined],
    ['bare-user-only', { count: 2, program: threadProgram('write-worker'), after: 1 }],
  ] as const)(
    'a transaction fails on a full disk, and no stored object is lost: mode %s, writer threads %j',
    async (mode, writers) => {
      const disk = place()
      mkdirSync(disk)
      run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])

      const path = join(disk, 'repo')
      const storage = await initFsStorage(path, { mode, platform, writers })
      await storage.writeConfig(`${await storage.readConfig()}min-free-space-percent=0\n`)
      let tx = await storage.begin()
      const kept = await writeFlatCommit(tx, [{ name: 'a', header: regular(0o644), body: encodeUtf8('kept') }], 'kept')
      await tx.commit()

      const noise = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i * 31) >>> 7))
      for (const way of ['small', 'large'] as const) {
        tx = await storage.begin()
        const error = await caught(async () => {
          if (way === 'large') {
            const body = Buffer.concat(Array.from({ length: 60 }, (_, i) => noise.map((byte) => byte ^ (i * 37))))
            const sink = tx.openFile(regular(0o644), body.length)
            for (let at = 0; at < body.length; at += 1 << 20) {
              sink.write(body.subarray(at, at + (1 << 20)))
              await tx.drained()
            }
            await sink.finish()
          }
          for (let i = 0; ; i++) {
            const body = noise.map((byte) => byte ^ i)
            await tx.writeFile({ header: regular(0o644), size: body.length, body })
          }
        })
        expect(error).toBeInstanceOf(IoError)
        expect(error).toMatchObject({ code: 'io', data: { errno: 'ENOSPC' } })
        expect((error as Error).message).toMatch(/^Writing content object: .*No space left on device$/)
        await tx[Symbol.asyncDispose]()
        expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
        expect(await storage.refs.read('heads/kept')).toEqual({ commit: kept })
        expect(await storage.objects.has({ checksum: kept, type: 'commit' })).toBe(true)
      }

      tx = await storage.begin()
      const file = { name: 'b', header: regular(0o644), body: encodeUtf8('there is room again') }
      await writeFlatCommit(tx, [file], 'after')
      await tx.commit()
      expect(await storage.refs.list('heads')).toEqual(['heads/after', 'heads/kept'])
      if (spawnSync('ostree', ['--version']).status === 0) {
        expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
      }
      await storage[Symbol.asyncDispose]()
    },
  )

  test('a repository that is mounted read-only can be read, and every write is refused', async () => {
    const storage = await repository()
    const tx = await storage.begin()
    const commit = await writeFlatCommit(tx, [{ name: 'a', header: regular(0o644), body: encodeUtf8('a') }], 'main')
    await tx.commit()
    await storage[Symbol.asyncDispose]()
    mkdirSync(view)
    run('mount', ['--bind', storage.location, view])

    run('mount', ['-o', 'remount,ro,bind', view])

    const readOnly = await openFsStorage(view, { platform })
    expect(readOnly.writable).toBe(false)
    expect(await readOnly.refs.read('heads/main')).toEqual({ commit })
    expect(await readOnly.objects.has({ checksum: commit, type: 'commit' })).toBe(true)
    const { objects } = readOnly
    for (const write of [
      () => readOnly.begin(),
      () => readOnly.refs.write('heads/x', { commit }),
      () => readOnly.writeConfig('[core]\n'),
      () => objects.delete({ checksum: commit, type: 'commit' }),
      () => objects.setCommitState(commit, 'partial'),
      () => objects.writeAttached('commitmeta', commit, new Uint8Array(0)),
    ]) {
      const error = await caught(write)
      expect(error).toBeInstanceOf(ReadOnlyError)
      expect((error as Error).message).toMatch(/: Read-only file system$/)
    }
    await (await readOnly.lock('shared'))[Symbol.asyncDispose]()
    await readOnly[Symbol.asyncDispose]()
  })
})

describeReference(['ostree', 'mount'], 'errors of ostree and of ostree-ts for a read-only repository', () => {
  test('both refuse to write with the same message', async () => {
    const commit = run('ostree', ['rev-parse', `--repo=${view}`, 'main']).trim()
    for (const words of [
      ['commit', `--repo=${view}`, '-b', 'x', `--tree=dir=${view}/tmp`],
      ['prune', `--repo=${view}`],
      // This is refused before ostree finds that a ref points to the commit.
      ['prune', `--repo=${view}`, `--delete-commit=${commit}`],
    ]) {
      const refused = spawnSync('ostree', words)
      expect(refused.stderr.toString()).toBe('error: Cannot write to repository: Read-only file system\n')
      expect((await runInProcess(words, root)).stderr).toBe(refused.stderr.toString())
    }
  })
})

describe('a hostile repository directory', () => {
  test('a symbolic link in place of a directory of objects is not followed', async () => {
    const storage = await repository()
    const elsewhere = place()
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'witness'), '')
    for (let i = 0; i < 256; i++) {
      symlinkSync(elsewhere, join(storage.location, 'objects', i.toString(16).padStart(2, '0')))
    }
    const tx = await storage.begin()
    await tx.writeMeta('dirmeta', new Uint8Array(12))
    expect(await caught(() => tx.commit())).toMatchObject({ name: 'IoError', data: { errno: 'ENOTDIR' } })
    const sum = '11'.repeat(32) as Checksum
    const attach = () => storage.objects.writeAttached('commitmeta', sum, new Uint8Array(0))
    expect(await caught(attach)).toMatchObject({ name: 'IoError', data: { errno: 'ENOTDIR' } })
    expect(readdirSync(elsewhere)).toEqual(['witness'])
    await storage[Symbol.asyncDispose]()
  })

  test('symbolic links below refs do not lead a write or a deletion out of the repository', async () => {
    const storage = await repository()
    const elsewhere = place()
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'main'), 'not a ref\n')
    symlinkSync(elsewhere, join(storage.location, 'refs/heads/planted'))
    symlinkSync(join(elsewhere, 'main'), join(storage.location, 'refs/heads/main'))
    const target = { commit: '11'.repeat(32) as Checksum }
    await storage.refs.write('heads/planted/main', undefined)
    expect(await caught(() => storage.refs.write('heads/planted/new', target))).toMatchObject({ name: 'ConflictError' })
    expect(await caught(() => storage.refs.read('heads/main'))).toMatchObject({ name: 'InvalidNameError' })
    expect(await caught(() => storage.refs.read('heads/planted/main'))).toMatchObject({ name: 'InvalidNameError' })
    expect(await storage.refs.list('heads/planted')).toEqual(['heads/planted'])
    await storage.refs.write('heads/main', target)
    expect(lstatSync(join(storage.location, 'refs/heads/main')).isFile()).toBe(true)
    expect(readFileSync(join(elsewhere, 'main'), 'utf8')).toBe('not a ref\n')
    for (const path of ['heads/../../config', '../config', 'heads//x', 'heads/./x', 'heads/x\0y']) {
      expect(await caught(() => storage.refs.write(path, target)), path).toMatchObject({ name: 'InvalidNameError' })
      expect(await caught(() => storage.refs.read(path)), path).toMatchObject({ name: 'InvalidNameError' })
    }
    await storage[Symbol.asyncDispose]()
  })

  test('a symbolic link with the name of a staging directory is not followed', async () => {
    const storage = await repository('archive')
    const elsewhere = place()
    mkdirSync(join(elsewhere, 'unsealed'), { recursive: true })
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    symlinkSync(elsewhere, join(storage.location, `tmp/staging-${bootId}-AAAAAA`))
    const tx = await storage.begin()
    await tx.writeMeta('dirmeta', new Uint8Array(12))
    await tx.commit()
    expect(existsSync(join(elsewhere, 'unsealed'))).toBe(true)
    await storage[Symbol.asyncDispose]()
  })

  test('a pipe, a directory or a file of 1 TiB in place of an object is refused without waiting', async () => {
    const storage = await repository('archive')
    const sum = '11'.repeat(32) as Checksum
    const directory = join(storage.location, 'objects/11')
    mkdirSync(directory)
    const at = (type: string) => join(directory, `${'11'.repeat(31)}.${type}`)
    const reads = [
      ['dirtree', () => storage.objects.readMeta('dirtree', sum)],
      ['filez', () => storage.objects.readFile(sum)],
      ['filez', () => storage.objects.statFile(sum)],
      ['commitmeta', () => storage.objects.readAttached('commitmeta', sum)],
    ] as const
    for (const [type, read] of reads) {
      for (const plant of [
        (path: string) => run('mkfifo', [path]),
        (path: string) => mkdirSync(path),
        (path: string) => {
          writeFileSync(path, '')
          truncateSync(path, 2 ** 40)
        },
      ]) {
        plant(at(type))
        expect(await caught(read)).toBeInstanceOf(OstreeError)
        rmSync(at(type), { recursive: true })
      }
    }
    await storage[Symbol.asyncDispose]()
  })
})

describe('a damaged object', () => {
  test.each(['archive', 'bare-user-only', 'bare-user', ...(isRoot ? (['bare'] as const) : [])] as const)(
    'any bytes of an object are read, or refused with an OstreeError: mode %s',
    async (mode) => {
      const storage = await repository(mode)
      const tx = await storage.begin()
      const bodies = [new Uint8Array(0), encodeUtf8('some text '.repeat(50)), new Uint8Array(1_200_000).fill(3)]
      const sums: Checksum[] = []
      for (const body of bodies) sums.push(await tx.writeFile({ header: regular(0o644), size: body.length, body }))
      sums.push(await tx.writeFile({ header: linkTo('somewhere'), size: 0, body: new Uint8Array(0) }))
      await tx.commit()

      const anyDamage = fc.record({
        which: fc.constantFrom(...sums),
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        bytes: fc.uint8Array({ maxLength: 20 }),
        cut: fc.boolean(),
      })
      await fc.assert(
        fc.asyncProperty(anyDamage, async ({ which, at, bytes, cut }) => {
          const path = storage.objects.loose?.path({ checksum: which, type: 'file' }) ?? ''
          if (lstatSync(path).isSymbolicLink()) return
          const before = readFileSync(path)
          try {
            const damaged = Buffer.from(before)
            const offset = Math.floor(Math.min(at * 80, before.length))
            damaged.set(bytes.subarray(0, damaged.length - offset), offset)
            writeFileSync(path, cut ? damaged.subarray(0, offset) : damaged)
            if (cut) appendFileSync(path, bytes)
            for (const read of [
              async () => await storage.objects.statFile(which),
              async () => await readAll((await storage.objects.readFile(which)).body),
            ]) {
              const error = await caught(read)
              if (error !== undefined) expect(error).toBeInstanceOf(OstreeError)
            }
          } finally {
            writeFileSync(path, before)
          }
        }),
        { numRuns: 150 },
      )
      await storage[Symbol.asyncDispose]()
    },
  )

  test('an object of mode bare-user without its xattr is refused with the name of the xattr', async () => {
    const storage = await repository('bare-user')
    const sum = '11'.repeat(32) as Checksum
    mkdirSync(join(storage.location, 'objects/11'))
    writeFileSync(join(storage.location, `objects/11/${'11'.repeat(31)}.file`), 'x')
    expect(() => storage.objects.statFile(sum)).toThrow(
      `Opening content object ${sum}: fgetxattr(user.ostreemeta): No data available`,
    )
    expect(await caught(() => storage.objects.readFile(sum))).toMatchObject({ data: { errno: 'ENODATA' } })
    await storage[Symbol.asyncDispose]()
  })

  test('a ref that is not a checksum is refused with the message of ostree', async () => {
    const storage = await repository()
    writeFileSync(join(storage.location, 'refs/heads/garbage'), 'garbage\n')
    expect(await storage.refs.list('heads')).toEqual(['heads/garbage'])
    expect(() => storage.refs.read('heads/garbage')).toThrow('Invalid rev garbage')
    await storage[Symbol.asyncDispose]()
  })
})

describe('a storage without native calls', () => {
  test('what needs xattrs is refused with the modes that do not, and the rest works', async () => {
    const refused = initFsStorage(place(), { mode: 'bare-user', platform, native: null })
    await expect(refused).rejects.toThrow(UnsupportedError)
    await expect(refused).rejects.toThrow('modes archive and bare-user-only need none')

    const bare = await repository('bare')
    const { uid, gid } = lstatSync(bare.location)
    await bare[Symbol.asyncDispose]()
    const storage = await openFsStorage(bare.location, { platform, native: null })
    const tx = await storage.begin()
    const plain = { header: regular(0o644, { uid, gid }), size: 1, body: encodeUtf8('x') }
    const sum = await tx.writeFile(plain)
    const rich = { ...plain, header: { ...plain.header, xattrs: [[encodeUtf8('user.a'), encodeUtf8('1')]] as const } }
    expect(await caught(() => tx.writeFile(rich))).toMatchObject({ code: 'unsupported' })
    await tx.commit()
    expect(await storage.objects.has({ checksum: sum, type: 'file' })).toBe(true)
    expect(await caught(() => storage.objects.readFile(sum))).toMatchObject({ code: 'unsupported' })
    await storage.writeConfig(`${await storage.readConfig()}disable-xattrs=true\n`)
    expect(await storage.objects.statFile(sum)).toEqual({ header: plain.header, size: 1 })
    await storage[Symbol.asyncDispose]()
  })

  test('a staging directory is private, and removed with its transaction', async () => {
    const made = await repository('archive')
    await made[Symbol.asyncDispose]()
    const storage = await openFsStorage(made.location, { platform, native: null })
    const tx = await storage.begin()
    await tx.writeMeta('dirmeta', new Uint8Array(12))
    expect(readdirSync(join(made.location, 'tmp')).filter((name) => name.startsWith('staging-'))).toEqual([])
    await tx[Symbol.asyncDispose]()
    expect(readdirSync(join(made.location, 'tmp'))).toEqual(['cache'])
    await storage[Symbol.asyncDispose]()
  })
})

describe('a transaction of a repository directory', () => {
  test('`per-object-fsync` syncs every object and directory', async () => {
    const storage = await repository('archive')
    await storage.writeConfig(`${await storage.readConfig()}per-object-fsync=true\n`)
    const tx = await storage.begin()
    await writeFlatCommit(tx, [{ name: 'a', header: regular(0o644), body: encodeUtf8('a') }], 'main')
    await tx.commit()
    expect(await storage.refs.list('heads')).toEqual(['heads/main'])
    await storage[Symbol.asyncDispose]()
  })

  test('a transaction whose staging directory was renamed fails with an OstreeError', async () => {
    const storage = await repository('archive')
    const tx = await storage.begin()
    await tx.writeMeta('dirmeta', new Uint8Array(12))
    const tmp = join(storage.location, 'tmp')
    for (const name of readdirSync(tmp)) if (name.startsWith('staging-')) renameSync(join(tmp, name), place())
    expect(await caught(() => tx.writeMeta('dirmeta', new Uint8Array(16)))).toBeInstanceOf(OstreeError)
    expect(await caught(() => tx.commit())).toBeInstanceOf(OstreeError)
    await tx[Symbol.asyncDispose]()
    await (await storage.begin()).commit()
    await storage[Symbol.asyncDispose]()
  })
})
