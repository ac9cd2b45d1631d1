import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { ConflictError, ObjectNotFoundError, UnsupportedError, UsageError } from '../../../src/errors.ts'
import { S_IFREG } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { type CheckoutOptions, checkout, createMemoryStorage, Repo, type Storage } from '../../../src/repo/index.ts'
import {
  createCheckoutTarget,
  createLocalTarget,
  createRepo,
  createUncompressedCache,
  type LocalTargetOptions,
  openRepo,
  scanHardLinks,
} from '../../../src/repo/local.ts'
import { createSqliteStorage } from '../../../src/repo/stores/sqlite/open.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { type DiskEntry, describeDisk, type RepoFile, writeRepoFiles } from '../../support/disk.ts'
import { goldenJson } from '../../support/golden.ts'
import { isRoot } from '../../support/machine.ts'
import { file, link } from '../../support/memory-directory.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0
const place = () => join(root, String(count++))

function checkOut(
  repo: Repo,
  commit: Checksum,
  target: string,
  options: CheckoutOptions = {},
  how?: LocalTargetOptions,
) {
  return checkout(repo, commit, createLocalTarget(target, how), { mode: 'user', ...options })
}

/** Wraps a target so that every method returns a promise, and without threads, of which the target must tell at once. */
function late<T extends object>(target: T): T {
  return new Proxy(target, {
    get(of, key) {
      if (key === 'threads') return undefined
      const member = Reflect.get(of, key, of) as unknown
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        const result: unknown = await member.apply(of, args)
        return typeof result === 'object' && result !== null && 'hardLink' in result ? late(result) : result
      }
    },
  })
}

interface Case {
  readonly mode: string
  readonly case: string
  readonly tree: readonly DiskEntry[]
}
const cases = goldenJson<Case[]>('core/checkouts.json')
const archive = goldenJson<Record<string, { files: RepoFile[]; commit: Checksum }>>('core/repo-modes.json')['archive']

/** Copies the golden archive repository into a store. */
async function copyInto(storage: Storage): Promise<Repo> {
  const path = place()
  mkdirSync(path)
  writeRepoFiles(path, archive?.files ?? [])
  const from = await openRepo(path)
  const to = await Repo.open(storage, nodePlatform)
  await to.transaction(async (tx) => {
    for await (const { checksum, type } of from.objects.list()) {
      if (type === 'file') await tx.writeFile(await from.objects.readFile(checksum), checksum)
      else if (type === 'commit' || type === 'dirtree' || type === 'dirmeta') {
        await tx.writeMeta(type, await from.objects.readMeta(type, checksum), checksum)
      }
    }
  })
  await from.close()
  return to
}

describe.runIf(isRoot).each([
  ['memory', async () => createMemoryStorage({ platform: nodePlatform })],
  ['SQLite', async () => createSqliteStorage(`${place()}.sqlite`, { platform: nodePlatform, mode: 'archive' })],
] as const)('checkout from a store without files: %s', (_, make) => {
  test.each([
    ['plain', { mode: 'none' }],
    ['disable-cache', { mode: 'user' }],
    ['user+copy', { mode: 'user', forceCopy: true }],
    ['bareuseronly-dirs', { mode: 'user', bareUserOnlyDirs: true }],
  ] as const)('the files are those of a checkout from an archive directory: %s', async (name, options) => {
    const repo = await copyInto(await make())
    const target = place()
    await checkout(repo, archive?.commit as Checksum, createCheckoutTarget(target), options)
    const expected = cases.find((vector) => vector.mode === 'archive' && vector.case === name)?.tree ?? []
    const plain = ({ target: to, sha256: __, ...entry }: DiskEntry) => ({ ...entry, to })
    const byPath = (a: DiskEntry, b: DiskEntry) => (a.path < b.path ? -1 : 1)
    expect(describeDisk(target).map(plain)).toEqual(expected.toSorted(byPath).map(plain))
    await repo.close()
  })

  test('a checkout that requires hard links is refused', async () => {
    const repo = await copyInto(await make())
    const options = { mode: 'user', requireHardlinks: true } as const
    const refused = checkout(repo, archive?.commit as Checksum, createCheckoutTarget(place()), options)
    await expect(refused).rejects.toThrow(UnsupportedError)
    await repo.close()
  })
})

