/** Adds hard links to a tree: further names of its files. */
import { type Directory, directory, type RegularFile, type SymbolicLink, type TreeNode } from '../builders.ts'

/** A name to add. */
export interface NewName {
  /** Index of the file in walking order, modulo the number of files. */
  readonly file: number
  /** Index of the directory in walking order, modulo the number of directories. */
  readonly into: number
  readonly name: string
}

/**
 * Copies a tree and adds names that are not taken yet.
 * @param mayLink tests whether the file with a given name may be linked
 */
export function withLinks(
  root: Directory,
  added: readonly NewName[],
  mayLink: (name: string) => boolean = () => true,
): Directory {
  const files: (RegularFile | SymbolicLink)[] = []
  const directories: Map<string, TreeNode>[] = []
  const copy = (node: Directory): Directory => {
    const { children, ...inode } = node
    const copied = directory([], inode)
    const entries = copied.children as Map<string, TreeNode>
    directories.push(entries)
    for (const [name, child] of children) {
      entries.set(name, child.kind === 'directory' ? copy(child) : child)
      if (child.kind === 'file' && mayLink(name)) files.push(child)
    }
    return copied
  }
  const tree = copy(root)
  for (const { file, into, name } of added) {
    const source = files[file % files.length]
    const target = directories[into % directories.length]
    if (source && target && !target.has(name)) target.set(name, source)
  }
  return tree
}
