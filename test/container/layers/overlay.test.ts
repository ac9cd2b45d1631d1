import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareUtf8 } from '../../../src/bytes.ts'
import { overlayLayer } from '../../../src/container/layers/overlay.ts'
import { FormatError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, MutableTree, Repo, type Transaction, writeTree } from '../../../src/repo/index.ts'
import {
  type Directory,
  directory,
  file,
  loadTree,
  storeTree,
  symlink,
  type TreeNode,
} from '../../../src/testing/index.ts'

async function inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  return repo.transaction(work)
}

/** Applies layers to a base with the code under test. */
function overlaid(base: Directory | undefined, ...layers: Directory[]): Promise<Directory> {
  return inTransaction(async (tx) => {
    const tree = base === undefined ? new MutableTree() : MutableTree.from(tx, await storeTree(tx, base))
    for (const layer of layers) await overlayLayer(tree, tx, await storeTree(tx, layer))
    return loadTree(tx, await writeTree(tx, tree))
  })
}

/** Applies a layer by the same rules, on plain values and by recursion. */
function model(below: TreeNode | undefined, layer: Directory): Directory {
  const names = [...layer.children].sort(([a], [b]) => compareUtf8(a, b))
  const opaque = layer.children.get('.wh..wh..opq')
  const kept = below?.kind === 'directory' && (opaque === undefined || opaque.kind === 'directory') ? below : undefined
  const result = new Map<string, TreeNode>(kept?.children)
  for (const [name, node] of names) {
    if (node.kind === 'directory') continue
    if (node.kind === 'file' && name.startsWith('.wh.')) result.delete(name.slice(4))
    else result.set(name, node)
  }
  for (const [name, node] of names) {
    if (node.kind === 'directory') result.set(name, model(result.get(name), node))
  }
  const { uid, gid, mode, xattrs } = kept ?? layer
  return directory(result, { uid, gid, mode, xattrs })
}

/** Converts a tree to plain values in byte order, for comparison. */
function shown(node: TreeNode): unknown {
  if (node.kind !== 'directory') return node.kind === 'file' ? `file ${node.content}` : `link ${node.target}`
  const children = [...node.children].sort(([a], [b]) => compareUtf8(a, b))
  return { mode: node.mode, children: children.map(([name, child]) => [name, shown(child)]) }
}

const NAMES = ['a', 'b', '-', '.wh.a', '.wh.b', '.wh.-', '.wh..wh..opq', '.wh..wh..opq.', 'zz']
const { tree: trees } = fc.letrec<{ node: TreeNode; tree: Directory }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    fc.constantFrom('', 'x', 'y').map((content) => file(content)),
    fc.constantFrom('a', '/b').map((target) => symlink(target)),
    tie('tree'),
  ),
  tree: fc
    .tuple(
      fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), tie('node')), { selector: ([name]) => name, maxLength: 6 }),
      fc.constantFrom(0o755, 0o700, 0o1777),
    )
    .map(([children, mode]) => directory(children, { mode })),
}))

describe('a layer over a tree', () => {
  test('two random layers over a random base give the tree of the model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.option(trees, { nil: undefined }), trees, trees, async (base, lower, upper) => {
        const expected = model(model(base, lower), upper)
        expect(shown(await overlaid(base, lower, upper))).toEqual(shown(expected))
      }),
      { numRuns: 200 },
    )
  })

  test('a layer sets owner and mode only of new directories', async () => {
    const base = directory({ old: directory({ kept: file('1') }, { mode: 0o700 }) })
    const layer = directory({ old: directory({}, { mode: 0o755 }), new: directory({}, { mode: 0o750, uid: 5 }) })
    const tree = await overlaid(base, layer)
    expect(tree.children.get('old')).toMatchObject({ mode: 0o700 })
    expect(tree.children.get('new')).toMatchObject({ mode: 0o750, uid: 5 })
  })

  test('a directory of a layer replaces a symbolic link and does not follow it', async () => {
    const base = directory({ usr: directory({ sbin: symlink('bin'), bin: directory({ sh: file('sh') }) }) })
    const tree = await overlaid(base, directory({ usr: directory({ sbin: directory({ foo: file('foo') }) }) }))
    expect(shown(tree)).toEqual(
      shown(
        directory({ usr: directory({ bin: directory({ sh: file('sh') }), sbin: directory({ foo: file('foo') }) }) }),
      ),
    )
  })

  test.each([['.wh.'], ['.wh..'], ['.wh...']])('the malformed whiteout %s is rejected', async (name) => {
    const refused = overlaid(directory({ a: file('a') }), directory({ [name]: file() }))
    await expect(refused).rejects.toThrow(FormatError)
    await expect(refused).rejects.toThrow(/whiteout/)
  })

  test('applying a layer stops when its signal is aborted', async () => {
    const signal = AbortSignal.abort()
    const aborted = inTransaction(async (tx) => {
      await overlayLayer(new MutableTree(), tx, await storeTree(tx, directory()), { signal })
    })
    await expect(aborted).rejects.toThrow(/abort/i)
  })
})
