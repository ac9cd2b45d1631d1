/** What `--json` prints, described in docs/cli-json.md: every line is JSON, and says what the text says. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatSize } from '../../src/format-size.ts'
import { testDirectory } from '../fs-store/places.ts'
import { runInProcess } from './in-process.ts'

const root = testDirectory()
const CHECKSUM = /^[0-9a-f]{64}$/

describe.each(['repo', 'repo.sqlite'])('of a repository in %s', (name) => {
  const here = join(root, name.replace('.', '-'))
  const repo = join(here, name)
  const ostree = async (command: string, ...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await runInProcess([command, `--repo=${repo}`, ...words], here)
    expect({ status, stderr }, command).toEqual({ status: 0, stderr: '' })
    return stdout
  }
  const json = async <T>(command: string, ...words: string[]): Promise<T[]> => {
    const lines = (await ostree(command, ...words, '--json')).trimEnd().split('\n')
    return lines.map((line) => JSON.parse(line))
  }

  beforeAll(async () => {
    const tree = join(here, 'tree')
    mkdirSync(tree, { recursive: true })
    writeFileSync(join(tree, 'file'), 'content')
    symlinkSync('file', join(tree, 'link'))
    await ostree('init', '--mode=bare-user')
    await ostree('commit', '-b', 'main', '-s', 'first', '--timestamp=@1', '--add-metadata-string=version=1', tree)
    writeFileSync(join(tree, 'new'), 'more')
  })

  test('commit tells the checksum and what was written', async () => {
    const [first] = await json<{ commit: string }>('commit', '-b', 'main', '--timestamp=@2', join(here, 'tree'))
    expect(first).toEqual({
      commit: (await ostree('rev-parse', 'main')).trim(),
      skipped: false,
      metadataTotal: 3,
      metadataWritten: 2,
      contentTotal: 3,
      contentWritten: 1,
      contentBytesWritten: 4,
      contentCacheHits: 0,
    })
  })

  test('refs and rev-parse name commits', async () => {
    const main = (await ostree('rev-parse', 'main')).trim()
    await ostree('refs', '--create=other', 'main^')
    const other = (await ostree('rev-parse', 'other')).trim()
    await ostree('refs', '--create=alias', '--alias', 'main')
    const rows = [
      { name: 'alias', commit: main },
      { name: 'main', commit: main },
      { name: 'other', commit: other },
    ]
    expect(await json('refs')).toEqual(rows)
    expect(await ostree('refs')).toBe(rows.map((row) => `${row.name}\n`).join(''))
    expect(await json('refs', '--alias')).toEqual([{ ...rows[0], aliasOf: 'main' }])
    const revs = ['main', 'main^']
    expect(await json('rev-parse', ...revs)).toEqual([revs.map((rev, i) => ({ rev, commit: [main, other][i] }))])
  })

  test('log and show tell commits whole', async () => {
    const commits = await json<Record<string, unknown>>('log', 'main')
    const text = await ostree('log', 'main')
    expect(commits.map(({ commit }) => commit)).toEqual([...text.matchAll(/^commit (\w+)$/gm)].map((found) => found[1]))
    expect(commits.map(({ contentChecksum }) => contentChecksum)).toEqual(
      [...text.matchAll(/^ContentChecksum: {2}(\w+)$/gm)].map((found) => found[1]),
    )
    expect(commits[1]).toEqual({
      commit: commits[0]?.['parent'],
      parent: null,
      contentChecksum: expect.stringMatching(CHECKSUM),
      timestamp: 1,
      subject: 'first',
      body: '',
      metadata: { version: '1', 'ostree.ref-binding': { variant: "['main']" } },
      rootTree: expect.stringMatching(CHECKSUM),
      rootMeta: expect.stringMatching(CHECKSUM),
    })
    expect(await json('show', 'main^')).toEqual([{ type: 'commit', ...commits[1] }])
    expect(await json('show', '--list-metadata-keys', 'main^')).toEqual([['ostree.ref-binding', 'version']])
  })

  test('ls tells an entry a line', async () => {
    const entries = await json<Record<string, unknown>>('ls', '-R', 'main')
    const text = await ostree('ls', '-R', '-C', 'main')
    const rows = entries.map(({ path, mode, size, target, tree, meta, checksum }) => {
      expect(text).toContain(tree === undefined ? ` ${checksum} ` : ` ${tree} ${meta} `)
      return { path, mode: (mode as number).toString(8), size, target }
    })
    expect(rows).toEqual([
      { path: '/', mode: expect.stringMatching(/^40/), size: 0, target: undefined },
      { path: '/file', mode: expect.stringMatching(/^100/), size: 7, target: undefined },
      { path: '/link', mode: '120777', size: 0, target: 'file' },
      { path: '/new', mode: expect.stringMatching(/^100/), size: 4, target: undefined },
    ])
    expect(await json('show', entries[1]?.['checksum'] as string)).toEqual([
      expect.objectContaining({ type: 'file', size: 7, xattrs: [] }),
    ])
  })

  test('diff tells paths, and counts', async () => {
    expect(await json('diff', 'main')).toEqual([{ modified: [], removed: [], added: ['/new'] }])
    expect(await ostree('diff', 'main')).toBe('A    /new\n')
    const [stats] = await json<Record<string, number>>('diff', '--stats', 'main^', 'main')
    expect(stats).toEqual({ from: 5, to: 6, common: 3, commonSize: expect.any(Number) })
    expect(await ostree('diff', '--stats', 'main^', 'main')).toBe(
      `[A] Object Count: 5\n[B] Object Count: 6\nCommon Object Count: 3\n` +
        `Common Object Size: ${formatSize(stats?.['commonSize'] ?? 0)}\n`,
    )
  })

  test('fsck counts what it saw, and prints nothing else', async () => {
    expect(await json('fsck')).toEqual([{ commits: 2, objects: 8, damaged: 0, partial: 0, fsckPartial: 0 }])
    expect(await ostree('fsck')).toContain('object fsck of 2 commits completed successfully - no errors found.')
  })

  test('prune tells what goes, and in a dry run why the rest stays', async () => {
    const main = (await ostree('rev-parse', 'main')).trim()
    await ostree('refs', '--delete', 'other')
    const flags = ['--refs-only', '--depth=0']
    const [dry] = await json<Record<string, unknown>>('prune', '--no-prune', ...flags)
    expect(dry).toEqual({
      total: 8,
      unreachable: 2,
      bytes: expect.any(Number),
      objects: [expect.stringMatching(/\.commit$/), expect.stringMatching(/\.dirtree$/)],
      kept: [{ commit: main, because: { commit: main, depth: 0, ref: 'alias', rule: 'depth' }, generation: 0 }],
    })
    expect(await ostree('prune', '--no-prune', ...flags)).toBe(
      `Total objects: 8\nWould delete: 2 objects, freeing ${formatSize(dry?.['bytes'] as number)}\n`,
    )
    expect(await json('prune', ...flags)).toEqual([{ total: 8, unreachable: 2, bytes: dry?.['bytes'] }])
    expect(await ostree('prune', ...flags)).toBe('Total objects: 6\nNo unreachable objects\n')
  })
})
