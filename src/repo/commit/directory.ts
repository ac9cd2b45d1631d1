/**
 * From a directory, on a disk or in a repository, to a tree.
 *
 * Source: ostree-repo-commit.c, write_dfd_iter_to_mtree_internal and write_content_to_mtree_internal.
 */

import { type Checksum, type Content, compareUtf8, EMPTY_BYTES, type MaybePromise } from '../../bytes.ts'
import { IoError, UsageError } from '../../errors.ts'
import {
  DirMeta,
  type FileHeader,
  NO_XATTRS,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  sortXattrs,
  type Xattrs,
  xattrsEqual,
} from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { Transaction } from '../core/interface.ts'
import type { MutableTree } from '../core/tree.ts'
import { yieldToEventLoop } from '../core/yield-to-event-loop.ts'
import type { CommitModifier, InodeInfo } from './modifier.ts'

export interface SourceEntry {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Full st_mode; any type, also those that cannot be committed. */
  readonly mode: number
  /** Bytes of content of a regular file. */
  readonly size: number
}

/**
 * A directory to commit. Paths are relative to it, '' itself, parts joined by `/`. Answers at once where it can. What
 * is asked about a directory or its entries is asked between its `list` and the next.
 */
export interface DirectorySource {
  /** What messages call it. */
  readonly location: string
  /** The directory itself. @throws {IoError} `opendir(…): …` when it is none, or a symbolic link */
  stat(): MaybePromise<SourceEntry>
  /** In any order. @throws {InvalidNameError} on a name that is no UTF-8; {IoError}, as do all below */
  list(path: string): MaybePromise<SourceEntry[]>
  /** Sorted; those with an empty value left out. @throws {UnsupportedError} where they cannot be read */
  xattrs(path: string): MaybePromise<Xattrs>
  readLink(path: string): MaybePromise<string>
  /**
   * All content of a regular file: one array up to SMALL_FILE, overwritten by the next call, and a stream above.
   * @param size bytes expected: other than these, and the file changed meanwhile, which is an error
   */
  read(path: string, size: number): MaybePromise<Content>
  /** Gives back what `list` took; called when all is read. */
  close?(): void
  /** Where the entry is in the local file system. Sources that are not there omit it. */
  localPath?(path: string): string
  /** Device and inode as a DevInoCache has them. Sources without inodes omit it. */
  identity?(path: string): string
  /** Deletes what was committed, contents before their directory. Sources that cannot be consumed omit it. */
  remove?(consumed: readonly ConsumedPath[]): void
}

/** `skipped` were left out by the filter: all below them goes as well. */
export interface ConsumedPath {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'skipped'
}

export interface OverlayDirectoryOptions extends ProgressOptions {
  /** Gathers what was met, parents first, for `DirectorySource.remove` once all is committed. */
  readonly consumed?: ConsumedPath[] | undefined
  /** Inodes of directories that sources before this one will be rid of: they count as not there. Its own are added. */
  readonly gone?: Set<string> | undefined
}

/** Content after which the store is asked whether it keeps up, and progress is told. */
const BREATH_BYTES = 1 << 20
const BREATH_FILES = 256
/** Breaths of which the last is a rest. */
const BREATHS_A_REST = 4

/**
 * Writes the files and dirmetas of a directory and lays it over a tree. The order of names makes no difference. Nothing
 * of the tree itself is written.
 * @throws {UsageError} `Not a regular file or symlink: …`, and where a file stands in the way of a directory or reverse
 */
export async function overlayDirectory(
  tx: Transaction,
  onto: MutableTree,
  source: DirectorySource,
  modifier: CommitModifier,
  options: OverlayDirectoryOptions = {},
): Promise<void> {
  const top = await source.stat()
  const inode = options.gone === undefined ? undefined : source.identity?.('')
  if (inode !== undefined && options.gone?.has(inode)) {
    throw new IoError(`opendir(${source.location}): No such file or directory`, 'ENOENT', source.location)
  }
  const root = inodeOf(top)
  if (!modifier.apply('/', root)) return
  try {
    await new DirectoryWriter(tx, source, modifier, options).write(onto, root)
  } finally {
    source.close?.()
  }
}

/** A directory whose turn is still to come; `inode` as its own filter call left it. */
interface Waiting {
  readonly path: string
  readonly tree: MutableTree
  readonly inode: InodeInfo
}

class DirectoryWriter {
  readonly #tx: Transaction
  readonly #source: DirectorySource
  readonly #modifier: CommitModifier
  readonly #options: OverlayDirectoryOptions
  #files = 0
  #bytes = 0
  #breaths = 0

