/** Checkouts into memory. */
import { expect, test } from 'vitest'
import { displayUtf8 } from '../../../src/bytes.ts'
import { checkout, commitFiles, createMemoryTarget } from '../../../src/repo/index.ts'
import { memoryRepo } from '../../container/tar-kit.ts'

async function repoOf() {
  const repo = await memoryRepo()
  await commitFiles(
    repo,
    {
      'usr/bin/x': { content: 'one', mode: 0o4755, uid: 4, gid: 5, xattrs: { 'user.a': '1' } },
      'usr/link': { symlink: 'bin/x', uid: 6 },
      etc: { directory: true, mode: 0o1777, uid: 7 },
      'usr/empty': '',
    },
    { branch: 'main' },
  )
  await commitFiles(repo, { 'usr/bin/x': 'two', '.wh.etc': '', 'usr/.wh.link': '' }, { branch: 'layer' })
  return repo
}

test('everything of a commit is there, with the metadata that the mode keeps', async () => {
  const repo = await repoOf()
  const target = createMemoryTarget()
  const result = await checkout(repo, await repo.resolve('main'), target)
  expect(result).toMatchObject({ directories: 4, copied: 3, linked: 0 })
  const shown = Array.from(target.entries(), ([path, { mode, uid, gid, content, target: to, xattrs }]) => [
    path,
    mode.toString(8),
    uid,
    gid,
    displayUtf8(content),
    to,
    xattrs.length,
  ])
  expect(shown).toEqual([
    ['/', '40755', 0, 0, '', '', 0],
    ['/etc', '41777', 7, 0, '', '', 0],
    ['/usr', '40755', 0, 0, '', '', 0],
    ['/usr/empty', '100644', 0, 0, '', '', 0],
    ['/usr/link', '120777', 6, 0, '', 'bin/x', 0],
    ['/usr/bin', '40755', 0, 0, '', '', 0],
    ['/usr/bin/x', '104755', 4, 5, 'one', '', 1],
  ])
  const user = createMemoryTarget()
  await checkout(repo, await repo.resolve('main'), user, { mode: 'user' })
  expect(user.get('/usr/bin/x')).toMatchObject({ mode: 0o100755, uid: 0, xattrs: [] })
  expect(user.get('/nowhere')).toBeUndefined()
})

test('a second checkout adds, replaces and removes', async () => {
  const repo = await repoOf()
  const target = createMemoryTarget()
  await checkout(repo, await repo.resolve('main'), target)
  await expect(checkout(repo, await repo.resolve('layer'), target)).rejects.toMatchObject({ code: 'conflict' })
  await checkout(repo, await repo.resolve('layer'), target, { overwrite: 'union-files', whiteouts: true })
  expect(Array.from(target.entries(), ([path]) => path)).toEqual(['/', '/usr', '/usr/empty', '/usr/bin', '/usr/bin/x'])
  expect(displayUtf8(target.get('/usr/bin/x')?.content ?? new Uint8Array(0))).toBe('two')
})

test('the content is limited', async () => {
  const repo = await repoOf()
  const run = checkout(repo, await repo.resolve('main'), createMemoryTarget({ maxBytes: 2 }))
  await expect(run).rejects.toMatchObject({ code: 'limit' })
})
