/** A destination of a checkout in memory. */

import { type Content, EMPTY_BYTES, readAll } from '../../bytes.ts'
import { ConflictError, FormatError, IoError, LimitError } from '../../errors.ts'
import { type FileObject, NO_XATTRS, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Xattrs } from '../../objects/index.ts'
import { childPath } from '../core/path.ts'
import type {
  CheckoutTarget,
  FileOwner,
  HardLinkResult,
  NewFile,
  OnExisting,
  TargetDirectory,
  TargetStat,
} from './target.ts'

/** `st_mode` type of a character device. */
const S_IFCHR = 0o020000
/** Default of `MemoryTargetOptions.maxBytes`: 2 GiB. */
export const MAX_MEMORY_TARGET: number = 2 ** 31

/** Limits of a target in memory. */
export interface MemoryTargetOptions {
  /** Bytes of all files. Default `MAX_MEMORY_TARGET`. */
  readonly maxBytes?: number | undefined
}

/** A file, directory or symbolic link of a checkout in memory. */
export interface MemoryFile extends FileOwner {
  /** `st_mode`: type and permissions. */
  readonly mode: number
  readonly xattrs: Xattrs
  /** Content of a file; empty for anything else. */
  readonly content: Uint8Array
  /** Target of a symbolic link; empty for anything else. */
  readonly target: string
}

/** A destination in memory, and what has been checked out into it. */
export interface MemoryTarget extends CheckoutTarget {
  /** Returns all entries by absolute path, a directory before what is in it: `/` for the root, `/usr/bin/sh`. */
  entries(): IterableIterator<[path: string, MemoryFile]>
  /** Returns the entry at an absolute path. Symbolic links are not followed. */
  get(path: string): MemoryFile | undefined
}

/**
 * Returns a target for `checkout` that keeps everything in memory.
 *
 * @example
 * const target = createMemoryTarget()
 * await checkout(repo, await repo.resolve('main'), target)
 * for (const [path, { mode, content }] of target.entries()) console.log(path, mode, content.length)
 */
export function createMemoryTarget({ maxBytes = MAX_MEMORY_TARGET }: MemoryTargetOptions = {}): MemoryTarget {
  const parent = new MemoryDirectory({ left: maxBytes, maxBytes }, undefined)
  const root = (): Node | undefined => parent.node.children?.get('root')
  return {
    name: 'root',
    open: () => parent,
    deviceOf: () => undefined,
    statPlace: () => undefined,
    identify: ({ path }) => path,
    *entries() {
      const top = root()
      const waiting: [string, Node][] = top === undefined ? [] : [['/', top]]
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [path, node] = next
        yield [path, node]
        for (const [name, child] of [...(node.children ?? [])].reverse()) waiting.push([childPath(path, name), child])
      }
    },
    get(path) {
      let at = root()
      for (const name of path.split('/')) if (name !== '') at = at?.children?.get(name)
      return at
    },
  }
}

interface Node extends MemoryFile {
  mode: number
  uid: number
  gid: number
  xattrs: Xattrs
  readonly children: Map<string, Node> | undefined
}

function newNode(mode: number, children?: Map<string, Node>): Node {
  return { mode, uid: 0, gid: 0, xattrs: NO_XATTRS, content: EMPTY_BYTES, target: '', children }
}

interface Budget {
  left: number
  readonly maxBytes: number
}

class MemoryDirectory implements TargetDirectory {
  readonly device = undefined
  readonly node: Node
  readonly #budget: Budget

  constructor(budget: Budget, node: Node | undefined) {
    this.#budget = budget
    this.node = node ?? newNode(S_IFDIR | 0o755, new Map())
  }

