import { describe, expect, test } from 'vitest'
import { type FlattenOptions, flattenTree } from '../../../src/container/layers/flatten.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  createMemoryStorage,
  MutableTree,
  Repo,
  type RepoMode,
  type Transaction,
  writeTree,
} from '../../../src/repo/index.ts'
import { type Directory, directory, file, loadTree, storeTree, symlink } from '../../../src/testing/index.ts'

const ATTRIBUTE = [[new TextEncoder().encode('user.a'), Uint8Array.of(1)]] as const
const INODE = { uid: 7, gid: 8, xattrs: ATTRIBUTE }
const OWNER = { uid: 1000, gid: 1001 }

const TREE = directory(
  {
    full: file('x', { ...INODE, mode: 0o4755 }),
    empty: file('', { ...INODE, mode: 0o7244 }),
    unreadable: file('x', { ...INODE, mode: 0o6044 }),
    link: symlink('full', { ...INODE, mode: 0o644 }),
    sub: directory({}, { ...INODE, mode: 0o7775 }),
  },
  { ...INODE, mode: 0o700 },
)

async function flattened(mode: RepoMode, tree: Directory, options: FlattenOptions, times = 1): Promise<Directory> {
  const repo = await Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
  return repo.transaction(async (tx: Transaction) => {
    let root = await storeTree(tx, tree)
    for (let i = 0; i < times; i++) {
      const mutable = MutableTree.from(tx, root)
      await flattenTree(tx, mode, mutable, options)
      root = await writeTree(tx, mutable)
    }
    return loadTree(tx, root)
  })
}

describe('a merged tree', () => {
  test('a merged tree keeps all metadata under the exact policy', async () => {
    expect(await flattened('bare-user', TREE, { policy: 'exact', owner: OWNER })).toEqual(TREE)
  })

  test('a merged tree keeps metadata only of readable files with content under the compat policy', async () => {
    const expected = directory(
      {
        empty: file('', { ...OWNER, mode: 0o1644 }),
        full: file('x', { ...INODE, mode: 0o4755 }),
        link: symlink('full', { ...OWNER, mode: 0o777 }),
        sub: directory({}, { ...OWNER, mode: 0o7775 }),
        unreadable: file('x', { ...OWNER, mode: 0o444 }),
      },
      { ...OWNER, mode: 0o700 },
    )
    expect(await flattened('bare-user', TREE, { policy: 'compat', owner: OWNER })).toEqual(expected)
  })

  test('flattening a merged tree is idempotent', async () => {
    const options = { policy: 'compat', owner: OWNER } as const
    expect(await flattened('bare-user', TREE, options, 2)).toEqual(await flattened('bare-user', TREE, options))
  })

  test('a merged tree has owner 0:0 and modes of at most 0755 in a bare-user-only repository', async () => {
    const tree = directory({ sub: directory({ a: file('x') }, { ...INODE, mode: 0o7775 }), link: symlink('a') }, INODE)
    const expected = directory({ link: symlink('a'), sub: directory({ a: file('x') }) })
    for (const policy of ['exact', 'compat'] as const) {
      expect(await flattened('bare-user-only', tree, { policy, owner: OWNER })).toEqual(expected)
    }
  })
})
