/** A simple model of applying layers, on a map of paths, without objects. Source: OCI image-spec, layer.md. */

import fc from 'fast-check'
import { compareUtf8, equalBytes } from '../../bytes.ts'
import { anyLayerTree, type LayerTreeOptions } from '../arbitraries/layers.ts'
import { directory, walkNodes } from '../builders.ts'
import type { Directory, TreeNode } from '../nodes.ts'
import { block, printedAs, printTree } from '../printing.ts'

/** The result of applying layers on each other. */
export class LayerModel {
  /** Nodes by absolute path, `''` for the root. Directories are nodes of their own. */
  readonly nodes = new Map<string, TreeNode>()

  /** Applies a layer. */
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

  /** Removes a node and what is below it. */
  remove(path: string): void {
    for (const known of [...this.nodes.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.nodes.delete(known)
    }
  }

  /** Returns the tree at a path. @param change applied to every node */
  tree(change: (node: TreeNode) => TreeNode = (node) => node, at = ''): Directory {
    const children = [...this.nodes].flatMap(([path, node]): [string, TreeNode][] => {
      if (!path.startsWith(`${at}/`) || path.indexOf('/', at.length + 1) >= 0) return []
      return [[path.slice(at.length + 1), node.kind === 'directory' ? this.tree(change, path) : change(node)]]
    })
    return directory(children, change({ ...(this.nodes.get(at) as Directory), children: new Map() }))
  }
}

/** Applies layers on each other, the lowest first, as the OCI image specification says. */
export function applyLayers(layers: readonly Directory[]): Directory {
  const model = new LayerModel()
  for (const layer of layers) model.lay(layer)
  return model.tree()
}

/** Tests whether two nodes have the same type, attributes and content. Children are not compared. */
function sameNode(a: TreeNode, b: TreeNode): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.xattrs.length !== b.xattrs.length) return false
  const known = a.xattrs.every(([name, value], i) => {
    const [otherName, otherValue] = b.xattrs[i] as (typeof b.xattrs)[0]
    return equalBytes(name, otherName) && equalBytes(value, otherValue)
  })
  if (!known) return false
  if (a.kind === 'file') return b.kind === 'file' && equalBytes(a.content, b.content)
  if (a.kind === 'symlink') return b.kind === 'symlink' && a.target === b.target
  return b.kind === 'directory'
}

/**
 * Compares two trees. Hard links are compared by content.
 * @returns a line for each path that differs, sorted by path; empty if the trees are equal
 */
export function compareTrees(expected: Directory, actual: Directory): string[] {
  const wanted = new Map(walkNodes(expected))
  const found = new Map(walkNodes(actual))
  const lines: string[] = []
  const alone = (node: TreeNode) => printTree(node.kind === 'directory' ? { ...node, children: new Map() } : node)
  for (const path of [...new Set([...wanted.keys(), ...found.keys()])].sort(compareUtf8)) {
    const a = wanted.get(path)
    const b = found.get(path)
    if (a === undefined) lines.push(`${path}: not expected`)
    else if (b === undefined) lines.push(`${path}: missing`)
    else if (!sameNode(a, b)) lines.push(`${path}: expected ${alone(a)}, got ${alone(b)}`)
  }
  return lines
}

/** Lines of differences in a message. */
const MOST_LINES = 3

/** Options of `layersProperty`. */
export interface LayersPropertyOptions extends LayerTreeOptions {
  /** Default 4; there is at least one layer. */
  readonly maxLayers?: number
}

/**
 * Returns the property that a program applies any layers as the specification says. The message of a failure names up to
 * three paths that differ.
 * @param apply applies the layers, the lowest first. `layerEntries` and `packLayer` make archives of them
 */
export function layersProperty(
  apply: (layers: readonly Directory[]) => Promise<Directory>,
  { maxLayers = 4, ...options }: LayersPropertyOptions = {},
): fc.IAsyncPropertyWithHooks<[readonly Directory[]]> {
  const layers = fc
    .array(anyLayerTree(options), { minLength: 1, maxLength: maxLayers })
    .map((list) => printedAs(list, () => block(list.map((layer, i) => `layer ${i}${below(layer)}`))))
  return fc.asyncProperty(layers, async (list) => {
    const lines = compareTrees(applyLayers(list), await apply(list))
    if (lines.length > 0) throw new Error(`the layers give another tree\n${lines.slice(0, MOST_LINES).join('\n')}`)
  })
}

function below(layer: Directory): string {
  const printed = printTree(layer)
  return printed.startsWith('\n') ? printed.replace(/^\nd 0755 0:0 \.(?=\n)/, '') : ` ${printed}`
}