  get #children(): Map<string, Node> {
    return this.node.children as Map<string, Node>
  }

  makeDirectory(name: string): boolean {
    return this.#add(name, () => newNode(S_IFDIR | 0o700, new Map()))
  }

  #add(name: string, make: () => Node): boolean {
    if (this.#children.has(name)) return false
    this.#children.set(name, make())
    return true
  }

  openDirectory(name: string): TargetDirectory {
    const node = this.#children.get(name)
    if (node?.children !== undefined) return new MemoryDirectory(this.#budget, node)
    const errno = node === undefined ? 'ENOENT' : 'ENOTDIR'
    throw new IoError(
      `opendir(${name}): ${errno === 'ENOENT' ? 'No such file or directory' : 'Not a directory'}`,
      errno,
    )
  }

  stat(name: string): TargetStat | undefined {
    const node = this.#children.get(name)
    if (node === undefined) return undefined
    const { mode, uid, gid, content } = node
    return { mode, uid, gid, size: content.length, identity: `0:${name}` }
  }

  readXattrs(name: string): Xattrs {
    return this.#children.get(name)?.xattrs ?? NO_XATTRS
  }

  readFile(name: string, withXattrs: boolean): FileObject {
    const node = this.#children.get(name)
    const type = (node?.mode ?? 0) & S_IFMT
    if (node === undefined || (type !== S_IFREG && type !== S_IFLNK)) {
      throw new FormatError(name, `Not a regular file or symlink: ${name}`)
    }
    const { mode, uid, gid, target, content } = node
    const xattrs = withXattrs ? node.xattrs : NO_XATTRS
    return { header: { mode, uid, gid, target, xattrs }, size: content.length, body: content }
  }

  async writeFile(name: string, file: NewFile, existing: OnExisting): Promise<boolean> {
    const content = await this.#take(file.body)
    const present = this.#children.get(name)
    if (present !== undefined && existing === 'keep') return false
    if (present !== undefined && existing === 'fail') throw new ConflictError(name, 'linkat: File exists')
    if (present?.children !== undefined) throw new IoError(`renameat(${name}): Is a directory`, 'EISDIR', name)
    const { permissions, owner = { uid: 0, gid: 0 }, xattrs } = file
    this.#budget.left += present?.content.length ?? 0
    this.#children.set(name, { ...newNode(S_IFREG | permissions), ...owner, xattrs, content })
    return true
  }

  /** Reads content within the limit. Content in one array may be reused by its producer, so it is copied. */
  async #take(body: Content): Promise<Uint8Array> {
    const tooLong = () => new LimitError('content of the checkout in memory', this.#budget.maxBytes)
    const bytes = await readAll(body, this.#budget.left, tooLong)
    this.#budget.left -= bytes.length
    return body instanceof Uint8Array ? new Uint8Array(bytes) : bytes
  }

  makeSymlink(name: string, target: string): boolean {
    return this.#add(name, () => ({ ...newNode(S_IFLNK | 0o777), target }))
  }

  setSymlinkMeta(name: string, { uid, gid }: FileOwner, xattrs: Xattrs): void {
    Object.assign(this.#children.get(name) ?? {}, { uid, gid, xattrs })
  }

  hardLink(): HardLinkResult {
    return 'EXDEV'
  }

  replaceByHardLink(name: string): void {
    throw new IoError('linkat: Invalid cross-device link', 'EXDEV', name)
  }

  makeWhiteoutDevice(name: string, permissions: number): boolean {
    return this.#add(name, () => newNode(S_IFCHR | permissions))
  }

  setWhiteoutMeta(name: string, { uid, gid }: FileOwner, permissions: number, xattrs: Xattrs): void {
    Object.assign(this.#children.get(name) ?? {}, { uid, gid, xattrs, mode: S_IFCHR | permissions })
  }

  remove(name: string): void {
    if (this.#children.get(name)?.children !== undefined) {
      throw new IoError(`unlinkat(${name}): Is a directory`, 'EISDIR', name)
    }
    this.removeTree(name)
  }

  removeTree(name: string): void {
    const removed = [this.#children.get(name)]
    this.#children.delete(name)
    for (const node of removed) {
      this.#budget.left += node?.content.length ?? 0
      for (const child of node?.children?.values() ?? []) removed.push(child)
    }
  }

  setXattrs(xattrs: Xattrs): void {
    this.node.xattrs = xattrs
  }

  setPermissions(permissions: number): void {
    this.node.mode = S_IFDIR | permissions
  }

  setOwner({ uid, gid }: FileOwner): void {
    this.node.uid = uid
    this.node.gid = gid
  }

  setTimeZero(): void {}
  sync(): void {}
  close(): void {}
}
