import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { encodeUtf8 } from '../../src/bytes.ts'
import { DirMeta, DirTree, type FileHeader, S_IFDIR, S_IFREG } from '../../src/objects/index.ts'
import { overlayDirectory } from '../../src/repo/commit/directory.ts'
import { MutableTree, type Repo, writeCommit, writeTree } from '../../src/repo/index.ts'
import { CommitModifier } from '../../src/repo/internal.ts'
import { createDirectorySource, createRepo, openRepo, scanHardLinks } from '../../src/repo/local.ts'
import { file, memoryDirectory } from '../support/memory-directory.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')

const header: FileHeader = { uid: 0, gid: 0, mode: S_IFREG | 0o644, target: '', xattrs: [] }
const body = encodeUtf8('content')

async function withRepo<T>(opened: Promise<Repo>, work: (repo: Repo) => Promise<T>): Promise<T> {
  const repo = await opened
  try {
    return await work(repo)
  } finally {
    await repo.close()
  }
}

async function commitSample(repo: Repo, branch: string): Promise<Checksum> {
  return repo.transaction(async (tx) => {
    const tree = new MutableTree()
    await overlayDirectory(tx, tree, memoryDirectory({ 'd/f': file('content') }), new CommitModifier(repo))
    const commit = await writeCommit(tx, { root: await writeTree(tx, tree), timestamp: 1n, subject: branch })
    tx.setRef(`heads/${branch}`, { commit })
    return commit
  })
}

describe.each(['directory', 'file.sqlite'])('createRepo and openRepo of a %s', (name) => {
  test('a repository is created, filled, closed and opened again', async () => {
    const path = join(folder, name)
    const options = { mode: 'archive', collectionId: 'org.example.X' } as const
    const commit = await withRepo(createRepo(path, options), (repo) => commitSample(repo, 'main'))
    await withRepo(openRepo(path), async (repo) => {
      expect(repo.mode).toBe('archive')
      expect(repo.settings.collectionId).toBe('org.example.X')
      expect(await repo.resolve('main')).toBe(commit)
      expect((await repo.readCommit(commit)).subject).toBe('main')
    })
    await withRepo(createRepo(path, { mode: 'bare' }), async (repo) => expect(repo.mode).toBe('archive'))
  })

  test('a repository that does not exist cannot be opened', async () => {
    await expect(openRepo(join(folder, `no-${name}`))).rejects.toThrow(/^opening repo: .*No such file or directory/)
    expect(existsSync(join(folder, `no-${name}`))).toBe(false)
  })

  test('a repository is not created with an invalid collection id', async () => {
    const made = createRepo(join(folder, `bad-${name}`), { collectionId: 'x' })
    await expect(made).rejects.toThrow('Invalid collection ID x')
    expect(existsSync(join(folder, `bad-${name}`))).toBe(false)
  })
})

describe('parent repositories', () => {
  async function family() {
    const parent = join(folder, 'parent')
    const child = join(folder, 'child')
    rmSync(parent, { recursive: true, force: true })
    rmSync(child, { recursive: true, force: true })
    const theirs = await withRepo(createRepo(parent, { mode: 'archive' }), (repo) => commitSample(repo, 'theirs'))
    await (await createRepo(child, { mode: 'archive' })).close()
    appendFileSync(join(child, 'config'), `parent=${relative('.', parent)}\n`)
    return { parent, child, theirs }
  }

  test('objects and refs of the parent are read, and its path is relative to the current directory, as in ostree', async () => {
    const { child, theirs } = await family()
    await withRepo(openRepo(child), async (repo) => {
      expect(repo.parent?.mode).toBe('archive')
      expect(await repo.resolve('theirs')).toBe(theirs)
      const { rootTree, rootMeta } = await repo.readCommit(theirs)
      const d = (await repo.readDirTree(rootTree)).dirs[0]
      expect((await repo.readDirMeta(rootMeta)).mode).toBe(S_IFDIR | 0o755)
      const f = (await repo.readDirTree(d?.tree as Checksum)).files[0]?.checksum as Checksum
      expect((await repo.objects.readFile(f)).body).toEqual(body)
      expect((await repo.objects.statFile(f)).size).toBe(7)
      expect(await repo.objects.has({ checksum: f, type: 'file' })).toBe(true)
      expect(await repo.objects.readAttached('commitmeta', theirs)).toBeUndefined()
      const own: string[] = []
      for await (const { checksum } of repo.objects.list()) own.push(checksum)
      expect(own).toEqual([])
      expect(await repo.listRefs()).toEqual([])
    })
  })

  test('an object is written to the child also if the parent has it, except for content, as in libostree', async () => {
    const { child } = await family()
    await withRepo(openRepo(child), async (repo) => {
      await commitSample(repo, 'ours')
      const own: string[] = []
      for await (const { type } of repo.objects.list()) own.push(type)
      expect(own.sort()).toEqual(['commit', 'dirmeta', 'dirtree', 'dirtree', 'file'])
      const stats = await repo.transaction(async (tx) => {
        await tx.writeFile({ header, size: body.length, body })
        await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
        await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 1, gid: 1, mode: S_IFDIR, xattrs: [] }))
        return { ...tx.stats }
      })
      expect(stats).toMatchObject({ contentTotal: 1, contentWritten: 0, metadataTotal: 2, metadataWritten: 2 })
    })
  })

  test('a missing parent, and a repository that is its own parent, are refused', async () => {
    const { child, parent } = await family()
    rmSync(parent, { recursive: true })
    const missing = `opening repo: While checking parent repository '${parent}': opening repo: opendir(${parent}): No such file or directory`
    await expect(openRepo(child)).rejects.toThrow(missing)
    mkdirSync(parent)
    writeFileSync(join(child, 'config'), `[core]\nrepo_version=1\nmode=archive-z2\nparent=${child}\n`)
    await expect(openRepo(child)).rejects.toThrow('more than 16 parent repositories')
  })
})

describeReference('ostree', 'scanHardLinks', () => {
  test('the files of a checkout by hard links are committed without being read', async () => {
    const [path, tree, out] = ['linked', 'tree', 'out'].map((name) => join(folder, name)) as [string, string, string]
    mkdirSync(tree)
    for (const name of ['a', 'b']) writeFileSync(join(tree, name), `content of ${name}`)
    writeFileSync(join(tree, 'empty'), '')
    run('ostree', ['init', '--repo', path, '--mode=bare-user'])
    run('ostree', ['commit', '--repo', path, '-b', 'main', `--tree=dir=${tree}`])
    run('ostree', ['checkout', '--repo', path, '-U', '-H', 'main', out])
    await withRepo(openRepo(path), async (repo) => {
      const devino = scanHardLinks(repo)
      const tx = await repo.begin()
      const onto = new MutableTree()
      await overlayDirectory(tx, onto, createDirectorySource(out), new CommitModifier(repo, { devino }))
      const root = await writeTree(tx, onto)
      expect(root.tree).toBe((await repo.readCommit(await repo.resolve('main'))).rootTree)
      // ostree does not link empty files.
      expect(tx.stats).toMatchObject({ contentCacheHits: 2, contentTotal: 1, contentWritten: 0 })
      await tx[Symbol.asyncDispose]()
    })
  })
})
