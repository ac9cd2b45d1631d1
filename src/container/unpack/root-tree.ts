/**
 * The root file system of an image while its layers are applied, one after the other. The tree is in memory, without the
 * content of files, which goes to a `RootWriter` together with every change:
 *
 * ```
 * layers ─ tar entries ─▶ RootTree ─▶ RootWriter     a directory on disk, memory, a temporary file
 * ```
 *
 * The tree knows every link, so a writer gets places that contain no link, whatever the layers say:
 *
 * ```
 * .wh.NAME         removes NAME, except what this layer has put there
 * .wh..wh..opq     removes everything in its directory, except what this layer has put there
 * a/b/c            links in a/b lead to where they lead in a chroot; missing directories are made
 * directory        over a directory: its metadata is replaced, its content stays; over anything else: replaces it
 * anything else    replaces what is there
 * hard link        a second name of what its target names now, also of a file of a layer below
 * ```
 *
 * Source: OCI image-spec 1.1, layer.md; where that leaves a choice, umoci 0.4.7 (oci/layer/tar_extract.go).
 */

import { escapeUtf8 } from '../../bytes.ts'
import { FormatError, InvalidNameError, IoError, LimitError } from '../../errors.ts'
import type { Xattrs } from '../../objects/index.ts'
import { MAX_TREE_DEPTH } from '../../repo/index.ts'
import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from '../../repo/internal.ts'

/** Symbolic links followed for one path. More are taken for a loop. */
const MAX_LINKS = 40
/** Permissions of a directory that no layer has an entry for. */
const IMPLIED_PERMISSIONS = 0o755

/** A point in time. */
export interface Time {
  /** Seconds since 1970-01-01 UTC. */
  readonly seconds: number
  /** 0 to 999 999 999. */
  readonly nanoseconds: number
}

/** Metadata of an entry. */
export interface RootMetadata {
  /** The bits 07777 of `st_mode`. */
  readonly permissions: number
  readonly uid: number
  readonly gid: number
  readonly mtime: Time
  readonly xattrs: Xattrs
}

/** What is not a directory. Hard links share one. */
export interface Inode extends RootMetadata {
  readonly kind: 'file' | 'symlink' | 'char' | 'block' | 'fifo'
  /** Bytes of content. */
  readonly size: number
  /** Target of a symbolic link, as `escapeUtf8` decodes it; else empty. */
  readonly target: string
  /** Numbers of a device; else 0. */
  readonly major: number
  readonly minor: number
  /** Number of names. */
  links: number
  /** The place of the content, which the writer sets. */
  content: unknown
}

/** A name of an inode. */
interface Name {
  readonly inode: Inode
  readonly layer: number
}

/** A directory. Names are text of `escapeUtf8`, so that names that are not UTF-8 stay different. */
export class Directory {
  readonly name: string
  readonly parent: Directory | undefined
  readonly depth: number
  readonly children = new Map<string, Directory | Name>()
  metadata: RootMetadata
  /** The last layer with an entry for this directory or for something below it. */
  layer: number

  constructor(name: string, parent: Directory | undefined, layer: number) {
    this.name = name
    this.parent = parent
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.layer = layer
    this.metadata = {
      permissions: IMPLIED_PERMISSIONS,
      uid: 0,
      gid: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      xattrs: [],
    }
  }

  /** Absolute, without a slash at the end; `/` for the root. */
  get path(): string {
    const names: string[] = []
    for (let at: Directory = this; at.parent !== undefined; at = at.parent) names.push(at.name)
    return `/${names.reverse().join('/')}`
  }
}

/** Receives the changes of a tree, in order. Metadata of directories is final only when all layers have been applied. */
export interface RootWriter {
  makeDirectory(directory: Directory): void
  /** Removes a name, and with a directory everything in it. */
  remove(parent: Directory, name: string, node: Directory | Inode): void
  /** Makes something else than a directory. The content of a file follows in calls of `data`. */
  make(parent: Directory, name: string, inode: Inode): void
  /** @param bytes valid during the call */
  data(bytes: Uint8Array): void
  /** Ends the file of the last call of `make`. */
  end(inode: Inode): void
  /** Makes a hard link to an existing name. */
  link(parent: Directory, name: string, from: Directory, fromName: string): void
}

