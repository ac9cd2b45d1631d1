/** The files of an image that has been unpacked in memory. */

import type { Content } from '../../bytes.ts'
import type { FileStat } from '../../repo/index.ts'
import { NodeTree } from '../../repo/internal.ts'
import type { RootContent } from './memory-root.ts'
import { Directory, type Inode, type RootMetadata } from './root-tree.ts'

type Node = Directory | Inode

export class RootFiles extends NodeTree<Node> {
  readonly #root: Directory
  readonly #content: RootContent

  constructor(root: Directory, content: RootContent) {
    super('stored')
    this.#root = root
    this.#content = content
  }

  protected root(): Node {
    return this.#root
  }

  protected child(directory: Node, name: string): Node | undefined {
    const child = (directory as Directory).children.get(name)
    return child === undefined || child instanceof Directory ? child : child.inode
  }

  protected children(directory: Node): (readonly [string, Node])[] {
    return Array.from((directory as Directory).children, ([name, child]) => [
      name,
      child instanceof Directory ? child : child.inode,
    ])
  }

  protected describe(node: Node): Omit<FileStat, 'path'> {
    if (node instanceof Directory) return { kind: 'directory', size: 0, target: undefined, ...fieldsOf(node.metadata) }
    const { kind, size, target } = node
    return {
      kind,
      size: kind === 'file' ? size : 0,
      target: kind === 'symlink' ? target : undefined,
      ...fieldsOf(node),
    }
  }

  protected read(node: Node): Content {
    return this.#content.read(node as Inode)
  }
}

function fieldsOf({
  permissions,
  uid,
  gid,
  xattrs,
  mtime,
}: RootMetadata): Omit<FileStat, 'path' | 'kind' | 'size' | 'target'> {
  return { permissions, uid, gid, xattrs, mtime: mtime.seconds + mtime.nanoseconds / 1e9, checksum: undefined }
}
