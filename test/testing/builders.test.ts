import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_TREE } from '../../src/objects/index.ts'
import { nodePlatform as platform } from '../../src/platform/node.ts'
import { createMemoryStorage, MutableTree, overlayTree, readCommit, writeTree } from '../../src/repo/index.ts'
import {
  anyTree,
  CANONICAL_TREE_OPTIONS,
  directory,
  file,
  loadTree,
  storeCommit,
  storeTree,
  symlink,
  walkNodes,
} from '../../src/testing/index.ts'

describe('builders', () => {
  test('builders write the same objects as ostree', async () => {
    const storage = createMemoryStorage({ platform })
    const tx = await storage.begin()
    // These checksums of an empty directory are common to all repositories.
    expect(await storeTree(tx, directory())).toEqual({
      tree: EMPTY_TREE,
      meta: '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488',
    })
    const tree = directory({ etc: directory({ hostname: file('box\n') }), bin: symlink('usr/bin') })
    const commit = await storeCommit(tx, tree, { subject: 'first' })
    tx.setRef('heads/main', { commit })
    await tx.commit()
    const { subject, rootTree, rootMeta } = await readCommit(storage.objects, commit)
    expect(subject).toBe('first')
    expect(await loadTree(storage.objects, { tree: rootTree, meta: rootMeta })).toEqual(tree)
    expect([...walkNodes(tree)].map(([path]) => path)).toEqual(['', 'bin', 'etc', 'etc/hostname'])
  })

  test('builders read a random tree back unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree(), async (tree) => {
        const tx = await createMemoryStorage({ platform }).begin()
        const root = await storeTree(tx, tree)
        expect(await storeTree(tx, await loadTree(tx, root))).toEqual(root)
      }),
      { numRuns: 100 },
    )
  })

  test('builders write the same random trees as MutableTree', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree(), async (tree) => {
        const tx = await createMemoryStorage({ platform }).begin()
        const root = await storeTree(tx, tree)
        const onto = new MutableTree()
        // With a name in the target the tree is overlaid name by name instead of being taken over whole.
        onto.ensureDir('zz-not-in-it')
        await overlayTree(onto, tx, root)
        onto.remove('zz-not-in-it')
        expect(await writeTree(tx, onto)).toEqual(root)
      }),
      { numRuns: 50 },
    )
  })
})

describe('random trees', () => {
  test('random trees with canonical metadata can be stored in a bare-user-only repository', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree(CANONICAL_TREE_OPTIONS), async (tree) => {
        const tx = await createMemoryStorage({ platform, mode: 'bare-user-only' }).begin()
        await storeTree(tx, tree)
        for (const [, { uid, gid, xattrs }] of walkNodes(tree)) expect([uid, gid, xattrs]).toEqual([0, 0, []])
      }),
      { numRuns: 100 },
    )
  })

  test('random trees include hard links, hostile names, owners and xattrs', () => {
    const trees = fc.sample(anyTree(), { numRuns: 300, seed: 1 })
    const nodes = trees.flatMap((tree) => [...walkNodes(tree)])
    expect(nodes.some(([path]) => path.endsWith('\n') || path.includes('..a') || path.includes('-rf'))).toBe(true)
    expect(nodes.some(([, { uid }]) => uid === 4294967294)).toBe(true)
    expect(nodes.some(([, { xattrs }]) => xattrs.length > 1)).toBe(true)
    expect(nodes.some(([, { mode }]) => mode === 0o4755)).toBe(true)
    const linked = trees.filter((tree) => {
      const files = [...walkNodes(tree)].map(([, node]) => node).filter(({ kind }) => kind === 'file')
      return new Set(files).size < files.length
    })
    expect(linked.length).toBeGreaterThan(20)
    for (const [path] of nodes) expect(path.split('/')).not.toContain('..')
  })
})
