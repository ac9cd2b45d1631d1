/** A damaged object that very many directories have. */
import { expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { DirMeta, DirTree, S_IFDIR } from '../../../src/objects/index.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, writeCommit } from '../../../src/repo/index.ts'
import { ReachingCommits } from '../../../src/repo/reach/lenient.ts'

test('the commit is found that has a file in 130,000 directories', async () => {
  const repo = await Repo.open(createMemoryStorage({ platform }), platform)
  const file = '11'.repeat(32) as Checksum
  const commit = await repo.transaction(async (tx) => {
    const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }))
    const dirs: { name: string; tree: Checksum; meta: Checksum }[] = []
    for (let i = 0; i < 130_000; i++) {
      const name = String(i).padStart(6, '0')
      const bytes = DirTree.encode({ files: [{ name, checksum: file }], dirs: [] })
      dirs.push({ name, tree: await tx.writeMeta('dirtree', bytes), meta })
    }
    const tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs }))
    return writeCommit(tx, { root: { tree, meta }, timestamp: 0n })
  })
  expect(await new ReachingCommits(repo, [commit]).find({ checksum: file, type: 'file' })).toEqual([commit])
  await repo.close()
})
