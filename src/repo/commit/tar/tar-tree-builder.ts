/**
 * Builds a tree of the entries of a tar stream, by libostree's rules.
 *
 * Each entry is handled synchronously: its name is decoded once, its parent is found in a map, and its body is passed to
 * the store as the parser's own view. When the store answers with a promise, a placeholder is put into the tree until
 * the promise has resolved.
 *
 * Owners are taken modulo 2^32, as by libostree, which stores 32 bits of them.
 *
 * Hard links are added at the end of the stream: each gets the file that its target is then, and replaces what has its
 * name.
 *
 * Source: ostree-repo-libarchive.c, ostree_repo_import_archive_to_mtree.
 */

import { type Checksum, EMPTY_BYTES, type MaybePromise, SMALL_FILE } from '../../../bytes.ts'
import { UsageError, withContext } from '../../../errors.ts'
import { DirMeta, type FileHeader, S_IFDIR, S_IFLNK, S_IFREG, sortXattrs, type Xattrs } from '../../../objects/index.ts'
import type { FeedOptions, TarHeader, TarSink } from '../../../tar/index.ts'
import type { FileSink, Transaction } from '../../core/interface.ts'
import { MutableTree } from '../../core/tree.ts'
import type { Repo } from '../../repo.ts'
import { CommitModifier, type InodeInfo } from '../modifier.ts'
import { permissionsOf } from './acl.ts'
import { kindOf } from './entry-kind.ts'
import { DeferredLinks, tarFault } from './links.ts'
import { decodeTarName, detached, relativeTarPath, splitTarPath, withoutTrailingSlashes } from './path.ts'
import { PromisedChecksums } from './promised-checksums.ts'
import { TarWhiteouts } from './whiteouts.ts'
import { NO_XATTRS, xattrsFromPax } from './xattrs.ts'

/** File headers kept for reuse. */
const MAX_KNOWN_HEADERS = 1 << 12
/** Directories kept by their path. */
const MAX_KNOWN_PARENTS = 1 << 14
/** Code units; directories with a longer path are not kept. */
const LONGEST_KNOWN_PARENT = 4096

/** How the entries of an archive become a tree. */
export interface TarInputOptions extends Pick<FeedOptions, 'stopAtEnd'> {
  /** Create missing parent directories, with mode 0755 and the owner of the entry. Else a missing one is an error. */
  readonly autocreateParents?: boolean | undefined
  /** Returns another path for an entry or for the target of a hard link. Paths have no leading slash. */
  readonly rename?: ((path: string) => string) | undefined
  /** Bytes of memory for hard links until the end of the archive. Default MAX_LINK_MEMORY. */
  readonly maxLinkMemory?: number | undefined
  /**
   * Prefix of the names of whiteouts. Whiteouts below a file of the same archive are then left out; without a prefix
   * they are an error, as in libostree.
   */
  readonly whiteoutPrefix?: string | undefined
  /**
   * Let an entry replace an earlier one of another type at its path, as when a program extracts the archive: a file or a
   * link replaces a directory with all that is in it, and a directory replaces a file. Else they are an error.
   */
  readonly lastEntryWins?: boolean | undefined
}

/** Where the tree of an archive begins, and what changes its entries. */
export interface TarTreeOptions extends TarInputOptions {
  readonly modifier?: CommitModifier | undefined
  /** Tree that the entries are added to, read to its leaves (`loadAll`). Default: an empty one. */
  readonly into?: MutableTree | undefined
}

/** The directory of the tree that an entry goes into, and its name there. */
interface EntryPlace {
  readonly tree: MutableTree
  readonly name: string
}

/** Builds a tree of the entries that a parser calls it with; files and dirmetas are written to a transaction. */
export class TarTreeBuilder implements TarSink {
  readonly tree: MutableTree
  readonly #tx: Transaction
  readonly #modifier: CommitModifier
  readonly #autocreate: boolean
  readonly #lastWins: boolean
  readonly #rename: ((path: string) => string) | undefined
  readonly #links: DeferredLinks
  readonly #whiteouts: TarWhiteouts | undefined
  /** Directories by their path as entries spell it. */
  readonly #parents = new Map<string, MutableTree>()
  readonly #headers = new Map<number, FileHeader>()
  readonly #promised = new PromisedChecksums()

