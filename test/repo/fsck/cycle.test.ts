/** A directory that contains itself, which only damage can make: a checksum cannot be that of bytes that contain it. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DirMeta, DirTree, loosePath, S_IFDIR } from '../../../src/objects/index.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { fsck, Repo, writeCommit } from '../../../src/repo/index.ts'
import { initFsStorage } from '../../../src/repo/stores/fs/index.ts'
import { temporaryFolder } from '../../support/temporary.ts'

test('fsck ends, and reports the directory', { timeout: 20_000 }, async () => {
  const folder = join(temporaryFolder(), 'repo')
  const storage = await initFsStorage(folder, { platform, mode: 'archive' })
  const repo = await Repo.open(storage, platform)
  const { root, inner } = await repo.transaction(async (tx) => {
    const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }))
    const inner = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
    const dirs = ['a', 'b'].map((name) => ({ name, tree: inner, meta }))
    const root = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs }))
    await writeCommit(tx, { root: { tree: root, meta }, timestamp: 0n })
    return { root, inner }
  })
  const place = (checksum: typeof root) => join(folder, loosePath({ checksum, type: 'dirtree' }, true))
  cpSync(place(root), place(inner))
  const corrupt: string[] = []
  const onEvent = (event: { kind: string; object?: string }) =>
    event.kind === 'corrupt' && corrupt.push(event.object ?? '')
  const { damaged } = await fsck(repo, { all: true, onEvent })
  expect({ damaged, corrupt }).toEqual({ damaged: 1, corrupt: [`${inner}.dirtree`] })
  await repo.close()
})
