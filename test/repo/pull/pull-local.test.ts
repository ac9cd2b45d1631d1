/** Pulls between stores of all kinds. differential.test.ts compares the command with ostree. */
import { createHash } from 'node:crypto'
import { chownSync, copyFileSync, lstatSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Checksum, readAll } from '../../../src/bytes.ts'
import { S_IFLNK, S_IFREG } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Progress } from '../../../src/progress.ts'
import { collectReachable, fsck, pullLocal, Repo } from '../../../src/repo/index.ts'
import { requireSound } from '../../../src/repo/internal.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { BACKENDS, type Backend, testRepos } from '../../support/backends.ts'
import { commitRaw, commitTree, memoryRepo } from '../../support/commits.ts'
import { isRoot } from '../../support/machine.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const places = testRepos()
const directory = BACKENDS[4] as Backend
const LARGE = 'large '.repeat(500_000)

async function makeSource(repo: Repo): Promise<Checksum[]> {
  const first = await commitTree(repo, { a: 'a', 'd/b': 'b', 'd/same': 'a' })
  const second = await commitTree(repo, {
    a: 'changed',
    'd/b': 'b',
    'd/e/large': LARGE,
    'd/link': { mode: S_IFLNK | 0o777, content: '../a' },
    run: { mode: S_IFREG | 0o755, content: '#!' },
  })
  return [first, second]
}

async function readable(repo: Repo, commit: Checksum): Promise<string> {
  const digest = createHash('sha256')
  for (const name of await collectReachable(repo, commit)) {
    if (name.type !== 'file') continue
    const { header, size, body } = await repo.objects.readFile(name.checksum)
    digest
      .update(name.checksum)
      .update(header.target)
      .update(await readAll(body, size))
  }
  return digest.digest('hex')
}

describe.each(BACKENDS)('pullLocal from memory into $name', (place) => {
  test('a commit is pulled with all objects, with its history to the given depth, and back into memory', async () => {
    const source = await memoryRepo()
    const [first = '', second = ''] = await makeSource(source)
    const into = await places.create(place, 'archive')
    const events: Progress[] = []
    const result = await pullLocal(source, into, { refs: ['main'], onProgress: (event) => events.push(event) })
    expect(result).toMatchObject({ metadata: 5, content: 5 })
    expect(await into.resolve('main')).toBe(second)
    expect(await readable(into, second as Checksum)).toBe(await readable(source, second as Checksum))
    expect(await into.objects.has({ checksum: first as Checksum, type: 'commit' })).toBe(false)
    expect(await into.commitState(second as Checksum)).toBe('complete')
    expect(events.at(-1)).toMatchObject({ kind: 'objects', written: 10 })

    expect(await pullLocal(source, into)).toEqual({ metadata: 0, content: 0, contentBytes: 0, attachedBytes: 0 })
    expect(await pullLocal(source, into, { depth: -1 })).toMatchObject({ metadata: 3, content: 1 })
    requireSound(await fsck(into))

    const back = await memoryRepo('bare-user')
    await pullLocal(into, back, { remote: 'origin', untrusted: true })
    expect(await back.resolve('origin:main')).toBe(second)
    expect(await readable(back, second as Checksum)).toBe(await readable(source, second as Checksum))
  })

  test('a commit that is pulled with `commitOnly` is partial until its objects are pulled', async () => {
    const source = await memoryRepo()
    const [first = '', second = ''] = (await makeSource(source)) as string[]
    const into = await places.create(place, 'archive')
    expect(await pullLocal(source, into, { commitOnly: true, depth: 1 })).toMatchObject({ metadata: 2, content: 0 })
    for (const commit of [first, second]) expect(await into.commitState(commit as Checksum)).toBe('partial')
    await pullLocal(source, into)
    expect(await into.commitState(second as Checksum)).toBe('complete')
    expect(await into.commitState(first as Checksum)).toBe('partial')
  })

  test('a failed pull does not change the target', async () => {
    const source = await memoryRepo()
    const [, second = ''] = await makeSource(source)
    const into = await places.create(place, 'archive')
    const { files } = await source.readDirTree((await source.readCommit(second as Checksum)).rootTree)
    const gone = files[0]?.checksum as Checksum
    await source.objects.delete({ checksum: gone, type: 'file' })
    await expect(pullLocal(source, into)).rejects.toThrow(gone)
    expect(await into.listRefs()).toEqual([])
    expect(await into.objects.has({ checksum: second as Checksum, type: 'commit' })).toBe(false)
    expect(await into.commitState(second as Checksum)).toBe('complete')
  })

  test('an aborted signal stops the pull', async () => {
    const source = await memoryRepo()
    await makeSource(source)
    const into = await places.create(place, 'archive')
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(pullLocal(source, into, { signal })).rejects.toThrow('enough')
    expect(await into.listRefs()).toEqual([])
  })
})

