/**
 * Reads the files of a tree by path: of a commit (commit-files.ts), or of an image unpacked in memory. Paths lead to where
 * they lead for a process whose root is the tree (chroot): symbolic links are followed, absolute ones from the root of
 * the tree, and `..` does not lead out of it.
 */

import { type Checksum, type Content, compareUtf8, equalBytes, type MaybePromise, readAll } from '../../bytes.ts'
import { IoError, LimitError, PathNotFoundError } from '../../errors.ts'
import type { Xattrs } from '../../objects/index.ts'
import { childPath, MAX_SYMLINKS } from '../core/path.ts'
import { MAX_TREE_DEPTH } from '../core/tree.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import type { Difference } from './diff.ts'

/** Default of `ReadFileOptions.maxBytes`: 1 GiB. */
export const MAX_READ_FILE: number = 2 ** 30

/** What a tree says of one of its entries. */
export interface FileStat {
  /** Absolute, without symbolic links on the way: `/`, `/usr/bin/sh`. */
  readonly path: string
  /** A commit has only files, directories and symbolic links. */
  readonly kind: 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo'
  /** Bytes of content; 0 unless `kind` is `file`. */
  readonly size: number
  /** The bits 07777 of `st_mode`. */
  readonly permissions: number
  readonly uid: number
  readonly gid: number
  /** Target of a symbolic link. */
  readonly target: string | undefined
  readonly xattrs: Xattrs
  /** Seconds since 1970-01-01 UTC. Commits store no times. */
  readonly mtime: number | undefined
  /** Checksum of the object of a file or a symbolic link. Only commits have objects. */
  readonly checksum: Checksum | undefined
}

/** How a tree shows `/etc`. */
export interface FileTreeOptions {
  /**
   * `deployed`: `/usr/etc` is shown as `/etc`, as in the image and in a deployment, unless the tree has an `/etc`; both
   * paths lead there. `stored`: the tree is shown as it is. Default: `deployed` for images, `stored` for other commits.
   */
  readonly etc?: 'deployed' | 'stored' | undefined
}

/** Options of `FileTree.readFile`. */
export interface ReadFileOptions {
  /** Bytes; a longer file is an error. Default `MAX_READ_FILE`. */
  readonly maxBytes?: number | undefined
}

/** Options of the methods of `FileTree` that may take long. */
export interface FileTreeWalkOptions {
  /** Aborting it makes the method fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The files of a commit or an image.
 *
 * All methods throw a `PathNotFoundError` when a path does not exist, and an `IoError` when it leads through a file
 * (`ENOTDIR`) or when links form a loop (`ELOOP`).
 *
 * @example
 * const tree = await openCommit(repo, 'main')
 * const text = new TextDecoder().decode(await tree.readFile('/etc/os-release'))
 * for await (const { path, size } of tree.walk('/usr/bin')) console.log(path, size)
 */
export interface FileTree {
  /**
   * Reads a whole file.
   * @throws {IoError} `EISDIR` when it is a directory, `EINVAL` when it is a device
   * @throws {LimitError} when it is larger than `maxBytes`
   */
  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array>
  /** Reads a file piece by piece. A piece is valid until the next one is requested. @throws as `readFile` */
  stream(path: string): AsyncGenerator<Uint8Array, void, undefined>
  /** Describes an entry. @param options `followLink: false` describes a link itself. Default true */
  stat(path: string, options?: { readonly followLink?: boolean | undefined }): Promise<FileStat>
  /** Lists a directory, by name in byte order. Links in it are not followed. @throws {IoError} `ENOTDIR` when it is not a directory */
  list(path?: string): Promise<FileStat[]>
  /** Yields an entry and everything below it: a directory before its content, entries by name. Links are not followed. */
  walk(path?: string, options?: FileTreeWalkOptions): AsyncGenerator<FileStat, void, undefined>
  /** Returns the paths that only one of two trees has, or that differ in more than their times. */
  diff(other: FileTree, options?: FileTreeWalkOptions): Promise<Difference>
}

/** A `FileTree` over nodes of the type `N`. */
export abstract class NodeTree<N> implements FileTree {
  readonly #deployed: boolean

  constructor(etc: FileTreeOptions['etc']) {
    this.#deployed = etc === 'deployed'
  }

