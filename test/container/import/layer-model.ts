/** A simple model of applying layers, on a map of paths, without objects. Source: OCI image-spec, layer.md. */
import { compareUtf8 } from '../../../src/bytes.ts'
import { type Directory, directory, type TreeNode } from '../../../src/testing/index.ts'

/** The result of applying layers on each other, as a map of paths; directories are nodes of their own. */
export class LayerModel {
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

/** Returns a function that changes a node as a checkout and a commit of it by the given user do. */
export function flattenedBy(uid: number, gid: number): (node: TreeNode) => TreeNode {
  return (node) => {
    const { kind, mode } = node
    if (kind === 'file' && node.content.length > 0 && (mode & 0o400) !== 0) return node
    const bits = kind === 'symlink' ? 0o777 : kind === 'directory' ? mode : (mode & ~0o6000) | 0o400
    return { ...node, uid, gid, xattrs: [], mode: bits }
  }
}
