/** A directory in memory as a source of commits. It can have any owner, mode and name, also where the tests do not run as root. */
import { encodeUtf8 } from '../../src/bytes.ts'
import { S_IFDIR, S_IFLNK, S_IFREG, sortXattrs, type Xattrs } from '../../src/objects/index.ts'
import type { DirectorySource, SourceEntry } from '../../src/repo/index.ts'
import { xattrsFromPax } from '../../src/repo/internal.ts'
import { type TarHeader, TarParser } from '../../src/tar/index.ts'

export interface MemoryNode {
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  readonly xattrs?: Xattrs
  /** The content of a regular file, or the target of a symbolic link. */
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

/**
 * Creates a directory.
 * @param nodes by path, '' for the root. A parent that is missing becomes a directory of mode 0755.
 */
export function memoryDirectory(
  nodes: Readonly<Record<string, MemoryNode>> | ReadonlyMap<string, MemoryNode>,
): DirectorySource {
  const all = new Map<string, MemoryNode>([['', directory()]])
  for (const [path, node] of nodes instanceof Map ? nodes : Object.entries(nodes)) {
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

/**
 * Creates a directory with the entries of an archive. Extended attributes without a value are left out, as libostree
 * leaves them out.
 */
export function unpackedTar(tar: Uint8Array): DirectorySource {
  const nodes: Record<string, MemoryNode> = {}
  const types = { file: S_IFREG, symlink: S_IFLNK, directory: S_IFDIR } as const
  let current: { path: string; header: TarHeader; content: Uint8Array[] }
  const parser = new TarParser({
    entry(header) {
      const path = new TextDecoder().decode(header.path).replace(/^\.\//, '').replace(/\/$/, '')
      current = { path, header, content: [] }
    },
    data: (chunk) => void current.content.push(chunk.slice()),
    end() {
      const { path, header, content } = current
      const type = types[header.type as keyof typeof types]
      nodes[path] = {
        mode: type | header.mode,
        uid: header.uid,
        gid: header.gid,
        xattrs: xattrsFromPax(header.pax).filter(([, value]) => value.length > 0),
        content: type === S_IFLNK ? new TextDecoder().decode(header.linkPath) : Buffer.concat(content),
      }
    },
  })
  parser.push(tar)
  parser.finish()
  return memoryDirectory(nodes)
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? encodeUtf8(content) : content
}