test('a checkout that requires hard links is refused from memory also in mode bare-user', async () => {
  const repo = await memoryRepo('bare-user')
  const commit = await commitTree(repo, { f: 'x' })
  await expect(checkOut(repo, commit, place(), { requireHardlinks: true })).rejects.toThrow(/memory has no files/)
  await expect(checkOut(repo, commit, place())).resolves.toMatchObject({ copied: 1, linked: 0 })
})

describe.each([
  ['with the system calls of koffi', {}],
  ['with the functions of Node', { native: null, linkCalls: null }],
  ['with paths in place of open directories', { native: null, linkCalls: null, byPath: true }],
] as const)('checkout to the local file system, %s', (_, how) => {
  test('the result counts directories, links, copies and kept files', async () => {
    const repo = await createRepo(place(), { mode: 'bare-user-only' })
    const commit = await commitTree(repo, { 'd/f': 'x', 'd/g': 'y', empty: '', l: link('d') })
    const target = place()
    const first = await checkOut(repo, commit, target, {}, how)
    expect(first).toEqual({ directories: 2, linked: 2, copied: 2, kept: 0 })
    const again = await checkOut(repo, commit, target, { overwrite: 'add' }, how)
    expect(again).toEqual({ directories: 0, linked: 0, copied: 0, kept: 4 })
    const identical = { overwrite: 'union-identical', requireHardlinks: true } as const
    expect(await checkOut(repo, commit, target, identical, how)).toMatchObject({ kept: 4 })
    await repo.close()
  })

  test('a large file is copied as a stream, and synced if `fsync` is set', async () => {
    const content = new Uint8Array(5 << 20).map((_byte, i) => (i >> 8) ^ i)
    for (const mode of ['archive', 'bare-user-only'] as const) {
      const repo = await createRepo(place(), { mode })
      const commit = await commitTree(repo, { large: file(content), 'd/small': 'x' })
      const target = place()
      await checkOut(repo, commit, target, { forceCopy: true, fsync: true }, how)
      expect(readFileSync(join(target, 'large')).equals(content)).toBe(true)
      writeFileSync(join(target, 'large'), 'short')
      await checkOut(repo, commit, target, { forceCopy: true, overwrite: 'union-files' }, how)
      expect(readFileSync(join(target, 'large')).equals(content)).toBe(true)
      expect(readdirSync(target)).toEqual(['d', 'large'])
      await repo.close()
    }
  })

  test('a truncated object is refused, and its file is removed', async () => {
    const repo = await createRepo(place(), { mode: 'archive' })
    const content = new Uint8Array(3 << 20).map((_byte, i) => Math.imul(i, 2654435761) >>> 13)
    const commit = await commitTree(repo, { a: 'fine', b: file(content) })
    const { location: path } = repo.storage
    for await (const { checksum } of repo.objects.list('file')) {
      const loose = join(path, `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.filez`)
      const bytes = readFileSync(loose)
      if (bytes.length > 10_000) writeFileSync(loose, bytes.subarray(0, bytes.length >> 1))
    }
    const target = place()
    const failed = checkOut(repo, commit, target, {}, how)
    await expect(failed).rejects.toThrow(/^Copy checkout of [0-9a-f]{64} to b: /)
    expect(readdirSync(target)).toEqual(['a'])
    await repo.close()
  })

  test('a directory of a layer replaces a file or link below, as in ostree since 2024.5', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { 'd/f': 'x', 'e/f': 'x' })
    const target = place()
    mkdirSync(target)
    writeFileSync(join(target, 'd'), 'a file')
    symlinkSync('d', join(target, 'e'))
    await checkOut(repo, commit, target, { overwrite: 'union-files', whiteouts: true }, how)
    expect(describeDisk(target).map(({ path, mode }) => [path, mode])).toEqual([
      ['.', '040755'],
      ['d', '040755'],
      ['d/f', '100644'],
      ['e', '040755'],
      ['e/f', '100644'],
    ])
  })

  test('a destination may end with a slash, and one without a parent directory is refused', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { f: 'x' })
    const target = place()
    await checkOut(repo, commit, `${target}/`, {}, how)
    expect(readdirSync(target)).toEqual(['f'])
    await expect(checkOut(repo, commit, '', {}, how)).rejects.toThrow('mkdirat: No such file or directory')
    const nowhere = checkOut(repo, commit, join(target, 'no/where'), {}, how)
    await expect(nowhere).rejects.toThrow('mkdirat: No such file or directory')
    const throughFile = checkOut(repo, commit, join(target, 'f/where'), {}, how)
    await expect(throughFile).rejects.toThrow('mkdirat: Not a directory')
  })
})

