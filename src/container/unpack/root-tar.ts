/**
 * Writes an unpacked image as one tar archive: each directory before its content, the entries of a directory by name, a
 * hard link behind its target. The same image always gives the same bytes.
 */

import { compareUtf8, unescapeUtf8 } from '../../bytes.ts'
import { Pauses } from '../../repo/internal.ts'
import { packTar, type TarEntry, type TarEntryFields } from '../../tar/index.ts'
import type { RootContent } from './memory-root.ts'
import { Directory, type Inode, type RootMetadata } from './root-tree.ts'

/** Returns the archive. Paths are relative, and those of directories end in a slash; that of the root is `./`. */
export function rootTar(
  root: Directory,
  content: RootContent,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  return packTar(entriesOf(root, content, signal))
}

async function* entriesOf(
  root: Directory,
  content: RootContent,
  signal: AbortSignal | undefined,
): AsyncGenerator<TarEntry> {
  const written = new Map<Inode, Uint8Array>()
  const pauses = new Pauses(signal)
  const waiting: [path: string, Directory | Inode][] = [['./', root]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    const [text, node] = next
    const path = unescapeUtf8(text)
    if (node instanceof Directory) {
      yield { path, type: 'directory', ...fieldsOf(node.metadata) }
      const prefix = node.parent === undefined ? '' : text
      // Pushed in reverse, so that they are popped in order.
      for (const name of [...node.children.keys()].sort(compareUtf8).reverse()) {
        const child = node.children.get(name) as Directory | { inode: Inode }
        if (child instanceof Directory) waiting.push([`${prefix}${name}/`, child])
        else waiting.push([`${prefix}${name}`, child.inode])
      }
      continue
    }
    const first = written.get(node)
    if (first !== undefined) {
      yield { path, type: 'hardlink', linkPath: first, ...fieldsOf(node) }
      continue
    }
    if (node.links > 1) written.set(node, path)
    const fields = { path, type: node.kind, ...fieldsOf(node) }
    if (node.kind === 'file') yield { ...fields, size: node.size, body: content.read(node) }
    else if (node.kind === 'symlink') yield { ...fields, linkPath: unescapeUtf8(node.target) }
    else yield { ...fields, devMajor: node.major, devMinor: node.minor }
  }
}

function fieldsOf({ permissions, uid, gid, mtime, xattrs }: RootMetadata): Omit<TarEntryFields, 'path' | 'type'> {
  return {
    mode: permissions,
    // The bits of a negative number are those of a user id.
    uid: uid >>> 0 === uid ? uid : uid >>> 0,
    gid: gid >>> 0 === gid ? gid : gid >>> 0,
    mtime: mtime.seconds + mtime.nanoseconds / 1e9,
    xattrs,
  }
}
