/** Tests of objects that precede the links to them in a layer, and are too large to be kept in memory until then. */
import { describe, expect, test } from 'vitest'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode, type TreeRoot } from '../../../src/repo/index.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'

const LAYER = `sha256:${'0'.repeat(64)}` as Digest
const OBJECT = 'sysroot/ostree/repo/objects/aa/large.file'
/** Metadata with a modification time, as of files that a container build changed. */
const inode = { uid: 5, gid: 6, mode: 0o4755, mtime: 1 }

async function treeOf(mode: RepoMode, entries: TarEntry[], maxHeldBytes?: number): Promise<TreeRoot> {
  await using storage = createMemoryStorage({ mode, platform: nodePlatform })
  const repo = await Repo.open(storage, nodePlatform)
  return await repo.transaction(async (tx) => {
    const { tree, meta } = await importLayer(repo, tx, packTar(entries), { layer: LAYER, maxHeldBytes })
    return { tree, meta }
  })
}

describe.each(['bare-user', 'bare-user-only'] as const)('a large object of a layer, in %s', (mode) => {
  const body = new Uint8Array(17 << 20).fill(7)

  test('a large object is stored at the path of its first link, as if it were a file there', async () => {
    const linked = await treeOf(
      mode,
      [
        { path: OBJECT, body, ...inode },
        { path: 'usr/one', type: 'hardlink', linkPath: OBJECT, ...inode },
        { path: 'usr/b', body: new Uint8Array(3) },
        { path: 'usr/two', type: 'hardlink', linkPath: OBJECT, ...inode },
      ],
      // Far less than the size of the object, so it cannot be kept in memory.
      1 << 16,
    )
    expect(linked).toEqual(
      await treeOf(mode, [
        { path: 'usr/one', body, ...inode },
        { path: 'usr/b', body: new Uint8Array(3) },
        { path: 'usr/two', type: 'hardlink', linkPath: 'usr/one' },
      ]),
    )
  })

  test('a large object without a link is not in the tree', async () => {
    const usr: TarEntry = { path: 'usr/', type: 'directory' }
    expect(await treeOf(mode, [{ path: OBJECT, body, ...inode }, usr])).toEqual(await treeOf(mode, [usr]))
  })
})