test('whiteout devices are refused with an UnsupportedError without the system calls of koffi', async () => {
  const repo = await memoryRepo()
  const commit = await commitTree(repo, { '.ostree-wh.f': 'x' })
  const options = { passthroughWhiteouts: true }
  const refused = checkOut(repo, commit, place(), options, { linkCalls: null })
  await expect(refused).rejects.toThrow(UnsupportedError)
})

test('a checkout links objects of a parent repository', async () => {
  const parentPath = place()
  const parent = await createRepo(parentPath, { mode: 'bare-user-only' })
  const commit = await commitTree(parent, { f: 'x', l: link('f') })
  await parent.close()
  const path = place()
  const made = await createRepo(path, { mode: 'bare-user-only' })
  await made.writeConfig(`${made.config.toString()}parent=${parentPath}\n`)
  await made.close()
  const child = await openRepo(path)
  const own = await commitTree(child, { g: 'own' })
  const target = place()
  expect(await checkOut(child, commit, target, { requireHardlinks: true })).toMatchObject({ linked: 1, copied: 1 })
  expect(statSync(join(target, 'f')).nlink).toBe(2)
  expect(await checkOut(child, own, place())).toMatchObject({ linked: 1 })
  await child.close()
})

test('a checkout records the inodes of the objects that it linked', async () => {
  const repo = await createRepo(place(), { mode: 'bare-user-only' })
  const commit = await commitTree(repo, { f: 'x', g: 'y', empty: '' })
  const devino = new Map<string, Checksum>()
  await checkOut(repo, commit, place(), { devino })
  const scanned = scanHardLinks(repo)
  expect(devino.size).toBe(2)
  for (const [inode, checksum] of devino) expect(scanned.get(inode)).toBe(checksum)
  await repo.close()
})

