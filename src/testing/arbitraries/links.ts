/** Files of a tree under several names: what a tree is after hard links were made in it. */
import type { Directory, RegularFile, SymbolicLink, TreeNode } from '../builders.ts'

export interface NewName {
  /** Which file and which directory, counted in the order they are met, modulo how many there are. */
  readonly file: number
  readonly into: number
  readonly name: string
}

/** The tree with some of its files under further names, where those are free. @param mayLink by the name it has */
export function withLinks(
  root: Directory,
  added: readonly NewName[],
  mayLink: (name: string) => boolean = () => true,
): Directory {
  const files: (RegularFile | SymbolicLink)[] = []
  const directories: Map<string, TreeNode>[] = []
  const copy = (node: Directory): Directory => {
    const children = new Map<string, TreeNode>()
    directories.push(children)
    for (const [name, child] of node.children) {
      if (child.kind === 'directory') children.set(name, copy(child))
      else children.set(name, child)
      if (child.kind === 'file' && mayLink(name)) files.push(child)
    }
    return { ...node, children }
  }
  const tree = copy(root)
  for (const { file, into, name } of added) {
    const source = files[file % files.length]
    const target = directories[into % directories.length]
    if (source && target && !target.has(name)) target.set(name, source)
  }
  return tree
}