  constructor(tx: Transaction, source: DirectorySource, modifier: CommitModifier, options: OverlayDirectoryOptions) {
    this.#tx = tx
    this.#source = source
    this.#modifier = modifier
    this.#options = options
  }

  async write(tree: MutableTree, inode: InodeInfo): Promise<void> {
    const waiting: Waiting[] = [{ path: '', tree, inode }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.#options.signal?.throwIfAborted()
      await this.#writeDirectory(next, waiting)
    }
    this.#report()
  }

  async #writeDirectory(directory: Waiting, waiting: Waiting[]): Promise<void> {
    const { path, tree, inode } = directory
    if (!tree.loaded) await tree.load()
    const listed = this.#source.list(path)
    const entries = this.#withoutGone(path, listed instanceof Promise ? await listed : listed)
    const { uid, gid, mode } = inode
    const found = this.#xattrs(path, inode)
    const xattrs = found instanceof Promise ? await found : found
    const meta = this.#tx.writeMeta('dirmeta', DirMeta.encode({ uid, gid, mode, xattrs }))
    tree.setMeta(meta instanceof Promise ? await meta : meta)
    this.#options.consumed?.push({ path, kind: 'directory' })

    // In byte order whatever the disk gives, so that of several faults the same one is told.
    entries.sort((a, b) => compareUtf8(a.name, b.name))
    for (const entry of entries) {
      const below = join(path, entry.name)
      const type = entry.mode & S_IFMT
      if (type === S_IFDIR) this.#enter(below, entry, tree, waiting)
      else if (type === S_IFREG || type === S_IFLNK) {
        const written = this.#writeFile(below, entry)
        const checksum = written instanceof Promise ? await written : written
        if (checksum === undefined) continue
        tree.replaceFile(entry.name, checksum)
        this.#options.consumed?.push({ path: below, kind: 'file' })
        this.#files++
        this.#bytes += entry.size
        if (this.#bytes >= BREATH_BYTES || this.#files >= BREATH_FILES) await this.#breathe()
      } else throw new UsageError(`Not a regular file or symlink: ${entry.name}`, below)
    }
  }

  #withoutGone(path: string, entries: SourceEntry[]): SourceEntry[] {
    const { gone } = this.#options
    if (gone === undefined) return entries
    const isGone = (below: string): boolean => gone.has(this.#source.identity?.(below) ?? '')
    const left = entries.filter(({ name, mode }) => (mode & S_IFMT) !== S_IFDIR || !isGone(join(path, name)))
    const inode = this.#source.identity?.(path)
    if (inode !== undefined) gone.add(inode)
    return left
  }

  /** The filter is asked twice, of which the first answer alone decides, and the second alone is stored. */
  #enter(path: string, entry: SourceEntry, parent: MutableTree, waiting: Waiting[]): void {
    if (!this.#modifier.apply(`/${path}`, inodeOf(entry))) {
      this.#options.consumed?.push({ path, kind: 'skipped' })
      return
    }
    const tree = parent.ensureDir(entry.name)
    const inode = inodeOf(entry)
    if (this.#modifier.apply(`/${path}`, inode)) waiting.push({ path, tree, inode })
  }

  /** @returns `undefined` when the filter leaves it out */
  #writeFile(path: string, entry: SourceEntry): MaybePromise<Checksum | undefined> {
    if (this.#modifier.devino !== undefined) return this.#writeKnown(path, entry, this.#modifier.devino)
    return this.#writeUnknown(path, entry, inodeOf(entry))
  }

  #writeUnknown(path: string, entry: SourceEntry, inode: InodeInfo): MaybePromise<Checksum | undefined> {
    if (!this.#modifier.apply(`/${path}`, inode)) {
      this.#options.consumed?.push({ path, kind: 'skipped' })
      return undefined
    }
    if (this.#options.consumed !== undefined && (entry.mode & S_IFMT) === S_IFREG) {
      return this.#writeConsumed(path, entry, inode)
    }
    const xattrs = this.#xattrs(path, inode)
    const isLink = (entry.mode & S_IFMT) === S_IFLNK
    const target = isLink ? this.#source.readLink(path) : ''
    const body = isLink ? EMPTY_BYTES : this.#source.read(path, entry.size)
    if (xattrs instanceof Promise || target instanceof Promise || body instanceof Promise) {
      return Promise.all([xattrs, target, body]).then(([x, t, b]) => this.#store(headerOf(inode, t, x), entry, b))
    }
    return this.#store(headerOf(inode, target, xattrs), entry, body)
  }