describe('the uncompressed cache', () => {
  test('the first checkout fills it, the next links to it, and `collect` removes files without links', async () => {
    const path = place()
    const repo = await createRepo(path, { mode: 'archive' })
    const large = file(new Uint8Array(2 << 20).fill(1), { mode: S_IFREG | 0o4755 })
    const commit = await commitTree(repo, { f: 'x', large, empty: '' })
    const cache = createUncompressedCache(repo)
    const target = place()
    expect(await checkOut(repo, commit, target, { cache })).toMatchObject({ linked: 2, copied: 1 })
    expect(await checkOut(repo, commit, place(), { cache })).toMatchObject({ linked: 2, copied: 1 })
    expect(lstatSync(join(target, 'large')).mode & 0o7777).toBe(0o755)
    expect(lstatSync(join(target, 'f')).nlink).toBe(3)
    expect(cache.collect()).toBe(0)

    const other = createUncompressedCache(repo)
    const next = await commitTree(repo, { g: 'z' })
    const short = place()
    await checkOut(repo, next, short, { cache: other })
    writeFileSync(`${short}/g.new`, 'z')
    renameSync(`${short}/g.new`, `${short}/g`)
    expect(other.collect()).toBe(1)
    await repo.close()
  })

  test('a checkout that keeps owners does not use it, nor one from a repository whose configuration disables it', async () => {
    const path = place()
    const repo = await createRepo(path, { mode: 'archive' })
    const commit = await commitTree(repo, {
      f: file('x', { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
    })
    const cache = createUncompressedCache(repo)
    expect(await checkOut(repo, commit, place(), { cache, mode: 'none' })).toMatchObject({ linked: 0, copied: 1 })
    await repo.writeConfig(`${repo.config.toString()}enable-uncompressed-cache=false\n`)
    expect(await checkOut(repo, commit, place(), { cache })).toMatchObject({ linked: 0, copied: 1 })
    expect(existsSync(join(path, 'uncompressed-objects-cache'))).toBe(false)
    await repo.close()
  })

  test('a repository in memory cannot have one', async () => {
    const repo = await memoryRepo()
    expect(() => createUncompressedCache(repo)).toThrow(UnsupportedError)
  })
})

describe('checkout options', () => {
  test('options that exclude each other are refused before a file is created', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { f: 'x' })
    const target = place()
    await expect(checkOut(repo, commit, target, { forceCopy: true, requireHardlinks: true })).rejects.toThrow(
      UsageError,
    )
    await expect(checkOut(repo, commit, target, { overwrite: 'union-identical' })).rejects.toThrow(UsageError)
    expect(existsSync(target)).toBe(false)
  })

  test('a filter is called with the paths of files and directories, the latter with a slash', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { 'd/e/f': 'x', 'd/g': 'y', h: link('d') })
    const seen: string[] = []
    const target = place()
    await checkOut(repo, commit, target, {
      filter: (path, header) => {
        seen.push(`${header.mode.toString(8)} ${path}`)
        return path === '/d/e/' || path === '/h' ? 'skip' : 'allow'
      },
    })
    expect(seen).toEqual(['40755 /', '120777 /h', '40755 /d/', '100644 /d/g', '40755 /d/e/'])
    expect(readdirSync(target, { recursive: true })).toEqual(['d', 'd/g'])
  })

  test('an existing destination is refused if the mode of overwriting is `none`', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { f: 'x' })
    const target = place()
    mkdirSync(target)
    await expect(checkOut(repo, commit, target)).rejects.toThrow(ConflictError)
  })

  test('a target whose methods return promises gets the same files and links', async () => {
    const path = place()
    const repo = await createRepo(path, { mode: 'bare-user-only' })
    const tree = { 'd/e': 'x', 'd/same': 'x', empty: '', f: 'y', h: link('f') }
    const commit = await commitTree(repo, tree)
    const options = { requireHardlinks: true, mode: 'user' } as const
    for (const overwrite of ['none', 'union-files', 'add', 'union-identical'] as const) {
      const [quick, slow] = [place(), place()]
      if (overwrite !== 'none') {
        for (const target of [quick, slow]) {
          mkdirSync(target)
          writeFileSync(join(target, 'f'), 'y', { mode: 0o644 })
        }
      }
      const expected = await checkout(repo, commit, createCheckoutTarget(quick), { ...options, overwrite })
      expect(expected.linked).toBe(overwrite === 'none' ? 3 : 2)
      expect(await checkout(repo, commit, late(createCheckoutTarget(slow)), { ...options, overwrite })).toEqual(
        expected,
      )
      expect(describeDisk(slow)).toEqual(describeDisk(quick))
      expect(statSync(join(slow, 'd/e')).ino).toBe(statSync(join(quick, 'd/same')).ino)
    }
    await repo.close()
  })

  test('a missing object is an ObjectNotFoundError', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { f: 'x' })
    for await (const name of repo.objects.list('file')) await repo.objects.delete(name)
    await expect(checkOut(repo, commit, place())).rejects.toThrow(ObjectNotFoundError)
  })

  test('progress counts every entry, up to the number of all, and a listener that throws stops the checkout', async () => {
    const repo = await memoryRepo()
    const names = Array.from({ length: 600 }, (_, i) => [`d/${i}`, 'x'] as const)
    const commit = await commitTree(repo, Object.fromEntries(names))
    const counts: number[] = []
    const listen: CheckoutOptions['onProgress'] = (event) => {
      if (event.kind === 'entries') counts.push(event.done)
    }
    await checkOut(repo, commit, place(), { onProgress: listen })
    expect(counts).toEqual([256, 512, 601])
    const stop = () => {
      throw new Error('stopped')
    }
    await expect(checkOut(repo, commit, place(), { onProgress: stop })).rejects.toThrow('stopped')
  })
})