describe('pullLocal between directories', () => {
  const inode = (path: string) => lstatSync(path).ino
  const loose = (repo: Repo, checksum: Checksum) => repo.storage.objects.loose?.path({ checksum, type: 'file' }) ?? ''

  test('objects are linked between two repositories of the same mode', async () => {
    const source = await places.create(directory, 'archive')
    const [, second = ''] = await makeSource(source)
    const into = await places.create(directory, 'archive')
    for (const untrusted of [false, true]) {
      await pullLocal(source, into, { untrusted, depth: untrusted ? 1 : 0 })
      for (const { type, checksum } of await collectReachable(source, second as Checksum)) {
        const paths = [source, into].map((repo) => repo.storage.objects.loose?.path({ type, checksum }) ?? '')
        expect(inode(paths[0] as string)).toBe(inode(paths[1] as string))
      }
    }
  })

  test('changed content is refused with `untrusted`, and when it is written anew without `trusted`', async () => {
    const source = await places.create(directory, 'archive')
    const [, second = ''] = await makeSource(source)
    const { files } = await source.readDirTree((await source.readCommit(second as Checksum)).rootTree)
    const changed = files[0]?.checksum as Checksum
    const other = files[1]?.checksum as Checksum
    copyFileSync(loose(source, other), loose(source, changed))
    const into = await places.create(directory, 'archive')
    await expect(pullLocal(source, into, { untrusted: true })).rejects.toThrow(
      `fsck content object ${changed}: Corrupted file object; checksum expected='${changed}' actual='${other}'`,
    )
    expect(await into.listRefs()).toEqual([])
    expect(await pullLocal(source, into)).toMatchObject({ content: 5 })
    // A target of another mode writes the object anew, which checks it in any case.
    const elsewhere = await places.create(directory, 'bare-user-only')
    await expect(pullLocal(source, elsewhere)).rejects.toThrow(`Corrupted file object; checksum expected='${changed}'`)
    // With `trusted` it is not checked, and found by fsck.
    await expect(pullLocal(source, elsewhere, { trusted: true, untrusted: true })).rejects.toThrow(
      'Corrupted file object',
    )
    expect(await pullLocal(source, elsewhere, { trusted: true })).toMatchObject({ content: 5 })
    await expect(fsck(elsewhere)).rejects.toThrow(`fsck content object ${changed}: Corrupted file object`)
  })

  test('objects are copied byte for byte between file systems', async () => {
    const here = temporaryFolder('modules')
    const source = await createRepo(join(here, 'source'), { mode: 'archive' })
    try {
      const [, second = ''] = await makeSource(source)
      const into = await places.create(directory, 'archive')
      await pullLocal(source, into)
      for (const { type, checksum } of await collectReachable(source, second as Checksum)) {
        const [a = '', b = ''] = [source, into].map(
          (repo) => repo.storage.objects.loose?.path({ type, checksum }) ?? '',
        )
        expect(readFileSync(b).equals(readFileSync(a))).toBe(true)
        expect(statSync(b).mode).toBe(statSync(a).mode)
      }
    } finally {
      await source.close()
    }
  })

  test.runIf(isRoot)('objects of a repository with another owner are not linked', async () => {
    const source = await places.create(directory, 'archive')
    const [, second = ''] = await makeSource(source)
    chownSync(source.storage.directory?.path as string, 12345, 12345)
    for (const untrusted of [false, true]) {
      const into = await places.create(directory, 'archive')
      await pullLocal(source, into, { untrusted })
      for (const name of await collectReachable(source, second as Checksum)) {
        expect(statSync(into.storage.objects.loose?.path(name) ?? '').nlink).toBe(1)
      }
    }
  })

  test('an object of the source with another modification time is linked', async () => {
    const source = await places.create(directory, 'bare-user-only')
    const commit = await commitTree(source, { f: 'x' })
    const [file] = (await source.readDirTree((await source.readCommit(commit)).rootTree)).files
    utimesSync(loose(source, file?.checksum as Checksum), 5, 5)
    const into = await places.create(directory, 'bare-user-only')
    await pullLocal(source, into)
    expect(statSync(loose(into, file?.checksum as Checksum)).mtimeMs).toBe(5000)
  })
})

