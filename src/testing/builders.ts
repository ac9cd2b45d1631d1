/**
 * Builders of file trees and commits for tests:
 *
 * ```ts
 * const tree = directory({ etc: directory({ hostname: file('box\n') }), bin: symlink('usr/bin') })
 * const commit = await storeCommit(tx, tree, { subject: 'first' })
 * tx.setRef('heads/main', { commit })
 * ```
 *
 * They encode objects with the codecs only, so the operations on trees can be tested against them. fast-check prints
 * trees as `tar tv` does.
 */

import { type Checksum, compareUtf8, concatBytes, encodeUtf8, joinPath } from '../bytes.ts'
import type { Vardict } from '../gvariant/index.ts'
import { Commit, DirMeta, DirTree, isSymlink, NO_XATTRS, S_IFDIR, S_IFLNK, S_IFREG } from '../objects/index.ts'
import type { ObjectReader, Transaction } from '../repo/index.ts'
import type { Directory, FileAttributes, RegularFile, SymbolicLink, TreeNode } from './nodes.ts'
import { printedAs, printTree } from './printing.ts'

export type { Directory, FileAttributes, RegularFile, SymbolicLink, TreeNode } from './nodes.ts'

/** Creates a regular file, by default with mode 0644 and owner 0:0. @param content bytes, or text encoded as UTF-8 */
export function file(content: string | Uint8Array = '', inode: Partial<FileAttributes> = {}): RegularFile {
  const bytes = typeof content === 'string' ? encodeUtf8(content) : content
  const node = { uid: 0, gid: 0, mode: 0o644, xattrs: NO_XATTRS, ...inode, kind: 'file', content: bytes } as const
  return printedAs<RegularFile>(node, printTree)
}

/** Creates a symbolic link, by default with mode 0777 and owner 0:0. */
export function symlink(target: string, inode: Partial<FileAttributes> = {}): SymbolicLink {
  const node = { uid: 0, gid: 0, mode: 0o777, xattrs: NO_XATTRS, ...inode, kind: 'symlink', target } as const
  return printedAs<SymbolicLink>(node, printTree)
}

/**
 * Creates a directory, by default with mode 0755 and owner 0:0.
 * @param children entries by name, or as pairs, which also allow the name `__proto__`
 */
export function directory(
  children: Readonly<Record<string, TreeNode>> | Iterable<readonly [string, TreeNode]> = {},
  inode: Partial<FileAttributes> = {},
): Directory {
  const pairs = Symbol.iterator in children ? children : Object.entries(children)
  const node = { uid: 0, gid: 0, mode: 0o755, xattrs: NO_XATTRS, ...inode, kind: 'directory' } as const
  return printedAs<Directory>({ ...node, children: new Map(pairs) }, printTree)
}

/** Yields every node with its path (`''` for the root), parents first, children in byte order. */
export function* walkNodes(root: TreeNode, path = ''): Generator<readonly [path: string, node: TreeNode]> {
  yield [path, root]
  if (root.kind !== 'directory') return
  for (const [name, child] of sorted(root.children)) yield* walkNodes(child, joinPath(path, name))
}

/** Writes all objects of a tree. @returns the checksums of its dirtree and dirmeta */
export async function storeTree(tx: Transaction, root: Directory): Promise<{ tree: Checksum; meta: Checksum }> {
  const files: { name: string; checksum: Checksum }[] = []
  const dirs: { name: string; tree: Checksum; meta: Checksum }[] = []
  for (const [name, node] of sorted(root.children)) {
    if (node.kind === 'directory') dirs.push({ name, ...(await storeTree(tx, node)) })
    else files.push({ name, checksum: await storeFile(tx, node) })
  }
  const { uid, gid, mode, xattrs } = root
  const tree = await tx.writeMeta('dirtree', DirTree.encode({ files, dirs }))
  const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid, gid, mode: S_IFDIR | mode, xattrs }))
  return { tree, meta }
}

/** Writes a file object. @returns its checksum */
export async function storeFile(tx: Transaction, node: RegularFile | SymbolicLink): Promise<Checksum> {
  const { uid, gid, mode, xattrs } = node
  if (node.kind === 'symlink') {
    const header = { uid, gid, mode: S_IFLNK | mode, target: node.target, xattrs }
    return tx.writeFile({ header, size: 0, body: new Uint8Array(0) })
  }
  const { content } = node
  return tx.writeFile({
    header: { uid, gid, mode: S_IFREG | mode, target: '', xattrs },
    size: content.length,
    body: content,
  })
}

/** Members of a commit; default empty. */
export interface CommitFields {
  readonly subject?: string
  readonly body?: string
  readonly parent?: Checksum
  /** Seconds since the epoch, UTC. Default 2024-01-02 03:04:05. */
  readonly timestamp?: bigint
  readonly metadata?: Vardict
}

/** Writes a tree and a commit of it, without setting a ref. @returns the checksum of the commit */
export async function storeCommit(tx: Transaction, root: Directory, fields: CommitFields = {}): Promise<Checksum> {
  const { tree, meta } = await storeTree(tx, root)
  const { subject = '', body = '', parent, timestamp = 1704164645n, metadata = [] } = fields
  const commit = { metadata, parent, related: [], subject, body, timestamp, rootTree: tree, rootMeta: meta }
  return tx.writeMeta('commit', Commit.encode(commit))
}

/** Reads a tree that `storeTree` wrote. Files with the same checksum become the same object. */
export async function loadTree(
  from: ObjectReader,
  root: { readonly tree: Checksum; readonly meta: Checksum },
  files = new Map<Checksum, RegularFile | SymbolicLink>(),
): Promise<Directory> {
  const { uid, gid, mode, xattrs } = DirMeta.decode(await from.readMeta('dirmeta', root.meta))
  const contents = DirTree.decode(await from.readMeta('dirtree', root.tree))
  const children = new Map<string, TreeNode>()
  for (const { name, checksum } of contents.files) {
    const node = files.get(checksum) ?? (await loadFile(from, checksum))
    files.set(checksum, node)
    children.set(name, node)
  }
  for (const { name, ...dir } of contents.dirs) children.set(name, await loadTree(from, dir, files))
  return directory(children, { uid, gid, mode: mode & 0o7777, xattrs })
}

async function loadFile(from: ObjectReader, checksum: Checksum): Promise<RegularFile | SymbolicLink> {
  const { header, body } = await from.readFile(checksum)
  const { uid, gid, xattrs } = header
  const inode = { uid, gid, mode: header.mode & 0o7777, xattrs }
  if (isSymlink(header)) return symlink(header.target, inode)
  if (body instanceof Uint8Array) return file(body, inode)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(new Uint8Array(chunk))
  return file(concatBytes(chunks), inode)
}

function sorted(children: ReadonlyMap<string, TreeNode>): [string, TreeNode][] {
  return [...children].sort(([a], [b]) => compareUtf8(a, b))
}
