/**
 * Reads a directory, on disk or in a repository, into a tree, and writes its files.
 *
 * Source: ostree-repo-commit.c, write_dfd_iter_to_mtree_internal and write_content_to_mtree_internal.
 */

import { type Checksum, type Content, compareUtf8, EMPTY_BYTES, joinPath, type MaybePromise } from '../../bytes.ts'
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

/** An entry of a directory. */
export interface SourceEntry {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Full `st_mode`. Any type of file, including those that cannot be committed. */
  readonly mode: number
  /** Bytes of content of a regular file. */
  readonly size: number
}

/**
 * A directory to commit. Paths are relative to it, with names joined by `/`; `''` is the directory itself. Methods
 * answer synchronously if they can. Methods for an entry may be called only after `list` of its directory and before
 * the next `list`.
 */
export interface DirectorySource {
  /** Its name in messages. */
  readonly location: string
  /**
   * Returns the metadata of the directory.
   * @throws {IoError} `opendir(…): …` when it is not a directory, or is a symlink
   */
  stat(): MaybePromise<SourceEntry>
  /**
   * Lists the entries of a directory, in any order.
   * @throws {InvalidNameError} when a name is not UTF-8
   * @throws {IoError} when it cannot be read, as do the methods below
   */
  list(path: string): MaybePromise<SourceEntry[]>
  /**
   * Returns extended attributes, sorted by name, without those that have an empty value.
   * @throws {UnsupportedError} when this platform cannot read them
   */
  xattrs(path: string): MaybePromise<Xattrs>
  /** Returns the target of a symlink. */
  readLink(path: string): MaybePromise<string>
  /**
   * Returns the content of a regular file: up to SMALL_FILE bytes as an array, which the next call overwrites, else as
   * a stream.
   * @param size expected bytes; a different number is an error, since the file has been changed meanwhile
   */
  read(path: string, size: number): MaybePromise<Content>
  /** Releases the resources of `list`. Called after the last entry. */
  close?(): void
  /** Returns the path of an entry in the local file system. Omitted by sources that are not local. */
  localPath?(path: string): string
  /** Returns `DEVICE:INODE` of an entry, as in `DevInoCache`. Omitted by sources without inodes. */
  identity?(path: string): string
  /** Deletes committed files, each directory after its content. Omitted by sources that cannot be consumed. */
  remove?(consumed: readonly ConsumedPath[]): void
}

/** A path to delete after the commit. Kind `skipped`: the filter skipped it, and it is deleted with all its content. */
export interface ConsumedPath {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'skipped'
}

/** How to read a directory. */
export interface OverlayDirectoryOptions extends ProgressOptions {
  /** Collects the paths to delete after the commit, by `DirectorySource.remove`; parents come first. */
  readonly consumed?: ConsumedPath[] | undefined
  /**
   * Identities of directories of earlier sources that will be deleted. They are treated as deleted already. Those of
   * this source are added.
   */
  readonly gone?: Set<string> | undefined
}

/** Bytes and files after which the writer waits for the store to catch up, and reports progress. */
const PAUSE_BYTES = 1 << 20
const PAUSE_FILES = 256
/** Pauses after which the writer also yields to the event loop. */
const PAUSES_PER_YIELD = 4

/**
 * Overlays a directory on a tree: writes its files and dirmetas to the store, and changes the tree in memory. The order
 * of its entries does not matter.
 * @throws {UsageError} `Not a regular file or symlink: …` for a file of another type; also when a file would replace a
 *   directory or a directory a file
 * @throws {IoError}, {InvalidNameError} or {UnsupportedError} as `DirectorySource` does
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

/** A directory to be written; `inode` is its metadata after the filter. */
interface Waiting {
  readonly path: string
  readonly tree: MutableTree
  readonly inode: InodeInfo
}

