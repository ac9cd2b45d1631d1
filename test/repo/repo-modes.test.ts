/** One tree, committed into every store in every mode: the commit ostree made of it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import {
  type CommitOptions,
  commit,
  createMemoryStorage,
  type DirectorySource,
  Repo,
  type RepoMode,
} from '../../src/repo/index.ts'
import { createDirectorySource, createRepo } from '../../src/repo/node/index.ts'
import { goldenBytes, goldenJson, goldenPath } from '../golden.ts'
import { describeReference, hasReference, run } from '../reference.ts'
import { unpackedTar } from './memory-directory.ts'
import { isRoot } from './random-trees.ts'

const golden = goldenJson<Record<string, { commit: Checksum }>>('core/repo-modes.json')
const modes = Object.keys(golden) as RepoMode[]
const folder = mkdtempSync(join(tmpdir(), 'modes-'))
afterAll(() => rmSync(folder, { recursive: true }))

const tar = goldenBytes('core/tree-a.tar')
const options: Omit<CommitOptions, 'trees'> = {
  branch: 'main',
  subject: 'Subject line',
  body: 'Body text\nsecond line\n',
  timestamp: 1704164645n,
  fsync: false,
}

async function check(repo: Repo, mode: RepoMode, directory: DirectorySource): Promise<void> {
  try {
    const made = await commit(repo, { ...options, trees: [{ directory }] })
    expect(made.commit).toBe(golden[mode]?.commit)
    const again = await commit(repo, { ...options, trees: [{ directory }], skipIfUnchanged: true })
    expect([again.commit, again.skipped]).toEqual([made.commit, true])
    const { contentWritten, metadataWritten, contentTotal, metadataTotal } = again.stats
    expect([contentWritten, metadataWritten, contentTotal, metadataTotal]).toEqual([0, 0, 27, 22])
    const copied = await commit(repo, { ...options, trees: [{ rev: 'main' }], branch: 'copy', bindings: false })
    expect((await repo.readCommit(copied.commit)).rootTree).toBe((await repo.readCommit(made.commit)).rootTree)
  } finally {
    await repo.close()
  }
}

describe.each(modes)('in mode %s', (mode) => {
  const source = unpackedTar(tar)
  // The inodes of a bare repository have the owners of its files.
  const possible = mode !== 'bare' || isRoot

  test('a repository in memory', async () => {
    await check(await Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform), mode, source)
  })

  test('a repository in one file', async () => {
    await check(await createRepo(join(folder, `${mode}.sqlite`), { mode }), mode, source)
  })

  test.runIf(possible)('a repository in a directory, which ostree finds in order', async () => {
    const path = join(folder, mode)
    await check(await createRepo(path, { mode }), mode, source)
    if (hasReference('ostree')) expect(run('ostree', ['fsck', '--repo', path])).toContain('no errors found')
  })
})

describeReference('tar', 'unpacked onto a disk by tar', () => {
  test.runIf(isRoot)('the tree is committed the same', async () => {
    const path = join(folder, 'tree-a')
    mkdirSync(path)
    run('tar', ['-C', path, '--xattrs', '--xattrs-include=*', '-xpf', goldenPath('core/tree-a.tar')])
    for (const mode of modes) {
      const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
      await check(repo, mode, createDirectorySource(path))
    }
  })
})
