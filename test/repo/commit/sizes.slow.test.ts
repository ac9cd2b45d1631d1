/** Sizes in commits, compared with those of ostree for many real files. */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { commit, Repo } from '../../../src/repo/index.ts'
import { createDirectorySource, createRepo } from '../../../src/repo/local.ts'
import { initFsStorage } from '../../../src/repo/stores/fs/index.ts'
import { threadProgram } from '../../support/bundle.ts'
import { describeReference } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'

/** Trees of text and programs that Debian always has. */
const TREES: readonly `/${string}`[] = ['/usr/share/doc', '/usr/share/perl', '/usr/lib/x86_64-linux-gnu/perl-base']
const PROGRAMS: readonly `/${string}`[] = ['/usr/bin/bash', '/usr/bin/perl']
/** Files and directories of each tree. */
const FILES = 400

describeReference(['ostree', ...TREES, ...PROGRAMS], 'sizes in a commit of many files', () => {
  const folder = temporaryFolder()
  const tree = join(folder, 'tree')
  let reference: ReferenceRepo
  let checksum: string

  beforeAll(() => {
    let count = 0
    const few = () => count++ < FILES
    for (const path of TREES) {
      count = 0
      cpSync(path, join(tree, path), { recursive: true, filter: few })
    }
    for (const path of PROGRAMS) cpSync(path, join(tree, path), { dereference: true })
    reference = ReferenceRepo.create(join(folder, 'reference'), 'archive')
    const flags = ['--generate-sizes', '--canonical-permissions', '--no-xattrs', '--timestamp=@0']
    checksum = reference.commit('main', tree, ...flags)
  }, 60_000)

  async function commitTree(repo: Repo, exactCompression?: boolean): Promise<string> {
    const { commit: made } = await commit(repo, {
      trees: [{ directory: createDirectorySource(tree) }],
      modifier: { canonicalPermissions: true, noXattrs: true },
      generateSizes: true,
      exactCompression,
      branch: 'main',
      timestamp: 0n,
    })
    return made
  }

  const objectsOf = (repo: string) =>
    readdirSync(join(repo, 'objects'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.filez$/.test(name))
      .sort()

  test.each(['in this thread', 'in threads'])(
    'commit and compressed files are the same as with ostree, %s',
    async (where) => {
      const path = join(folder, where.replaceAll(' ', '-'))
      const threads = { count: 2, program: threadProgram('write-worker'), after: 1 }
      const writers = where === 'in threads' ? threads : null
      const storage = await initFsStorage(path, { mode: 'archive', platform: nodePlatform, writers })
      const repo = await Repo.open(storage, nodePlatform)
      expect(await commitTree(repo)).toBe(checksum)
      await repo.close()
      const names = objectsOf(reference.path)
      expect(names.length).toBeGreaterThan(400)
      expect(objectsOf(path)).toEqual(names)
      for (const name of names) {
        const [theirs, ours] = [reference.path, path].map((root) => readFileSync(join(root, 'objects', name)))
        expect([name, ours?.equals(theirs ?? new Uint8Array(0))]).toEqual([name, true])
      }
    },
  )

  test('the commit is the same in a SQLite file, which stores other bytes', async () => {
    const repo = await createRepo(join(folder, 'repo.sqlite'), { mode: 'archive' })
    expect(await commitTree(repo)).toBe(checksum)
    await repo.close()
  })

  test('files that are stored already keep their bytes and count with the size that they have', async () => {
    const path = join(folder, 'stored')
    const repo = await createRepo(path, { mode: 'archive' })
    const inexact = await commitTree(repo, false)
    expect(inexact).not.toBe(checksum)
    const before = objectsOf(path).map((name) => readFileSync(join(path, 'objects', name)).length)
    await repo.transaction(async (tx) => tx.setRef('heads/main', undefined))
    expect(await commitTree(repo)).toBe(inexact)
    expect(objectsOf(path).map((name) => readFileSync(join(path, 'objects', name)).length)).toEqual(before)
    await repo.close()
  })
})
