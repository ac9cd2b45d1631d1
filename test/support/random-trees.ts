/** The random trees of `ostree-ts/testing` in a file system, as entries of an archive, and as a directory in memory. */
import { chmodSync, lchownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { decodeUtf8 } from '../../src/bytes.ts'
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../src/objects/index.ts'
import type { DirectorySource } from '../../src/repo/index.ts'
import { loadNative } from '../../src/system/native.ts'
import { type Directory, directory, type TreeNode, walkNodes } from '../../src/testing/index.ts'
import { isRoot } from './machine.ts'
import { type MemoryNode, memoryDirectory } from './memory-directory.ts'
import { hardlink, type TarEntry } from './tar-bytes.ts'

/** Changes a tree to one that this process can create: unless it is root, with its own owner, and with `user.` attributes only. */
export function possible(tree: Directory): Directory {
  const owner = isRoot ? {} : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const made = new Map<TreeNode, TreeNode>()
  const convert = (node: TreeNode): TreeNode => {
    const known = made.get(node)
    if (known !== undefined) return known
    const hasXattrs = node.kind !== 'symlink' && loadNative() !== undefined
    const xattrs = node.xattrs.filter(([name]) => hasXattrs && decodeUtf8(name)?.startsWith('user.'))
    // The owner must be able to read files, and to remove what is in directories.
    const mode = node.mode | (node.kind === 'directory' ? 0o700 : 0o400)
    const converted = { ...node, ...owner, xattrs, mode: node.kind === 'symlink' ? 0o777 : mode }
    const result = converted.kind === 'directory' ? convertChildren(converted) : converted
    made.set(node, result)
    return result
  }
  const convertChildren = (node: Directory): Directory => {
    return directory(
      [...node.children].map(([name, child]) => [name, convert(child)] as const),
      node,
    )
  }
  return convert(tree) as Directory
}

/** Creates a tree at `path`, which must not exist. */
export function materialise(path: string, tree: Directory): void {
  const made = new Map<TreeNode, string>()
  const make = (at: string, node: TreeNode): void => {
    const first = made.get(node)
    if (first !== undefined && node.kind === 'file') {
      linkSync(first, at)
      return
    }
    made.set(node, at)
    if (node.kind === 'directory') {
      mkdirSync(at)
      for (const [name, child] of node.children) make(`${at}/${name}`, child)
    } else if (node.kind === 'file') writeFileSync(at, node.content)
    else symlinkSync(node.target, at)
    for (const [name, value] of node.xattrs) loadNative()?.setXattr(at, name, value)
    lchownSync(at, node.uid, node.gid)
    if (node.kind !== 'symlink') chmodSync(at, node.mode)
  }
  make(path, tree)
}

/**
 * Returns the entries of an archive of the tree, in the order of the tree. A file that is in the tree twice becomes a hard
 * link. Owner ids of 2^21 and more are PAX records, because the header has 7 octal digits.
 */
export function tarEntries(tree: Directory): TarEntry[] {
  const first = new Map<TreeNode, string>()
  return [...walkNodes(tree)].map(([path, node]): TarEntry => {
    const name = path === '' ? '.' : `./${path}`
    const known = first.get(node)
    if (known !== undefined) return hardlink(name, known)
    if (node.kind === 'file') first.set(node, name)
    const { mode, uid, gid, xattrs } = node
    const pax = [
      ...xattrs.map(([key, value]) => [Buffer.concat([Buffer.from('SCHILY.xattr.'), key]), value] as const),
      ...(uid < 2 ** 21 ? [] : [['uid', `${uid}`] as const]),
      ...(gid < 2 ** 21 ? [] : [['gid', `${gid}`] as const]),
    ]
    const entry = { name, mode, uid: uid % 2 ** 21, gid: gid % 2 ** 21, pax }
    if (node.kind === 'file') return { ...entry, content: node.content }
    return node.kind === 'symlink' ? { ...entry, type: '2', link: node.target } : { ...entry, type: '5' }
  })
}

const TYPES = { file: S_IFREG, symlink: S_IFLNK, directory: S_IFDIR } as const

/** Returns a tree as a source of commits. */
export function asSource(tree: Directory): DirectorySource {
  const nodes = new Map<string, MemoryNode>()
  for (const [path, node] of walkNodes(tree)) {
    const { uid, gid, mode, xattrs } = node
    const content = node.kind === 'file' ? node.content : node.kind === 'symlink' ? node.target : ''
    nodes.set(path, { uid, gid, xattrs, mode: TYPES[node.kind] | mode, content })
  }
  return memoryDirectory(nodes)
}
