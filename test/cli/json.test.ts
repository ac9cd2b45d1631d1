/** The output of `--json`, which docs/cli-json.md describes: every line is JSON, with the same content as the text. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatSize } from '../../src/format-size.ts'
import { runInProcess } from '../support/in-process.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = temporaryFolder()
const CHECKSUM = /^[0-9a-f]{64}$/

describe.each(['repo', 'repo.sqlite'])('`--json` of a repository in %s', (name) => {
  const here = join(root, name.replace('.', '-'))
  const repo = join(here, name)
  /** Defines a test of what only a repository directory has. */
  const inDirectory = name === 'repo' ? test : () => undefined
  const ostree = async (command: string, ...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await runInProcess([command, ...words, `--repo=${repo}`], here)
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

  test('`commit` prints the checksum and the statistics', async () => {
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

  test('`refs` and `rev-parse` print names and commits', async () => {
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

  test('`log` and `show` print all fields of commits', async () => {
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

  test('`ls` prints a line for each entry', async () => {
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

  test('`diff` prints paths, and `diff --stats` prints counts', async () => {
    expect(await json('diff', 'main')).toEqual([{ modified: [], removed: [], added: ['/new'] }])
    expect(await ostree('diff', 'main')).toBe('A    /new\n')
    const [stats] = await json<Record<string, number>>('diff', '--stats', 'main^', 'main')
    expect(stats).toEqual({ from: 5, to: 6, common: 3, commonSize: expect.any(Number) })
    expect(await ostree('diff', '--stats', 'main^', 'main')).toBe(
      `[A] Object Count: 5\n[B] Object Count: 6\nCommon Object Count: 3\n` +
        `Common Object Size: ${formatSize(stats?.['commonSize'] ?? 0)}\n`,
    )
  })

  test('`fsck` prints only its counts', async () => {
    expect(await json('fsck')).toEqual([{ commits: 2, objects: 8, damaged: 0, partial: 0, fsckPartial: 0 }])
    expect(await ostree('fsck')).toContain('object fsck of 2 commits completed successfully - no errors found.')
  })

  test('`config get`, `checksum`, `remote show-url` and `show` print a value in a line', async () => {
    expect(await json('config', 'get', 'core.mode')).toEqual([{ group: 'core', key: 'mode', value: 'bare-user' }])
    expect(await json('config', 'get', '--group=core', 'repo_version')).toEqual([
      { group: 'core', key: 'repo_version', value: '1' },
    ])
    const path = join(here, 'tree/file')
    const [file] = await json<Record<string, unknown>>('ls', 'main', '/file')
    const words = ['checksum', '--ignore-xattrs', '--json', path]
    const { stdout } = await runInProcess(words, here)
    expect(JSON.parse(stdout)).toEqual({ path, checksum: file?.['checksum'] })
    await ostree('remote', 'add', 'origin', 'https://example.invalid/repo')
    expect(await json('remote', 'show-url', 'origin')).toEqual([
      { name: 'origin', url: 'https://example.invalid/repo' },
    ])
    expect(await json('show', '--print-metadata-key=version', 'main^')).toEqual(['1'])
    expect(await json('show', '--print-metadata-key=ostree.ref-binding', 'main^')).toEqual([{ variant: "['main']" }])
    expect(await json('show', '--print-related', 'main')).toEqual([[]])
  })

  inDirectory('`summary` prints refs and metadata', async () => {
    const main = (await ostree('rev-parse', 'main')).trim()
    await ostree('summary', '-u', '-m', 'x.y=[1,2]')
    const [summary] = await json<{ refs: unknown[]; metadata: Record<string, unknown> }>('summary', '--view')
    expect(summary?.refs).toContainEqual({
      name: 'main',
      commit: main,
      size: expect.any(Number),
      metadata: { 'ostree.commit.timestamp': 2 },
    })
    expect(summary?.metadata).toMatchObject({ 'x.y': { variant: '[1, 2]' }, 'ostree.summary.mode': 'bare-user' })
    expect(summary?.metadata['ostree.summary.last-modified']).toBeGreaterThan(1_700_000_000)
    expect(await json('summary', '--list-metadata-keys')).toEqual([Object.keys(summary?.metadata ?? {}).sort()])
    expect(await json('summary', '--print-metadata-key=x.y')).toEqual([{ variant: '[1, 2]' }])
    expect(await json('summary', '--print-metadata-key=ostree.summary.mode')).toEqual(['bare-user'])
  })

  inDirectory(
    '`static-delta list` and `static-delta indexes` print a line for each delta, and nothing without deltas',
    async () => {
      const [main, first] = (await ostree('rev-parse', 'main', 'main^')).split('\n')
      expect(await ostree('static-delta', 'list', '--json')).toBe('')
      expect(await ostree('static-delta', 'indexes', '--json')).toBe('')
      for (const from of ['--from=main^', '--empty']) {
        await runInProcess(['static-delta', 'generate', from, '--to=main', `--repo=${repo}`], here)
      }
      await ostree('static-delta', 'reindex')
      const deltas = await json('static-delta', 'list')
      expect(new Set(deltas)).toEqual(
        new Set([
          { from: null, to: main },
          { from: first, to: main },
        ]),
      )
      expect(await json('static-delta', 'indexes')).toEqual([{ to: main }])
    },
  )

  test.each([
    ['log', '--raw', 'main'],
    ['show', '--raw', 'main'],
    ['summary', '--raw'],
    ['cat', 'main', '/file'],
  ])('`%s %s` is refused with `--json`', async (...words) => {
    const { status, stdout } = await runInProcess([...words, '--json', `--repo=${repo}`], here)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  test('`prune` prints its counts, and `prune --no-prune` also the objects and why commits are kept', async () => {
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