/** An entry of a layer. */
export interface LayerEntry {
  /** The path in the archive. */
  readonly path: Uint8Array
  readonly kind: Inode['kind'] | 'directory' | 'hardlink'
  /** Target of a symbolic or hard link. */
  readonly target: Uint8Array
  readonly metadata: RootMetadata
  readonly size: number
  readonly major: number
  readonly minor: number
}

export class RootTree {
  readonly root = new Directory('', undefined, 0)
  /** Entries that have been applied. */
  entries = 0
  readonly #writer: RootWriter
  readonly #maxEntries: number
  #layer = 0
  #open: Inode | undefined

  constructor(writer: RootWriter, maxEntries: number) {
    this.#writer = writer
    this.#maxEntries = maxEntries
  }

  /** Begins the next layer. */
  nextLayer(): void {
    this.#layer++
  }

  /**
   * Applies an entry. The content of a file follows in calls of `data`, and a call of `end`.
   * @throws {InvalidNameError} on a `..`, a NUL and an invalid whiteout
   * @throws {FormatError} on an entry below a file, a hard link without a target, a root that is not a directory
   * @throws {IoError} `ELOOP` on a loop of links
   * @throws {LimitError}
   */
  apply(entry: LayerEntry): void {
    if (++this.entries > this.#maxEntries) throw new LimitError('entries of the image', this.#maxEntries)
    const names = namesOf(entry.path)
    const name = names.pop()
    if (name === undefined) {
      if (entry.kind !== 'directory') throw new FormatError('layer', 'The root is not a directory')
      this.root.metadata = entry.metadata
      return
    }
    if (name.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteOut(this.#resolve(names, false), name)
      return
    }
    const parent = this.#resolve(names, true) as Directory
    if (entry.kind === 'directory') this.#applyDirectory(parent, name, entry.metadata)
    else if (entry.kind === 'hardlink') this.#applyLink(parent, name, entry.target)
    else this.#applyInode(parent, name, entry, entry.kind)
    this.#touch(parent)
  }

  data(bytes: Uint8Array): void {
    if (this.#open !== undefined) this.#writer.data(bytes)
  }

  end(): void {
    if (this.#open !== undefined) this.#writer.end(this.#open)
    this.#open = undefined
  }

  #applyDirectory(parent: Directory, name: string, metadata: RootMetadata): void {
    let directory = parent.children.get(name)
    if (!(directory instanceof Directory)) directory = this.#makeDirectory(parent, name)
    directory.metadata = metadata
    directory.layer = this.#layer
  }

  #makeDirectory(parent: Directory, name: string): Directory {
    this.#remove(parent, name)
    const directory = new Directory(name, parent, this.#layer)
    if (directory.depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH)
    this.#writer.makeDirectory(directory)
    parent.children.set(name, directory)
    return directory
  }

  #applyInode(parent: Directory, name: string, entry: LayerEntry, kind: Inode['kind']): void {
    this.#remove(parent, name)
    const target = kind === 'symlink' ? escapeUtf8(entry.target) : ''
    if (target.includes('\0')) throw new InvalidNameError(target, 'The target of a symbolic link contains a NUL byte')
    const { size, major, minor } = entry
    const { permissions, uid, gid, mtime, xattrs } = entry.metadata
    // Named one by one, since spreading takes ten times as long.
    const inode: Inode = {
      kind,
      permissions,
      uid,
      gid,
      mtime,
      xattrs,
      size,
      target,
      major,
      minor,
      links: 1,
      content: undefined,
    }
    this.#writer.make(parent, name, inode)
    parent.children.set(name, { inode, layer: this.#layer })
    if (kind === 'file') this.#open = inode
  }

  #applyLink(parent: Directory, name: string, target: Uint8Array): void {
    const names = namesOf(target)
    const last = names.pop() ?? ''
    const existing = parent.children.get(name)
    const from = this.#resolve(names, false)
    const found = from?.children.get(last)
    if (from === undefined || found === undefined) {
      throw new FormatError('layer', `Hard link to ${escapeUtf8(target)}, which does not exist`)
    }
    if (found instanceof Directory) throw new FormatError('layer', `Hard link to the directory ${escapeUtf8(target)}`)
    if (existing === found) throw new FormatError('layer', `Hard link to itself`)
    this.#remove(parent, name)
    if (from.children.get(last) !== found || !this.#isAttached(from)) {
      throw new FormatError('layer', `Hard link in place of the directory of its target ${escapeUtf8(target)}`)
    }
    this.#writer.link(parent, name, from, last)
    found.inode.links++
    parent.children.set(name, { inode: found.inode, layer: this.#layer })
  }

  #isAttached(directory: Directory): boolean {
    let at = directory
    for (; at.parent !== undefined; at = at.parent) if (at.parent.children.get(at.name) !== at) return false
    return at === this.root
  }

  /** Marks a directory and all above it as changed by this layer. */
  #touch(directory: Directory): void {
    for (let at: Directory | undefined = directory; at !== undefined && at.layer !== this.#layer; at = at.parent) {
      at.layer = this.#layer
    }
  }

  #whiteOut(directory: Directory | undefined, name: string): void {
    const hidden = name.slice(WHITEOUT_PREFIX.length)
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw new InvalidNameError(name, `Invalid whiteout '${name}'`)
    }
    if (directory === undefined) return
    if (name !== OPAQUE_WHITEOUT) this.#removeOlder(directory, hidden)
    else for (const child of [...directory.children.keys()]) this.#removeOlder(directory, child)
  }

  /** Removes what layers below have at a name, and in the directory that this layer has there. */
  #removeOlder(parent: Directory, name: string): void {
    const waiting: [Directory, string][] = [[parent, name]]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [directory, child] = next
      const node = directory.children.get(child)
      if (node === undefined) continue
      if (node.layer !== this.#layer) this.#remove(directory, child)
      else if (node instanceof Directory) for (const below of node.children.keys()) waiting.push([node, below])
    }
  }