/** Writes the files of one source. */
class DirectoryWriter {
  readonly #tx: Transaction
  readonly #source: DirectorySource
  readonly #modifier: CommitModifier
  readonly #options: OverlayDirectoryOptions
  #files = 0
  #bytes = 0
  #pauses = 0

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

    // Sorted, so that of several errors the same one is reported, whatever the order of the disk is.
    entries.sort((a, b) => compareUtf8(a.name, b.name))
    for (const entry of entries) {
      const below = joinPath(path, entry.name)
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
        if (this.#bytes >= PAUSE_BYTES || this.#files >= PAUSE_FILES) await this.#pause()
      } else throw new UsageError(`Not a regular file or symlink: ${entry.name}`, below)
    }
  }

  /** Removes directories that count as deleted from the entries of a directory, which is then added to `gone`. */
  #withoutGone(path: string, entries: SourceEntry[]): SourceEntry[] {
    const { gone } = this.#options
    if (gone === undefined) return entries
    const isGone = (below: string): boolean => gone.has(this.#source.identity?.(below) ?? '')
    const left = entries.filter(({ name, mode }) => (mode & S_IFMT) !== S_IFDIR || !isGone(joinPath(path, name)))
    const inode = this.#source.identity?.(path)
    if (inode !== undefined) gone.add(inode)
    return left
  }

  /**
   * Queues a subdirectory. As in libostree the filter is called twice: the first call decides whether the directory is
   * added to its parent, the second one gives its metadata.
   */
  #enter(path: string, entry: SourceEntry, parent: MutableTree, waiting: Waiting[]): void {
    if (!this.#modifier.apply(`/${path}`, inodeOf(entry))) {
      this.#options.consumed?.push({ path, kind: 'skipped' })
      return
    }
    const tree = parent.ensureDir(entry.name)
    const inode = inodeOf(entry)
    if (this.#modifier.apply(`/${path}`, inode)) waiting.push({ path, tree, inode })
  }

  /** Writes a file. @returns its checksum; `undefined` when the filter skips it */
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

  /** Writes a regular file that will be deleted: if the store can, its inode is moved into the repository. */
  async #writeConsumed(path: string, entry: SourceEntry, inode: InodeInfo): Promise<Checksum> {
    const header = headerOf(inode, '', await this.#xattrs(path, inode))
    const local = this.#source.localPath?.(path)
    const linked = local === undefined ? undefined : await this.#tx.linkFile(local, header)
    return linked ?? this.#store(header, entry, await this.#source.read(path, entry.size))
  }

  /**
   * Writes a file that may be a hard link to an object, by its inode. It is not read if the modifier does not change
   * the object's metadata.
   */
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
      // ostree writes the file again here, because it has not read its xattrs. The object exists, so only the count
      // differs.
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

  /** Waits until the store has caught up, and reports progress. */
  async #pause(): Promise<void> {
    this.#files = 0
    this.#bytes = 0
    this.#options.signal?.throwIfAborted()
    this.#report()
    await this.#tx.drained()
    if (++this.#pauses % PAUSES_PER_YIELD === 0) await yieldToEventLoop(this.#options.signal)
  }

  #report(): void {
    reportObjects(this.#tx, this.#options)
  }
}

function inodeOf({ uid, gid, mode }: Readonly<InodeInfo>): InodeInfo {
  return { uid, gid, mode }
}

function headerOf({ uid, gid, mode }: InodeInfo, target: string, xattrs: Xattrs): FileHeader {
  return { uid, gid, mode, target, xattrs }
}

/** Reports the progress of a transaction. */
export function reportObjects(tx: Transaction, { onProgress }: ProgressOptions): void {
  if (onProgress === undefined) return
  const { metadataTotal, metadataWritten, contentTotal, contentWritten, contentBytesWritten } = tx.stats
  const written = metadataWritten + contentWritten
  onProgress({ kind: 'objects', written, reused: metadataTotal + contentTotal - written, bytes: contentBytesWritten })
}