describe('pullLocal with parent repositories', () => {
  test('objects in the parent of the target are not pulled, and those in the parent of the source are', async () => {
    const upper = await places.create(directory, 'archive')
    const [, second = ''] = await makeSource(upper)
    const lower = join(places.path())
    await (await createRepo(lower, { mode: 'archive' })).close()
    writeFileSync(
      join(lower, 'config'),
      `[core]\nrepo_version=1\nmode=archive-z2\nparent=${upper.storage.directory?.path}\n`,
    )
    const child = await openRepo(lower)
    try {
      expect(await pullLocal(upper, child)).toMatchObject({ metadata: 0, content: 0 })
      const into = await places.create(directory, 'archive')
      expect(await pullLocal(child, into, { refs: [second] })).toMatchObject({ metadata: 5, content: 5 })
    } finally {
      await child.close()
    }
  })
})

describe('pullLocal from hostile sources', () => {
  test.each(['../afile', 'a/b', '..', '.', ''])('a tree with the name %j is refused', async (name) => {
    const source = await memoryRepo()
    const commit = await commitRaw(source, async (make, file) => make({ files: [{ name, checksum: await file('x') }] }))
    for (const untrusted of [false, true]) {
      const into = await memoryRepo()
      await expect(pullLocal(source, into, { refs: [commit], untrusted })).rejects.toThrow(/in filename|filename/)
      expect(await into.objects.has({ checksum: commit, type: 'commit' })).toBe(false)
    }
  })

  test('a file that mode bare-user-only cannot store is refused with `bareUserOnlyFiles`', async () => {
    const source = await memoryRepo()
    await commitTree(source, { su: { mode: S_IFREG | 0o4755, content: 'x' } })
    const into = await memoryRepo()
    await expect(pullLocal(source, into, { bareUserOnlyFiles: true })).rejects.toThrow(
      /^Content object [0-9a-f]{64}: invalid mode 0104755 with bits 04000$/,
    )
    expect(await pullLocal(source, into)).toMatchObject({ content: 1 })
  })

  test('a pull from a repository into itself does not write objects', async () => {
    const repo = await memoryRepo()
    await makeSource(repo)
    expect(await pullLocal(repo, repo, { depth: -1 })).toMatchObject({ metadata: 0, content: 0 })
  })

  test('a depth below -1 is refused', async () => {
    const repo = await Repo.open((await memoryRepo()).storage, nodePlatform)
    await expect(pullLocal(repo, repo, { depth: -2 })).rejects.toThrow('Invalid depth -2')
  })
})
