/** Objects that have the right checksum and break a rule of their type. Texts are those of ostree 2026.4. */
import { statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../src/bytes.ts'
import { Commit, DirMeta, DirTree, loosePath, S_IFDIR, type Xattrs } from '../../../src/objects/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let made = 0

const ostree = (...words: string[]) => runInProcess(words, root)

/** Writes a commit without checks. @param change replaces fields of a sound commit of an empty directory */
async function commitOf(
  xattrs: Xattrs,
  change: Partial<Commit> = {},
): Promise<{ repo: string; commit: Checksum; meta: Checksum }> {
  const path = join(root, `repo${made++}`)
  const repo = await createRepo(path, { mode: 'archive' })
  const tx = await repo.begin()
  const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs }))
  const tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
  const sound = { metadata: [], parent: undefined, related: [], subject: 's', body: '', timestamp: 0n, rootTree: tree }
  const commit = await tx.writeMeta('commit', Commit.encode({ ...sound, rootMeta: meta, ...change }))
  await tx.commit()
  await repo.setRef('main', commit)
  await repo.close()
  return { repo: path, commit, meta }
}

const xattr = (name: string) => [encodeUtf8(name), encodeUtf8('v')] as const

describe('a dirmeta with extended attributes', () => {
  test.each([
    [['user.b', 'user.a'], 'Incorrectly sorted xattr name (prev=user.b, cur=user.a), index=1'],
    [['user.a', 'user.c', 'user.b'], 'Incorrectly sorted xattr name (prev=user.c, cur=user.b), index=2'],
    [['user.a', 'user.a'], 'Duplicate xattr name, index=1'],
    [['', 'user.a'], 'Invalid xattr name (empty or missing NUL) index=0'],
  ])(
    '%j is refused by fsck and by `pull-local --untrusted`, and found after a trusted pull',
    async (names, problem) => {
      const { repo, commit, meta } = await commitOf(names.map(xattr))
      const found = `fsck ${meta}.dirmeta: ${meta}.dirmeta: ${problem}\n`
      expect(await ostree('fsck', '--quiet', `--repo=${repo}`)).toMatchObject({
        status: 1,
        stderr: `error: In commits ${commit}: ${found}`,
      })
      const into = join(root, `into${made++}`)
      await (await createRepo(into, { mode: 'archive' })).close()
      expect(await ostree('pull-local', `--repo=${into}`, '--untrusted', repo, 'main')).toMatchObject({
        status: 1,
        stderr: `error: ${found}`,
      })
      expect(await ostree('pull-local', `--repo=${into}`, repo, 'main')).toMatchObject({ status: 0 })
      expect(await ostree('fsck', '--quiet', `--repo=${into}`)).toMatchObject({ status: 1 })
    },
  )
})

describe('a commit with a checksum of another length', () => {
  test('`show` prints that it is invalid instead of a checksum of the content', async () => {
    const { repo } = await commitOf([], { rootTree: '0102' as Checksum })
    const { status, stdout } = await ostree('show', `--repo=${repo}`, 'main')
    expect({ status, line: stdout.split('\n')[1] }).toEqual({ status: 0, line: 'ContentChecksum:  <invalid commit>' })
  })
})

describe('a commit whose file is cut', () => {
  test.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'by %d bytes is an error of `show` and `log`',
    async (bytes) => {
      const { repo, commit } = await commitOf([])
      const path = join(repo, loosePath({ checksum: commit, type: 'commit' }, true))
      truncateSync(path, statSync(path).size - bytes)
      for (const name of ['show', 'log']) {
        const { status, stdout, stderr } = await ostree(name, `--repo=${repo}`, 'main')
        expect(stdout).toBe(`commit ${commit}\n`)
        expect(stderr).toMatch(/^ostree: Failed to read commit: /)
        expect(status).toBe(1)
      }
    },
  )
})
