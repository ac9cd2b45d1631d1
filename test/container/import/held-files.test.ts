/** Objects of a layer that come before the links to them, and are too large to be kept in memory until then. */
import { describe, expect, test } from 'vitest'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode, type TreeRoot } from '../../../src/repo/index.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'

const LAYER = `sha256:${'0'.repeat(64)}` as Digest
const OBJECT = 'sysroot/ostree/repo/objects/aa/large.file'
/** Modified, as what a container build changed is. */
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

  test('stands where its first link is, as if it had come there', async () => {
    const linked = await treeOf(
      mode,
      [
        { path: OBJECT, body, ...inode },
        { path: 'usr/one', type: 'hardlink', linkPath: OBJECT, ...inode },
        { path: 'usr/b', body: new Uint8Array(3) },
        { path: 'usr/two', type: 'hardlink', linkPath: OBJECT, ...inode },
      ],
      // Far less than its size: it is not in memory.
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

  test('leaves no trace in the tree when nothing links to it', async () => {
    const usr: TarEntry = { path: 'usr/', type: 'directory' }
    expect(await treeOf(mode, [{ path: OBJECT, body, ...inode }, usr])).toEqual(await treeOf(mode, [usr]))
  })
})
