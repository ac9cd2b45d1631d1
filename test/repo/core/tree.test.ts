import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, compareUtf8 } from '../../../src/bytes.ts'
import { LimitError, UsageError } from '../../../src/errors.ts'
import { DirMeta, DirTree, EMPTY_TREE, S_IFDIR } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  createMemoryStorage,
  MAX_TREE_DEPTH,
  MutableTree,
  overlayTree,
  Repo,
  type Transaction,
  type TreeRoot,
  writeTree,
} from '../../../src/repo/index.ts'

const FILES = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64) as Checksum)
const [A, B] = FILES as [Checksum, Checksum, ...Checksum[]]

async function withTx<T>(work: (tx: Transaction, repo: Repo, meta: Checksum) => Promise<T>): Promise<T> {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  const tx = await repo.begin()
  try {
    const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }))
    return await work(tx, repo, meta)
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

interface Shape {
  readonly files: Readonly<Record<string, Checksum>>
  readonly dirs: Readonly<Record<string, Shape>>
}

function build(tree: MutableTree, shape: Shape, meta: Checksum): void {
  tree.setMeta(meta)
  for (const [name, checksum] of Object.entries(shape.files)) tree.replaceFile(name, checksum)
  for (const [name, child] of Object.entries(shape.dirs)) build(tree.ensureDir(name), child, meta)
}

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).filter((text) => {
  return !text.includes('/') && !text.includes('\0') && text !== '.' && text !== '..' && !/\p{Surrogate}/u.test(text)
})
const files = fc.dictionary(name, fc.constantFrom(...FILES), { maxKeys: 4, noNullPrototype: true })
const shapesOfDepth = fc.memo((depth): fc.Arbitrary<Shape> => {
  const below = depth <= 1 ? fc.constant({ files: {}, dirs: {} }) : shapesOfDepth(depth - 1)
  const dirs = fc.dictionary(name, below, { maxKeys: 3, noNullPrototype: true })
  return fc.record({ files, dirs }).map((shape) => {
    const free = Object.entries(shape.dirs).filter(([key]) => !Object.hasOwn(shape.files, key))
    return { files: shape.files, dirs: Object.fromEntries(free) }
  })
})
const shapes = shapesOfDepth(4)

