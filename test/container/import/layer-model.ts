import { LayerModel, type TreeNode } from '../../../src/testing/index.ts'

export { LayerModel }

/** Returns a function that changes a node as a checkout and a commit of it by the given user do. */
export function flattenedBy(uid: number, gid: number): (node: TreeNode) => TreeNode {
  return (node) => {
    const { kind, mode } = node
    if (kind === 'file' && node.content.length > 0 && (mode & 0o400) !== 0) return node
    const bits = kind === 'symlink' ? 0o777 : kind === 'directory' ? mode : (mode & ~0o6000) | 0o400
    return { ...node, uid, gid, xattrs: [], mode: bits }
  }
}
