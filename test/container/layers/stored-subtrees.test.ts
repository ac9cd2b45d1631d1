import { describe, expect, test } from 'vitest'
import { flatRules, flattenTree } from '../../../src/container/layers/flatten.ts'
import { overlayLayer } from '../../../src/container/layers/overlay.ts'
import { StoredSubtrees } from '../../../src/container/layers/stored-subtrees.ts'
import { DirTree } from '../../../src/objects/index.ts'
import { ChecksumSet } from '../../../src/objects/internal.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  createMemoryStorage,
  MutableTree,
  type ObjectReader,
  Repo,
  type Transaction,
  writeTree,
} from '../../../src/repo/index.ts'
import { type Directory, directory, file, storeTree } from '../../../src/testing/index.ts'

async function inTransaction(work: (tx: Transaction) => Promise<void>): Promise<void> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  await repo.transaction(work)
}

/** Counts how often each dirtree is read. */
function counting(reader: ObjectReader): { reader: ObjectReader; reads: Map<string, number> } {
  const reads = new Map<string, number>()
  const counted = new Proxy(reader, {
    get: (target, name) => {
      if (name !== 'readMeta') return Reflect.get(target, name).bind(target)
      return (type: 'dirtree', checksum: never) => {
        if (type === 'dirtree') reads.set(checksum, (reads.get(checksum) ?? 0) + 1)
        return target.readMeta(type, checksum)
      }
    },
  })
  return { reader: counted, reads }
}

function nested(depth: number, inmost: Directory): Directory {
  let tree = inmost
  for (let i = 0; i < depth; i++) tree = directory({ d: tree })
  return tree
}

describe('facts about a stored directory', () => {
  test('a whiteout anywhere below makes all directories above it rewritable, and no other', async () => {
    await inTransaction(async (tx) => {
      const stored = await storeTree(
        tx,
        directory({
          with: nested(3, directory({ '.wh.x': file('') })),
          without: nested(3, directory({ x: file('') })),
        }),
      )
      const subtrees = new StoredSubtrees(tx, undefined)
      expect(await subtrees.of(stored.tree)).toMatchObject({ isPlain: false })
      const { dirs } = DirTree.decode(await tx.readMeta('dirtree', stored.tree))
      const facts = await Promise.all(dirs.map(async ({ name, tree }) => [name, (await subtrees.of(tree)).isPlain]))
      expect(facts).toEqual([
        ['with', false],
        ['without', true],
      ])
    })
  })

  test('each dirtree is read once, however often it occurs', async () => {
    await inTransaction(async (tx) => {
      // 2^30 paths, 31 dirtrees.
      let stored = await storeTree(tx, directory({ x: file('x') }))
      for (let i = 0; i < 30; i++) {
        const entry = (name: string) => ({ name, ...stored })
        const bytes = DirTree.encode({ files: [], dirs: [entry('a'), entry('b')] })
        stored = { tree: await tx.writeMeta('dirtree', bytes), meta: stored.meta }
      }
      const { reader, reads } = counting(tx)
      expect(await new StoredSubtrees(reader, undefined).of(stored.tree)).toEqual({ isPlain: true, isFlat: true })
      expect([...reads.values()]).toEqual(Array(31).fill(1))
    })
  })

  test('a dirtree that is not in normal form is rewritten', async () => {
    await inTransaction(async (tx) => {
      // GVariant reads nothing at all as the default value, an empty directory, whose normal form is one byte.
      const stored = await tx.writeMeta('dirtree', new Uint8Array())
      expect(await new StoredSubtrees(tx, undefined).of(stored)).toMatchObject({ isPlain: false })
    })
  })

  test('directories that are nested too deep are an error', async () => {
    await inTransaction(async (tx) => {
      const stored = await storeTree(tx, nested(2100, directory({})))
      await expect(new StoredSubtrees(tx, undefined).of(stored.tree)).rejects.toMatchObject({ code: 'limit' })
    })
  })

  test('a missing dirtree is an error', async () => {
    await inTransaction(async (tx) => {
      const missing = 'ab'.repeat(32) as never
      await expect(new StoredSubtrees(tx, undefined).of(missing)).rejects.toMatchObject({ code: 'not-found' })
    })
  })
})

describe('a merge', () => {
  test('refers to directories that only the layer has, and writes the others', async () => {
    await inTransaction(async (tx) => {
      const layer = await storeTree(
        tx,
        directory({
          new: nested(2, directory({ x: file('x') })),
          mixed: directory({ '.wh.y': file(''), z: file('z') }),
        }),
      )
      const { dirs } = DirTree.decode(await tx.readMeta('dirtree', layer.tree))
      const tree = new MutableTree()
      await overlayLayer(tree, tx, layer)
      expect(tree.dirs.get('new')?.loaded).toBe(false)
      expect(tree.dirs.get('new')?.contents).toBe(dirs.find(({ name }) => name === 'new')?.tree)
      expect([...(tree.dirs.get('mixed')?.files.keys() ?? [])]).toEqual(['z'])
    })
  })

  test('does not load a directory in which flattening changes nothing, and flattens the others', async () => {
    await inTransaction(async (tx) => {
      const flatDirectory = directory({ x: file('x') }, { uid: 0, gid: 0, mode: 0o755 })
      const layer = await storeTree(
        tx,
        directory({ flat: flatDirectory, other: directory({ y: file('y', { uid: 7 }) }) }),
      )
      const { dirs } = DirTree.decode(await tx.readMeta('dirtree', layer.tree))
      const flat = new ChecksumSet()
      const flatTree = dirs.find(({ name }) => name === 'flat') as (typeof dirs)[number]
      for (const { checksum } of DirTree.decode(await tx.readMeta('dirtree', flatTree.tree)).files) flat.add(checksum)

      const options = { policy: 'compat', flat } as const
      const flattened = async (subtrees: StoredSubtrees | undefined) => {
        const tree = new MutableTree()
        await overlayLayer(tree, tx, layer, { subtrees })
        await flattenTree(tx, 'bare-user-only', tree, options, subtrees)
        return tree
      }
      const tree = await flattened(new StoredSubtrees(tx, flatRules(tx, 'bare-user-only', options)))
      expect(tree.dirs.get('flat')?.loaded).toBe(false)
      expect(await writeTree(tx, tree)).toEqual(await writeTree(tx, await flattened(undefined)))
    })
  })
})