describe('MutableTree', () => {
  test('names are written in the order of their bytes, in whatever order they were added', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, (shape) =>
        withTx(async (tx, repo, meta) => {
          const tree = new MutableTree()
          build(tree, shape, meta)
          const root = await writeTree(tx, tree)
          const stored = DirTree.decode(await tx.readMeta('dirtree', root.tree))
          expect(stored.files.map((file) => file.name)).toEqual(Object.keys(shape.files).sort(compareUtf8))
          expect(stored.dirs.map((dir) => dir.name)).toEqual(Object.keys(shape.dirs).sort(compareUtf8))
          const reversed = new MutableTree()
          build(reversed, backwards(shape), meta)
          expect(await writeTree(tx, reversed)).toEqual(root)
          expect(repo.mode).toBe('archive')
        }),
      ),
      { numRuns: 60 },
    )
  })

  test('overlayTree gives the files of both trees, and those of the upper one where both have a name', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, shapes, (below, above) =>
        withTx(async (tx, _repo, meta) => {
          const merged = merge(below, above)
          const expected = new MutableTree()
          if (merged !== undefined) build(expected, merged, meta)
          const tree = new MutableTree()
          build(tree, below, meta)
          const top = new MutableTree()
          build(top, above, meta)
          const laid = overlayTree(tree, tx, await writeTree(tx, top))
          if (merged === undefined) await expect(laid).rejects.toThrow(/Can't replace/)
          else {
            await laid
            expect(await writeTree(tx, tree)).toEqual(await writeTree(tx, expected))
          }
        }),
      ),
      { numRuns: 60 },
    )
  })

  test('a stored tree is read only where it is accessed, and written only where it changed', async () => {
    await withTx(async (tx, _repo, meta) => {
      const first = new MutableTree()
      build(
        first,
        { files: { f: A }, dirs: { x: { files: { g: A }, dirs: {} }, y: { files: { h: B }, dirs: {} } } },
        meta,
      )
      const root = await writeTree(tx, first)
      const tree = MutableTree.from(tx, root)
      expect(tree.loaded).toBe(false)
      expect(() => tree.files).toThrow(UsageError)
      expect(await writeTree(tx, tree)).toEqual(root)
      await tree.load()
      const x = tree.dirs.get('x') as MutableTree
      const y = tree.dirs.get('y') as MutableTree
      expect([x.loaded, y.loaded]).toEqual([false, false])
      await x.load()
      x.replaceFile('g', A)
      expect(tree.contents).toBe(root.tree)
      x.replaceFile('g', B)
      expect([tree.contents, x.contents]).toEqual([undefined, undefined])
      expect(y.contents).toBeDefined()
      const before = tx.stats.metadataTotal
      const changed = await writeTree(tx, tree)
      expect(tx.stats.metadataTotal - before).toBe(2)
      expect(changed.tree).not.toBe(root.tree)
      expect(y.loaded).toBe(false)
      x.replaceFile('g', A)
      expect(await writeTree(tx, tree)).toEqual(root)
    })
  })

  test('new metadata of a directory changes its parent and not its own contents', async () => {
    await withTx(async (tx, _repo, meta) => {
      const tree = new MutableTree()
      build(tree, { files: {}, dirs: { x: { files: { f: A }, dirs: {} } } }, meta)
      const root = await writeTree(tx, tree)
      const x = tree.dirs.get('x') as MutableTree
      const contents = x.contents
      x.setMeta(B)
      expect(tree.contents).toBeUndefined()
      expect(x.contents).toBe(contents)
      expect((await writeTree(tx, tree)).tree).not.toBe(root.tree)
    })
  })

  test('fillEmpty adopts an empty tree, and refuses another tree if there are files', async () => {
    await withTx(async (tx, _repo, meta) => {
      const stored: TreeRoot = { tree: EMPTY_TREE, meta }
      const tree = new MutableTree()
      tree.replaceFile('f', A)
      expect(tree.fillEmpty(tx, stored)).toBe(true)
      expect([tree.meta, tree.files.get('f')]).toEqual([meta, A])
      expect(tree.fillEmpty(tx, { tree: A, meta })).toBe(false)
      expect(tree.files.size).toBe(1)
    })
  })

  test('a name is either a file or a directory', () => {
    const tree = new MutableTree()
    tree.replaceFile('f', A)
    tree.ensureDir('d')
    expect(() => tree.ensureDir('f')).toThrow("Can't replace file with directory: f")
    expect(() => tree.replaceFile('d', A)).toThrow("Can't replace directory with file: d")
    expect(tree.remove('d')).toBe(true)
    expect(tree.remove('d')).toBe(false)
    tree.replaceFile('d', A)
    expect([...tree.files.keys()]).toEqual(['f', 'd'])
  })

  test.each(['', '.', '..', 'a/b', 'a\0b', '\ud800'])('the name %j is refused', (bad) => {
    const tree = new MutableTree()
    expect(() => tree.replaceFile(bad, A)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/invalid|corrupt/) }),
    )
    expect(() => tree.ensureDir(bad)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/invalid|corrupt/) }),
    )
  })

  test('a tree as deep as the limit is written and read, and a deeper one is refused', async () => {
    await withTx(async (tx, _repo, meta) => {
      const root = new MutableTree()
      root.setMeta(meta)
      let tree = root
      for (let depth = 0; depth < MAX_TREE_DEPTH; depth++) {
        tree = tree.ensureDir('d')
        tree.setMeta(meta)
      }
      expect(() => tree.ensureDir('d')).toThrow(LimitError)
      await writeTree(tx, root)
      const again = await MutableTree.from(tx, await writeTree(tx, root)).loadAll()
      expect(again.loaded).toBe(true)
    })
  })

  test('a stored tree with too many paths is refused by its limit of memory', async () => {
    await withTx(async (tx, _repo, meta) => {
      // Thirty directories, each of which is twice in the next, have a thousand million paths.
      let tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs: [] }))
      for (let level = 0; level < 30; level++) {
        const dirs = ['a', 'b'].map((name) => ({ name, tree, meta }))
        tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs }))
      }
      await expect(MutableTree.from(tx, { tree, meta }, { maxMemory: 1_000_000 }).loadAll()).rejects.toThrow(LimitError)
    })
  })

  test('long names and many names are refused beyond the limit of memory', () => {
    const long = new MutableTree({ maxMemory: 100_000 })
    expect(() => long.replaceFile('n'.repeat(60_000), A)).toThrow(LimitError)
    const many = new MutableTree({ maxMemory: 50_000 })
    const fill = () => {
      for (let i = 0; i < 1000; i++) many.ensureDir('d').replaceFile(`${i}`, A)
    }
    expect(fill).toThrow(LimitError)
    expect(many.dirs.get('d')?.files.size).toBeGreaterThan(400)
    // A file that replaces another does not need more memory.
    const one = new MutableTree({ maxMemory: 1000 })
    for (let i = 0; i < 1000; i++) one.replaceFile('f', i % 2 ? A : B)
    expect(one.files.size).toBe(1)
  })

  test('a tree with a directory without metadata cannot be written', async () => {
    await withTx(async (tx, _repo, meta) => {
      const tree = new MutableTree()
      await expect(writeTree(tx, tree)).rejects.toThrow("Can't commit an empty tree")
      tree.setMeta(meta)
      expect((await writeTree(tx, tree)).tree).toBe(EMPTY_TREE)
      tree.ensureDir('d')
      await expect(writeTree(tx, tree)).rejects.toThrow("Can't commit an empty tree")
    })
  })
})

function backwards({ files, dirs }: Shape): Shape {
  const reversed = <T>(record: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(record).reverse())
  return {
    files: reversed(files),
    dirs: reversed(Object.fromEntries(Object.entries(dirs).map(([key, child]) => [key, backwards(child)]))),
  }
}

/** Merges two trees. @returns `undefined` if a file of one is a directory of the other */
function merge(below: Shape, above: Shape): Shape | undefined {
  const dirs: Record<string, Shape> = { ...below.dirs }
  for (const [key, child] of Object.entries(above.dirs)) {
    const present = below.dirs[key]
    const merged = present !== undefined && Object.hasOwn(below.dirs, key) ? merge(present, child) : child
    if (merged === undefined) return undefined
    dirs[key] = merged
  }
  const files = { ...below.files, ...above.files }
  return Object.keys(files).some((key) => Object.hasOwn(dirs, key)) ? undefined : { files, dirs }
}
