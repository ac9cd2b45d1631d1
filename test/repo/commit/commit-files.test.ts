/** Files committed by path. */
import { describe, expect, test } from 'vitest'
import { displayUtf8, encodeUtf8, equalBytes, streamOf } from '../../../src/bytes.ts'
import { commitFiles, type FileToCommit, listTree, openCommit } from '../../../src/repo/index.ts'
import { collect, memoryRepo } from '../../container/tar-kit.ts'

test('files, links and directories have the metadata that is given, and defaults', async () => {
  const repo = await memoryRepo()
  const large = new Uint8Array(3_000_000).fill(7)
  const files: Record<string, FileToCommit> = {
    'usr/bin/x': {
      content: 'echo',
      mode: 0o4755,
      uid: 1,
      gid: 2,
      xattrs: { 'user.b': 'B', 'user.a': encodeUtf8('A') },
    },
    '/usr/text': 'text',
    'usr/bytes': encodeUtf8('bytes'),
    'usr/large': { content: streamOf(large), size: large.length },
    'usr/link': { symlink: 'bin/x' },
    empty: { directory: true, mode: 0o1777 },
    usr: { directory: true, mode: 0o700, uid: 3 },
  }
  const { commit } = await commitFiles(repo, files, { branch: 'main', subject: 'By path' })
  expect(await repo.resolve('main')).toBe(commit)
  expect(await repo.readCommit(commit)).toMatchObject({ subject: 'By path', timestamp: 0n })
  const listed: unknown[] = []
  for await (const { entry, header, size } of listTree(repo, 'main', '/', { depth: 9 })) {
    listed.push([
      entry.path,
      header.mode.toString(8),
      header.uid,
      header.gid,
      size,
      header.target,
      header.xattrs.length,
    ])
  }
  expect(listed).toEqual([
    ['/', '40755', 0, 0, 0, '', 0],
    ['/empty', '41777', 0, 0, 0, '', 0],
    ['/usr', '40700', 3, 0, 0, '', 0],
    ['/usr/bytes', '100644', 0, 0, 5, '', 0],
    ['/usr/large', '100644', 0, 0, 3_000_000, '', 0],
    ['/usr/link', '120777', 0, 0, 0, 'bin/x', 0],
    ['/usr/text', '100644', 0, 0, 4, '', 0],
    ['/usr/bin', '40755', 0, 0, 0, '', 0],
    ['/usr/bin/x', '104755', 1, 2, 4, '', 2],
  ])
  expect(displayUtf8(await (await openCommit(repo, 'main')).readFile('usr/link'))).toBe('echo')
  expect(equalBytes(await collect((await openCommit(repo, 'main')).stream('usr/large')), large)).toBe(true)
})

test('the same files are the same commit, and a base is kept', async () => {
  const repo = await memoryRepo()
  const one = await commitFiles(repo, { a: '1', b: '2' })
  const two = await commitFiles(
    repo,
    new Map([
      ['b', '2'],
      ['a', '1'],
    ]),
  )
  expect(two.commit).toBe(one.commit)
  await commitFiles(repo, { b: 'changed', c: '3' }, { base: one.commit, branch: 'next' })
  const files = await openCommit(repo, 'next')
  expect((await files.list()).map(({ path }) => path)).toEqual(['/a', '/b', '/c'])
  expect(displayUtf8(await files.readFile('b'))).toBe('changed')
})

describe('refused is', () => {
  test.each<[string, Record<string, FileToCommit>, string]>([
    ['an empty path', { '': 'x' }, 'InvalidNameError'],
    ['an empty name', { 'a//b': 'x' }, 'InvalidNameError'],
    ['..', { 'a/../b': 'x' }, 'InvalidNameError'],
    ['a NUL', { 'a\0': 'x' }, 'InvalidNameError'],
    ['a path through a file', { a: 'x', 'a/b': 'x' }, 'UsageError'],
    ['a file in place of a directory', { 'a/b': 'x', a: 'x' }, 'UsageError'],
    ['a path that is given twice', { a: 'x', '/a': 'y' }, 'UsageError'],
  ])('%s', async (_, files, name) => {
    const repo = await memoryRepo()
    await expect(commitFiles(repo, files, { branch: 'main' })).rejects.toMatchObject({ name })
    expect(await repo.tryResolve('main')).toBeUndefined()
  })

  test('a stream of another length', async () => {
    const repo = await memoryRepo()
    const files = { a: { content: streamOf(new Uint8Array(2_000_000)), size: 2_000_001 } }
    await expect(commitFiles(repo, files)).rejects.toMatchObject({ code: expect.stringMatching(/invalid|io|corrupt/) })
  })
})