  #remove(parent: Directory, name: string): void {
    const node = parent.children.get(name)
    if (node === undefined) return
    this.#writer.remove(parent, name, node instanceof Directory ? node : node.inode)
    parent.children.delete(name)
    if (!(node instanceof Directory)) node.inode.links--
    else unlinkAll(node)
  }

  /**
   * Finds a directory, following links as in a chroot.
   * @param create whether missing directories are made
   * @returns `undefined` when the directory does not exist
   */
  #resolve(names: readonly string[], create: boolean): Directory | undefined {
    let at = this.root
    let links = 0
    let ahead: string[] | undefined
    for (let i = 0; ; ) {
      const name: string | undefined = ahead === undefined ? names[i++] : ahead.pop()
      if (name === undefined) return at
      if (name === '..') {
        at = at.parent ?? at
        continue
      }
      const child = at.children.get(name)
      if (child instanceof Directory) at = child
      else if (child === undefined) {
        if (!create) return undefined
        const parent = at
        at = this.#makeDirectory(parent, name)
        this.#touch(parent)
      } else {
        const { kind, target } = child.inode
        if (kind !== 'symlink') {
          if (!create) return undefined
          throw new FormatError('layer', `${at.path === '/' ? '' : at.path}/${name} is not a directory`)
        }
        if (++links > MAX_LINKS) throw new IoError('Too many levels of symbolic links', 'ELOOP', `${at.path}/${name}`)
        ahead ??= names.slice(i).reverse()
        if (target.startsWith('/')) at = this.root
        for (const part of target.split('/').reverse()) if (part !== '' && part !== '.') ahead.push(part)
      }
    }
  }
}

function unlinkAll(directory: Directory): void {
  const waiting = [directory]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const child of next.children.values()) {
      if (child instanceof Directory) waiting.push(child)
      else child.inode.links--
    }
  }
}

/** Splits a path in an archive into names, without empty ones and `.`. @throws {InvalidNameError} on `..` and NUL */
function namesOf(path: Uint8Array): string[] {
  const text = escapeUtf8(path)
  const names: string[] = []
  for (const name of text.split('/')) {
    if (name === '' || name === '.') continue
    if (name === '..') throw new InvalidNameError(text, `Invalid uplink '..' in path ${text}`)
    names.push(name)
  }
  if (text.includes('\0')) throw new InvalidNameError(text, 'Archive entry pathname contains a NUL byte')
  return names
}