  // The current entry, whose body is being read.
  #header: TarHeader | undefined
  #place: EntryPlace | undefined
  #file: FileHeader | undefined
  #gathered = 0
  #scratch: Uint8Array = EMPTY_BYTES
  #sink: FileSink | undefined
  #written = false

  /** @param tx has to copy or use a body before `writeFile` returns: it is a view into the parser's input */
  constructor(repo: Pick<Repo, 'mode' | 'settings'>, tx: Transaction, options: TarTreeOptions = {}) {
    this.tree = options.into ?? new MutableTree()
    this.#tx = tx
    this.#modifier = options.modifier ?? new CommitModifier(repo)
    this.#autocreate = options.autocreateParents === true
    this.#lastWins = options.lastEntryWins === true
    this.#rename = options.rename
    this.#links = new DeferredLinks(this.tree, options.maxLinkMemory)
    const { whiteoutPrefix } = options
    this.#whiteouts =
      whiteoutPrefix === undefined ? undefined : new TarWhiteouts(this.tree, whiteoutPrefix, this.#links)
  }

  /** Begins an entry. @throws {TarFormatError} when its name, its type or its place in the tree is not accepted */
  entry(header: TarHeader): void {
    this.#header = header
    this.#place = undefined
    this.#file = undefined
    this.#gathered = 0
    this.#written = false
    try {
      this.#begin(header)
    } catch (error) {
      throw this.#fault(error)
    }
  }

  /**
   * Adds a file that is stored already, at the path of an entry without its body. `entry`, `data` and `end` are not
   * called for it.
   * @param header as `entry` takes it; owner, mode and attributes of the stored file are not compared with it
   * @throws {TarFormatError} as `entry`
   */
  placeFile(header: TarHeader, checksum: MaybePromise<Checksum>): void {
    this.entry(header)
    if (this.#file === undefined) return
    this.#file = undefined
    try {
      this.#store(checksum)
    } catch (error) {
      throw this.#fault(error)
    }
  }

  data(bytes: Uint8Array): void {
    const file = this.#file
    if (file === undefined) return
    const size = (this.#header as TarHeader).size
    try {
      if (size <= SMALL_FILE) this.#gather(file, size, bytes)
      else {
        this.#sink ??= this.#tx.openFile(file, size)
        this.#sink.write(bytes)
      }
    } catch (error) {
      throw this.#fault(error)
    }
  }

  end(): void {
    const file = this.#file
    if (file === undefined) return
    try {
      if (this.#sink !== undefined) {
        const sink = this.#sink
        this.#store(sink.finish())
        this.#sink = undefined
      } else if (!this.#written) {
        // There was no body: an empty file or a symbolic link.
        this.#write(file, EMPTY_BYTES)
      }
    } catch (error) {
      throw this.#fault(error)
    }
    this.#file = undefined
  }

  /**
   * Returns `undefined` when more entries can be taken, else a promise to wait for before the next chunk of the archive
   * is parsed. To be asked once a chunk.
   */
  drained(): Promise<void> | undefined {
    const store = this.#tx.drained()
    return this.#promised.isSettled ? store : this.#settleAll(store)
  }

  /**
   * Ends the archive; to be called once.
   * @returns the tree with its hard links; its dirtrees are not written
   * @throws {TarFormatError} when the target of a hard link is missing
   */
  async finish(): Promise<MutableTree> {
    await this.#settleAll(this.#tx.drained())
    this.#whiteouts?.giveWayToLinks()
    this.#links.resolve()
    if (this.#autocreate && this.tree.meta === undefined) {
      const inode = { uid: 0, gid: 0, mode: S_IFDIR | 0o755 }
      this.#modifier.apply('/', inode)
      this.#setMeta([this.tree], inode, this.#modifier.labelInArchive('/', inode, NO_XATTRS))
      await this.#settleAll(undefined)
    }
    return this.tree
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#sink?.abort()
    this.#sink = undefined
    this.#file = undefined
    this.#promised.abandon()
  }

  #begin(header: TarHeader): void {
    const kind = kindOf(header)
    if (kind === 'ignored') return
    if (header.path.length === 0) throw new UsageError('Archive entry has no pathname')
    const path = withoutTrailingSlashes(this.#finalPath(decodeTarName(header.path, 'pathname')))
    const isLink = header.type === 'hardlink'
    const type = kind === 'directory' ? S_IFDIR : kind === 'symlink' ? S_IFLNK : S_IFREG
    const inode = { uid: header.uid >>> 0, gid: header.gid >>> 0, mode: type | permissionsOf(header) }
    if (!this.#modifier.isIdentity && !this.#modifier.apply(`/${path}`, inode)) return

    if (kind === 'file' && this.#whiteouts?.isMoot(path)) return
    const place = this.#locate(path, header)
    if (kind === 'unsupported' || (isLink && header.linkPath.length === 0)) {
      throw new UsageError(`Unsupported file type for path "${path}"`, path)
    }
    if (kind === 'directory') {
      // The entry is that of the root, or of a directory that an earlier entry created.
      if (this.#lastWins && place !== undefined) this.#links.makeRoom(place.tree, place.name, 'directory')
      const directory = place === undefined ? this.tree : this.#ensureDir(place)
      this.#setMeta([directory], inode, this.#xattrs(header, path, inode))
      return
    }
    const { tree, name } = place ?? { tree: this.tree, name: '' }
    if (this.#lastWins && this.#links.makeRoom(tree, name, isLink ? 'link' : 'file')) this.#parents.clear()
    if (isLink) {
      const target = this.#finalPath(decodeTarName(header.linkPath, 'linkname'))
      // A target that leads out of the tree is refused at once.
      splitTarPath(target)
      this.#links.add({ tree, name, target, path, offset: header.offset })
      if (header.size === 0) return
    }
    if (!this.#lastWins && tree.dirs.size > 0 && this.#whiteouts?.giveWay(tree, name)) this.#parents.clear()
    this.#place = { tree, name }
    this.#file = this.#fileHeader(header, inode, this.#xattrs(header, path, inode))
  }

  #finalPath(written: string): string {
    const path = relativeTarPath(written)
    return this.#rename === undefined ? path : this.#rename(path)
  }

  /** Finds the directory of a path and the name in it. @returns `undefined` for the root itself */
  #locate(path: string, header: TarHeader): EntryPlace | undefined {
    if (path === '') return undefined
    const slash = path.lastIndexOf('/')
    if (slash < 0) return { tree: this.tree, name: path }
    const parentPath = path.slice(0, slash)
    let tree = this.#parents.get(parentPath)
    if (tree === undefined) {
      tree = this.#findParent(splitTarPath(parentPath), header)
      if (this.#parents.size >= MAX_KNOWN_PARENTS) this.#parents.clear()
      if (parentPath.length <= LONGEST_KNOWN_PARENT) this.#parents.set(parentPath, tree)
    }
    return { tree, name: detached(path.slice(slash + 1), path) }
  }

  #findParent(names: readonly string[], header: TarHeader): MutableTree {
    let tree: MutableTree = this.tree
    for (const name of names) {
      const child = tree.dirs.get(name)
      if (child === undefined) {
        if (tree.files.has(name)) throw new UsageError(`Can't replace file with directory: ${name}`, name)
        if (this.#autocreate) return this.#createParents(names, header)
        throw new UsageError(`No such file or directory: ${name}`, name)
      }
      tree = child
    }
    return tree
  }

  /** Creates the missing parents. Every directory from the root down gets new metadata, as in libostree. */
  #createParents(names: readonly string[], { uid, gid }: TarHeader): MutableTree {
    const inode = { uid: uid >>> 0, gid: gid >>> 0, mode: S_IFDIR | 0o755 }
    const trees = [this.tree]
    let tree = this.tree
    for (const name of names) {
      tree = tree.ensureDir(name)
      trees.push(tree)
    }
    if (this.#modifier.sePolicy === undefined) this.#setMeta(trees, inode, NO_XATTRS)
    else {
      for (const [depth, each] of trees.entries()) {
        this.#setMeta(
          [each],
          inode,
          this.#modifier.labelInArchive(`/${names.slice(0, depth).join('/')}`, inode, NO_XATTRS),
        )
      }
    }
    return tree
  }

  #ensureDir({ tree, name }: EntryPlace): MutableTree {
    try {
      return tree.ensureDir(name)
    } catch (error) {
      throw withContext('ostree-tar: Failed to handle directory', error)
    }
  }

  #xattrs(header: TarHeader, path: string, inode: InodeInfo): Xattrs {
    const found = this.#foundXattrs(header, path, inode)
    return this.#modifier.sePolicy === undefined ? found : this.#modifier.labelInArchive(`/${path}`, inode, found)
  }

  #foundXattrs(header: TarHeader, path: string, inode: InodeInfo): Xattrs {
    if (this.#modifier.skipTarXattrs) return NO_XATTRS
    if (this.#modifier.xattrCallback !== undefined) return sortXattrs(this.#modifier.xattrCallback(`/${path}`, inode))
    return xattrsFromPax(header.pax)
  }

  #setMeta(trees: readonly MutableTree[], { uid, gid, mode }: InodeInfo, xattrs: Xattrs): void {
    const written = this.#tx.writeMeta('dirmeta', DirMeta.encode({ uid, gid, mode, xattrs }))
    if (!(written instanceof Promise)) {
      for (const tree of trees) tree.setMeta(written)
      return
    }
    const placeholder = this.#promised.placeholder()
    for (const tree of trees) tree.setMeta(placeholder)
    this.#promised.add(written, (checksum) => {
      for (const tree of trees) if (tree.meta === placeholder) tree.setMeta(checksum)
    })
  }

  /** Returns one and the same object for equal headers: stores reuse the encoded bytes of a header they have seen. */
  #fileHeader(header: TarHeader, { uid, gid, mode }: InodeInfo, xattrs: Xattrs): FileHeader {
    if (header.type === 'symlink') {
      const target = decodeTarName(header.linkPath, 'symlink target')
      if (target === '') throw new UsageError('Symlink entry has no target')
      return { uid, gid, mode, target, xattrs }
    }
    if (xattrs.length > 0) return { uid, gid, mode, target: '', xattrs }
    // uid and gid below 2^17 fit beside the mode into 53 bits; larger ones are rare.
    if (uid >= 0x20000 || gid >= 0x20000) return { uid, gid, mode, target: '', xattrs }
    const key = (uid * 0x20000 + gid) * 0x10000 + mode
    let known = this.#headers.get(key)
    if (known === undefined) {
      known = { uid, gid, mode, target: '', xattrs: NO_XATTRS }
      if (this.#headers.size >= MAX_KNOWN_HEADERS) this.#headers.clear()
      this.#headers.set(key, known)
    }
    return known
  }

  /** Writes a small body: as it is when it comes in one piece, else joined in one buffer that is reused. */
  #gather(file: FileHeader, size: number, bytes: Uint8Array): void {
    if (bytes.length === size) {
      this.#write(file, bytes)
      return
    }
    if (this.#scratch.length === 0) this.#scratch = new Uint8Array(SMALL_FILE)
    this.#scratch.set(bytes, this.#gathered)
    this.#gathered += bytes.length
    if (this.#gathered === size) this.#write(file, this.#scratch.subarray(0, size))
  }

  #write(header: FileHeader, body: Uint8Array): void {
    this.#written = true
    this.#store(this.#tx.writeFile({ header, size: body.length, body }))
  }

  #store(written: MaybePromise<Checksum>): void {
    const { tree, name } = this.#place as EntryPlace
    try {
      if (!(written instanceof Promise)) {
        tree.replaceFile(name, written)
        return
      }
      const placeholder = this.#promised.placeholder()
      // Before the tree is changed: if it rejects the name, the result of the write must still be awaited.
      this.#promised.add(written, (checksum) => {
        if (tree.files.get(name) === placeholder) tree.replaceFile(name, checksum)
      })
      tree.replaceFile(name, placeholder)
    } catch (error) {
      throw withContext('ostree-tar: Failed to handle file: ostree-tar: Failed to import file', error)
    }
  }

  async #settleAll(store: Promise<void> | undefined): Promise<void> {
    await this.#promised.settleAll()
    await store
  }

  /** Turns an error about a name or a tree into one about the archive. */
  #fault(error: unknown): unknown {
    const { offset, path } = this.#header as TarHeader
    return tarFault(error, offset, path)
  }
}
