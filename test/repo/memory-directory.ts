/** A directory to commit that exists in memory only: any owner, mode and name, whoever runs the tests. */
import { encodeUtf8 } from '../../src/bytes.ts'
import { S_IFDIR, S_IFLNK, S_IFREG, sortXattrs, type Xattrs } from '../../src/objects/index.ts'
import type { DirectorySource, SourceEntry } from '../../src/repo/index.ts'

export interface MemoryNode {
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  readonly xattrs?: Xattrs
  /** Content of a file, or target of a link. */
  readonly content?: Uint8Array | string
}

export function file(content: string | Uint8Array, more: Partial<MemoryNode> = {}): MemoryNode {
  return { mode: S_IFREG | 0o644, content, ...more }
}

export function link(target: string, more: Partial<MemoryNode> = {}): MemoryNode {
  return { mode: S_IFLNK | 0o777, content: target, ...more }
}

export function directory(more: Partial<MemoryNode> = {}): MemoryNode {
  return { mode: S_IFDIR | 0o755, ...more }
}

export function xattr(name: string, value: string): [Uint8Array, Uint8Array] {
  return [encodeUtf8(name), encodeUtf8(value)]
}

/** @param nodes by path, '' the root; a parent that is missing is a plain directory */
export function memoryDirectory(nodes: Readonly<Record<string, MemoryNode>>): DirectorySource {
  const all = new Map<string, MemoryNode>([['', directory()]])
  for (const [path, node] of Object.entries(nodes)) {
    const names = path.split('/')
    for (let i = 1; i < names.length; i++) {
      const parent = names.slice(0, i).join('/')
      if (!all.has(parent)) all.set(parent, directory())
    }
    all.set(path, node)
  }
  const entry = (path: string, name: string): SourceEntry => {
    const { mode, uid = 0, gid = 0, content = '' } = all.get(path) as MemoryNode
    return { name, mode, uid, gid, size: bytesOf(content).length }
  }
  return {
    location: 'memory',
    stat: () => entry('', ''),
    list: (path) => {
      const prefix = path === '' ? '' : `${path}/`
      return [...all.keys()]
        .filter((other) => other !== '' && other.startsWith(prefix) && !other.slice(prefix.length).includes('/'))
        .map((other) => entry(other, other.slice(prefix.length)))
    },
    xattrs: (path) => sortXattrs(all.get(path)?.xattrs ?? []),
    readLink: (path) => String(all.get(path)?.content),
    read: (path) => bytesOf(all.get(path)?.content ?? ''),
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? encodeUtf8(content) : content
}