  /** A regular file that is to go anyway: its inode becomes the object where it can. */
  async #writeConsumed(path: string, entry: SourceEntry, inode: InodeInfo): Promise<Checksum> {
    const header = headerOf(inode, '', await this.#xattrs(path, inode))
    const local = this.#source.localPath?.(path)
    const linked = local === undefined ? undefined : await this.#tx.linkFile(local, header)
    return linked ?? this.#store(header, entry, await this.#source.read(path, entry.size))
  }

  /** A file that may be a checkout of an object: that object it is while its metadata stays as the object has it. */
  async #writeKnown(
    path: string,
    entry: SourceEntry,
    devino: ReadonlyMap<string, Checksum>,
  ): Promise<Checksum | undefined> {
    const identity = this.#source.identity?.(path)
    const known = identity === undefined ? undefined : devino.get(identity)
    if (known === undefined) return this.#writeUnknown(path, entry, inodeOf(entry))
    if (this.#modifier.devinoCanonical) return this.#reuse(known)
    const { header } = await this.#tx.statFile(known)
    const inode = inodeOf(header)
    if (!this.#modifier.apply(`/${path}`, inode)) {
      this.#options.consumed?.push({ path, kind: 'skipped' })
      return undefined
    }
    const { skipXattrs, xattrCallback } = this.#modifier
    const found = xattrCallback?.(`/${path}`, inode) ?? (skipXattrs ? NO_XATTRS : header.xattrs)
    const xattrs = this.#modifier.label(`/${path}`, inode, found)
    const { uid, gid, mode } = inode
    const same = uid === header.uid && gid === header.gid && mode === header.mode
    if (same && xattrsEqual(xattrs, header.xattrs)) {
      if (!skipXattrs) return this.#reuse(known)
      // ostree writes it again, for it has not looked whether it had any; it is there, so all that shows is a number.
      this.#tx.stats.contentTotal++
      return known
    }
    const body = header.target === '' ? await this.#source.read(path, entry.size) : EMPTY_BYTES
    return this.#store(headerOf(inode, header.target, xattrs), entry, body)
  }

  #reuse(checksum: Checksum): Checksum {
    this.#tx.stats.contentCacheHits++
    return checksum
  }

  #store(header: FileHeader, entry: SourceEntry, body: Content): MaybePromise<Checksum> {
    return this.#tx.writeFile({ header, size: (header.mode & S_IFMT) === S_IFLNK ? 0 : entry.size, body })
  }

  #xattrs(path: string, inode: InodeInfo): MaybePromise<Xattrs> {
    const found = this.#foundXattrs(path, inode)
    if (this.#modifier.sePolicy === undefined) return found
    if (!(found instanceof Promise)) return this.#modifier.label(`/${path}`, inode, found)
    return found.then((xattrs) => this.#modifier.label(`/${path}`, inode, xattrs))
  }

  #foundXattrs(path: string, inode: InodeInfo): MaybePromise<Xattrs> {
    const { skipXattrs, xattrCallback } = this.#modifier
    if (xattrCallback !== undefined) return sortXattrs(xattrCallback(`/${path}`, inode))
    return skipXattrs ? NO_XATTRS : this.#source.xattrs(path)
  }

  async #breathe(): Promise<void> {
    this.#files = 0
    this.#bytes = 0
    this.#options.signal?.throwIfAborted()
    this.#report()
    await this.#tx.drained()
    if (++this.#breaths % BREATHS_A_REST === 0) await yieldToEventLoop(this.#options.signal)
  }

  #report(): void {
    reportObjects(this.#tx, this.#options)
  }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`
}

function inodeOf({ uid, gid, mode }: Readonly<InodeInfo>): InodeInfo {
  return { uid, gid, mode }
}

function headerOf({ uid, gid, mode }: InodeInfo, target: string, xattrs: Xattrs): FileHeader {
  return { uid, gid, mode, target, xattrs }
}

/** Tells a listener how far a transaction is. */
export function reportObjects(tx: Transaction, { onProgress }: ProgressOptions): void {
  if (onProgress === undefined) return
  const { metadataTotal, metadataWritten, contentTotal, contentWritten, contentBytesWritten } = tx.stats
  const written = metadataWritten + contentWritten
  onProgress({ kind: 'objects', written, reused: metadataTotal + contentTotal - written, bytes: contentBytesWritten })
}
