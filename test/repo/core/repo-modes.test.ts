/** A tree committed in every store in every mode: the commit has to be that of ostree. */
import { mkdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  type CommitOptions,
  commit,
  commitRoot,
  type DirectorySource,
  type Repo,
  type RepoMode,
} from '../../../src/repo/index.ts'
import { formatLsLine, type LsLineOptions, listPath } from '../../../src/repo/internal.ts'
import { createDirectorySource } from '../../../src/repo/local.ts'
import { BACKENDS, type Backend, MODES, testRepos, testWith } from '../../support/backends.ts'
import { goldenBytes, goldenJson, goldenPath } from '../../support/golden.ts'
import { isRoot } from '../../support/machine.ts'
import { unpackedTar } from '../../support/memory-directory.ts'
import { describeReference, hasReference, run } from '../../support/reference.ts'

interface Vector {
  readonly commit: Checksum
  readonly commit_args: readonly string[]
  readonly config: string
  readonly ls: string
  readonly ls_checksum: string
}

const golden = goldenJson<Record<string, Vector>>('core/repo-modes.json')
const modes = Object.keys(golden) as RepoMode[]
const places = testRepos()

const tar = goldenBytes('core/tree-a.tar')
const options: Omit<CommitOptions, 'trees'> = {
  branch: 'main',
  subject: 'Subject line',
  body: 'Body text\nsecond line\n',
  timestamp: 1704164645n,
  fsync: false,
}

async function check(repo: Repo, mode: RepoMode, directory: DirectorySource): Promise<void> {
  const made = await commit(repo, { ...options, trees: [{ directory }] })
  expect(made.commit).toBe(golden[mode]?.commit)
  const again = await commit(repo, { ...options, trees: [{ directory }], skipIfUnchanged: true })
  expect([again.commit, again.skipped]).toEqual([made.commit, true])
  const { contentWritten, metadataWritten, contentTotal, metadataTotal } = again.stats
  expect([contentWritten, metadataWritten, contentTotal, metadataTotal]).toEqual([0, 0, 27, 22])
  const copied = await commit(repo, { ...options, trees: [{ rev: 'main' }], branch: 'copy', bindings: false })
  expect((await repo.readCommit(copied.commit)).rootTree).toBe((await repo.readCommit(made.commit)).rootTree)
}

test('every mode has a vector', () => {
  expect(modes.toSorted()).toEqual(MODES.toSorted())
  const given = ['-b', 'main', '-s', options.subject, '-m', options.body, '--timestamp=2024-01-02 03:04:05 +0000']
  for (const [mode, { commit_args }] of Object.entries(golden)) {
    const canonical = mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
    expect(commit_args).toEqual([...given, ...canonical, '--tree=dir=tree-a'])
  }
})

describe.each(modes)('the golden tree in mode %s', (mode) => {
  const source = unpackedTar(tar)

  describe.each(BACKENDS)('in $name', (place) => {
    testWith(place, mode, 'a repository has the commit, configuration and listing of ostree', async () => {
      const repo = await places.create(place, mode)
      expect(await repo.storage.readConfig()).toBe(golden[mode]?.config)
      await check(repo, mode, source)
      expect(await listing(repo, { xattrs: true, checksums: true })).toBe(golden[mode]?.ls)
      expect(await listing(repo, { checksums: true })).toBe(golden[mode]?.ls_checksum)
      await repo.close()
      if (place.store === 'directory' && hasReference('ostree'))
        expect(run('ostree', ['fsck', '--repo', repo.storage.location])).toContain('no errors found')
    })
  })
})

/** Lists the tree of `main` as `ostree ls -R` does. */
async function listing(repo: Repo, options: LsLineOptions): Promise<string> {
  const root = await commitRoot(repo.objects, await repo.resolve('main'))
  const lines: string[] = []
  for await (const listed of listPath(repo.objects, root, '/', { depth: Number.POSITIVE_INFINITY }))
    lines.push(formatLsLine(listed, options))
  return lines.join('\n')
}

describeReference('tar', 'the golden tree unpacked by tar', () => {
  test.runIf(isRoot)('a directory that tar unpacked has the commit of ostree in every mode', async () => {
    const path = places.path()
    mkdirSync(path)
    run('tar', ['-C', path, '--xattrs', '--xattrs-include=*', '-xpf', goldenPath('core/tree-a.tar')])
    for (const mode of modes) {
      const repo = await places.create(BACKENDS[0] as Backend, mode)
      await check(repo, mode, createDirectorySource(path))
    }
  })
})