  protected abstract root(): N
  /** Returns the entry of a directory. */
  protected abstract child(directory: N, name: string): MaybePromise<N | undefined>
  /** Returns all entries of a directory, in any order. */
  protected abstract children(directory: N): MaybePromise<readonly (readonly [name: string, N])[]>
  protected abstract describe(node: N): MaybePromise<Omit<FileStat, 'path'>>
  protected abstract read(node: N): MaybePromise<Content>

  async readFile(path: string, { maxBytes = MAX_READ_FILE }: ReadFileOptions = {}): Promise<Uint8Array> {
    const { node, stat } = await this.#file(path)
    const tooLong = () => new LimitError('file size', maxBytes, undefined, stat.path)
    if (stat.size > maxBytes) throw tooLong()
    return readAll(await this.read(node), maxBytes, tooLong)
  }

  async *stream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const { node } = await this.#file(path)
    const body = await this.read(node)
    if (body instanceof Uint8Array) yield body
    else yield* body
  }

  async #file(path: string): Promise<{ node: N; stat: FileStat }> {
    const { node, stat } = await this.#find(path, true)
    if (stat.kind === 'directory') throw new IoError(`${stat.path}: Is a directory`, 'EISDIR', stat.path)
    if (stat.kind !== 'file') throw new IoError(`${stat.path}: Not a regular file`, 'EINVAL', stat.path)
    return { node, stat }
  }

  async stat(path: string, { followLink = true }: { readonly followLink?: boolean | undefined } = {}) {
    return (await this.#find(path, followLink)).stat
  }

  async list(path = '/'): Promise<FileStat[]> {
    const { node, stat } = await this.#find(path, true)
    if (stat.kind !== 'directory') throw new IoError(`${stat.path}: Not a directory`, 'ENOTDIR', stat.path)
    const listed: FileStat[] = []
    for (const [name, child] of await this.#shown(node, stat.path)) {
      listed.push({ path: childPath(stat.path, name), ...(await this.describe(child)) })
    }
    return listed
  }

  async *walk(path = '/', { signal }: FileTreeWalkOptions = {}): AsyncGenerator<FileStat, void, undefined> {
    const { node, stat } = await this.#find(path, true)
    yield stat
    if (stat.kind !== 'directory') return
    const pauses = new Pauses(signal)
    const levels = [{ path: stat.path, entries: await this.#shown(node, stat.path), next: 0 }]
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const entry = level.entries[level.next++]
      if (entry === undefined) {
        levels.pop()
        continue
      }
      const pause = pauses.next()
      if (pause !== undefined) await pause
      const [name, child] = entry
      const below: FileStat = { path: childPath(level.path, name), ...(await this.describe(child)) }
      yield below
      if (below.kind !== 'directory') continue
      if (levels.length > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, below.path)
      levels.push({ path: below.path, entries: await this.#shown(child, below.path), next: 0 })
    }
  }

  async diff(other: FileTree, { signal }: FileTreeWalkOptions = {}): Promise<Difference> {
    const result = { added: [] as string[], modified: [] as string[], removed: [] as string[] }
    const [before, after] = [this.walk('/', { signal }), other.walk('/', { signal })]
    let [left, right] = await Promise.all([before.next(), after.next()])
    while (!left.done || !right.done) {
      const order = left.done ? 1 : right.done ? -1 : comparePaths(left.value.path, right.value.path)
      if (order < 0) result.removed.push((left.value as FileStat).path)
      else if (order > 0) result.added.push((right.value as FileStat).path)
      else if (!(await sameEntry(this, left.value as FileStat, other, right.value as FileStat))) {
        result.modified.push((left.value as FileStat).path)
      }
      if (order <= 0) left = await before.next()
      if (order >= 0) right = await after.next()
    }
    return result
  }

  /** Finds an entry, following links as in a chroot. */
  async #find(path: string, followLast: boolean): Promise<{ node: N; stat: FileStat }> {
    const root = this.root()
    const above: { node: N; stat: FileStat }[] = []
    let at = { node: root, stat: { path: '/', ...(await this.describe(root)) } as FileStat }
    const ahead = namesOf(path).reverse()
    for (let links = 0, name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      if (at.stat.kind !== 'directory') throw new IoError(`${at.stat.path}: Not a directory`, 'ENOTDIR', at.stat.path)
      if (name === '..') {
        at = above.pop() ?? at
        continue
      }
      const below = childPath(at.stat.path, name)
      const node = await this.#step(at.node, at.stat.path, name)
      if (node === undefined) throw new PathNotFoundError(below)
      const stat: FileStat = { path: below, ...(await this.describe(node)) }
      if (stat.kind === 'symlink' && (followLast || ahead.length > 0)) {
        if (++links > MAX_SYMLINKS) throw new IoError(`${path}: Too many levels of symbolic links`, 'ELOOP', path)
        const target = stat.target ?? ''
        if (target.startsWith('/') && above.length > 0) at = above.splice(0)[0] as typeof at
        for (const name of namesOf(target).reverse()) ahead.push(name)
        continue
      }
      above.push(at)
      at = { node, stat }
    }
    return at
  }

  /** Returns an entry of a directory, with `/etc` where it is shown. */
  async #step(directory: N, path: string, name: string): Promise<N | undefined> {
    const found = await this.child(directory, name)
    if (found !== undefined || !this.#deployed || name !== 'etc') return found
    if (path === '/') return this.#usrEtc()
    return path === '/usr' ? this.child(this.root(), 'etc') : undefined
  }

  async #usrEtc(): Promise<N | undefined> {
    const usr = await this.child(this.root(), 'usr')
    if (usr === undefined || (await this.describe(usr)).kind !== 'directory') return undefined
    return this.child(usr, 'etc')
  }

  /** Lists a directory by name, with `/etc` where it is shown. */
  async #shown(directory: N, path: string): Promise<(readonly [name: string, N])[]> {
    let entries = [...(await this.children(directory))]
    if (this.#deployed && (path === '/' || path === '/usr')) {
      const own = path === '/' ? entries.some(([name]) => name === 'etc') : await this.child(this.root(), 'etc')
      if (path === '/usr' && !own) entries = entries.filter(([name]) => name !== 'etc')
      const moved = path === '/' && !own ? await this.#usrEtc() : undefined
      if (moved !== undefined) entries.push(['etc', moved])
    }
    return entries.sort(([a], [b]) => compareUtf8(a, b))
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

/** Compares paths in the order of `walk`, in which everything below a directory follows it at once. */
function comparePaths(a: string, b: string): number {
  const [left, right] = [namesOf(a), namesOf(b)]
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = compareUtf8(left[i] as string, right[i] as string)
    if (order !== 0) return order
  }
  return left.length - right.length
}

async function sameEntry(one: FileTree, a: FileStat, other: FileTree, b: FileStat): Promise<boolean> {
  if (a.checksum !== undefined && b.checksum !== undefined) return a.checksum === b.checksum
  if (a.kind !== b.kind || a.permissions !== b.permissions || a.uid !== b.uid || a.gid !== b.gid) return false
  if (a.size !== b.size || a.target !== b.target || a.xattrs.length !== b.xattrs.length) return false
  const sameXattrs = a.xattrs.every(([name, value], i) => {
    const [otherName, otherValue] = b.xattrs[i] as Xattrs[number]
    return equalBytes(name, otherName) && equalBytes(value, otherValue)
  })
  if (!sameXattrs || a.kind !== 'file') return sameXattrs
  return sameContent(one.stream(a.path), other.stream(b.path))
}

async function sameContent(a: AsyncGenerator<Uint8Array>, b: AsyncGenerator<Uint8Array>): Promise<boolean> {
  let [left, right]: (Uint8Array | undefined)[] = [new Uint8Array(0), new Uint8Array(0)]
  for (;;) {
    while (left?.length === 0) left = nextOf(await a.next())
    while (right?.length === 0) right = nextOf(await b.next())
    if (left === undefined || right === undefined) return left === right
    const length = Math.min(left.length, right.length)
    if (!equalBytes(left.subarray(0, length), right.subarray(0, length))) {
      await Promise.all([a.return(undefined), b.return(undefined)])
      return false
    }
    left = left.subarray(length)
    right = right.subarray(length)
  }
}

function nextOf({ done, value }: IteratorResult<Uint8Array, unknown>): Uint8Array | undefined {
  return done ? undefined : (value as Uint8Array)
}
