/** Random layers, taken in and merged, against what a plain map of paths says of them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, compareUtf8, concatBytes } from '../../src/bytes.ts'
import { flattenTree } from '../../src/container/flatten.ts'
import { importLayer } from '../../src/container/import-layer.ts'
import { mergeTrees } from '../../src/container/merge.ts'
import type { Digest } from '../../src/container/oci-types.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { createMemoryStorage, Repo, type RepoMode, writeCommit, writeTree } from '../../src/repo/index.ts'
import { packTar } from '../../src/tar/index.ts'
import {
  anyLayerTree,
  type Directory,
  directory,
  layerEntries,
  loadTree,
  type TreeNode,
} from '../../src/testing/index.ts'

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest

/** The tree as paths: a directory without its children is a node like any other. */
class Paths {
  readonly nodes = new Map<string, TreeNode>()

  lay(layer: Directory, at = ''): void {
    const entries = [...layer.children].sort(([a], [b]) => compareUtf8(a, b))
    const there = this.nodes.get(at)
    if (layer.children.has('.wh..wh..opq') || there?.kind !== 'directory') {
      this.remove(at)
      this.nodes.set(at, layer)
    }
    for (const [name, node] of entries.filter(([, { kind }]) => kind !== 'directory')) {
      if (name.startsWith('.wh.') && node.kind === 'file') this.remove(`${at}/${name.slice(4)}`)
      else {
        this.remove(`${at}/${name}`)
        this.nodes.set(`${at}/${name}`, node)
      }
    }
    for (const [name, node] of entries) if (node.kind === 'directory') this.lay(node, `${at}/${name}`)
  }

  remove(path: string): void {
    for (const known of [...this.nodes.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.nodes.delete(known)
    }
  }

  tree(change: (node: TreeNode) => TreeNode, at = ''): Directory {
    const children = [...this.nodes].flatMap(([path, node]): [string, TreeNode][] => {
      if (!path.startsWith(`${at}/`) || path.indexOf('/', at.length + 1) >= 0) return []
      return [[path.slice(at.length + 1), node.kind === 'directory' ? this.tree(change, path) : change(node)]]
    })
    return directory(children, change({ ...(this.nodes.get(at) as Directory), children: new Map() }))
  }
}

/** As a checkout and a commit of it by user 7:8 leaves a node. */
function flattened(node: TreeNode): TreeNode {
  const { kind, mode } = node
  if (kind === 'file' && node.content.length > 0 && (mode & 0o400) !== 0) return node
  const bits = kind === 'symlink' ? 0o777 : kind === 'directory' ? mode : (mode & ~0o6000) | 0o400
  return { ...node, uid: 7, gid: 8, xattrs: [], mode: bits }
}

async function* packed(layer: Directory): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(layerEntries(layer))) parts.push(part.slice())
  yield concatBytes(parts)
}

async function merged(mode: RepoMode, layers: readonly Directory[], policy: 'exact' | 'compat'): Promise<Directory> {
  await using storage = createMemoryStorage({ mode, platform: portablePlatform })
  const repo = await Repo.open(storage, portablePlatform)
  return await repo.transaction(async (tx) => {
    const commits: Checksum[] = []
    for (const layer of layers) {
      const { tree, meta } = await importLayer(repo, tx, packed(layer), { layer: DIGEST, retainVar: true })
      commits.push(await writeCommit(tx, { root: { tree, meta }, timestamp: 0n }))
    }
    const tree = await mergeTrees(tx, undefined, commits)
    await flattenTree(tx, mode, tree, { policy, owner: { uid: 7, gid: 8 } })
    return loadTree(tx, await writeTree(tx, tree))
  })
}

const anyLayers = fc.array(anyLayerTree(), { minLength: 1, maxLength: 4 })

describe('layers laid over each other', () => {
  test.each(['archive', 'bare-user'] as const)('keep what an overlay shows, all of it, in %s', async (mode) => {
    await fc.assert(
      fc.asyncProperty(anyLayers, async (layers) => {
        const model = new Paths()
        for (const layer of layers) model.lay(layer)
        expect(await merged(mode, layers, 'exact')).toEqual(model.tree((node) => node))
      }),
      { numRuns: 100 },
    )
  })

  test('are flattened as a checkout and a commit would', async () => {
    await fc.assert(
      fc.asyncProperty(anyLayers, async (layers) => {
        const model = new Paths()
        for (const layer of layers) model.lay(layer)
        expect(await merged('bare-user', layers, 'compat')).toEqual(model.tree(flattened))
      }),
      { numRuns: 100 },
    )
  })
})
