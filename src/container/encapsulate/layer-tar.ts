/**
 * Writes the entries of a layer with OSTree objects: a small repository, and the files as hard links to its objects.
 *
 * ```
 * ./                                             the root of the tree
 * sysroot/ostree/repo/objects/00 … ff, refs, …   the repository's directories
 * sysroot/ostree/repo/config                     mode=bare-split-xattrs
 * sysroot/ostree/repo/objects/ab/cd….commit .commitmeta .dirmeta .dirtree
 * sysroot/ostree/repo/objects/ab/cd….file-xattrs-link, .file
 * usr/bin/bash                                   hard link to ….file
 * ```
 *
 * The headers are those of GNU tar, times are 0, and owners have no names. Source: ostree-ext, tar/export.rs.
 */

import { type Checksum, decodeUtf8, displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { type FileHeader, type FileInfo, isSymlink, type ObjectName, Xattrs } from '../../objects/index.ts'
import { END_OF_ARCHIVE, encodePaxHeader, HeaderBlock, paddingFor } from '../../tar/index.ts'
import type { SlabBuffer } from '../../tar/internal.ts'
import { placeName, placeTarget } from './header-names.ts'

const REPO = 'sysroot/ostree/repo'
const CONFIG = encodeUtf8('[core]\nrepo_version=1\nmode=bare-split-xattrs\n')
const SELINUX = 'security.selinux'

/** Owner and permissions of an entry. */
export interface EntryOwner {
  readonly uid: number
  readonly gid: number
  /** Mode; its type bits are ignored. */
  readonly mode: number
}

const ROOT_DIRECTORY: EntryOwner = { uid: 0, gid: 0, mode: 0o755 }
const ROOT_FILE: EntryOwner = { uid: 0, gid: 0, mode: 0o644 }
const TMP_DIRECTORY: EntryOwner = { uid: 0, gid: 0, mode: 0o1777 }

/** Writes the entries. Paths are relative; a leading `./` is written only where a header cannot hold the path. */
export class LayerTar {
  readonly #out: SlabBuffer
  /** Header blocks that are reused, because a layer has five headers for each file: for files, their paths, the others. */
  readonly #file = new HeaderBlock('gnu')
  readonly #link = new HeaderBlock('gnu')
  readonly #other = new HeaderBlock('gnu')

  constructor(out: SlabBuffer) {
    this.#out = out
  }

  /** Writes the empty repository. */
  structure(): void {
    for (const path of ['sysroot', 'sysroot/ostree', REPO, `${REPO}/objects`]) this.directory(path, ROOT_DIRECTORY)
    for (let byte = 0; byte < 256; byte++) {
      this.directory(`${REPO}/objects/${byte.toString(16).padStart(2, '0')}`, ROOT_DIRECTORY)
    }
    for (const name of STATE_DIRECTORIES) this.directory(`${REPO}/${name}`, ROOT_DIRECTORY)
    this.#smallFile(`${REPO}/config`, CONFIG)
  }

  directory(path: string, owner: EntryOwner): void {
    const block = begin(this.#other, owner)
    block.type = 'directory'
    block.size = 0
    this.#header(block, path)
  }

  /** Writes the directory for temporary files, which a system needs to start, when the tree has none. */
  varTmp(): void {
    this.directory('var/tmp', TMP_DIRECTORY)
  }

  /** Writes a commit, its detached metadata, a dirtree or a dirmeta. */
  metadata(name: ObjectName, bytes: Uint8Array): void {
    this.#smallFile(objectPath(name), bytes)
  }

  /**
   * Writes a content object without its bytes, which the caller writes after it, with `padding` behind them.
   * @returns the header block of the object, for `link`; valid until the next call
   */
  content(checksum: Checksum, { header, size }: FileInfo): HeaderBlock {
    this.#smallFile(objectPath({ checksum, type: 'file-xattrs-link' }), xattrBytes(header))
    this.#paxXattrs(header)
    const block = begin(this.#file, header)
    this.#body(block, objectPath({ checksum, type: 'file' }), header, size)
    return block
  }

  /**
   * Writes the path of a content object in the tree, as a hard link. An empty file is written as a file.
   * @param start the block that `content` returned, or a new one of `headerOf`. It is not changed: each path of an object
   *   starts from it. The rest of the object's name, which is longer than the path, becomes part of the bytes.
   */
  link(start: HeaderBlock, path: string, checksum: Checksum, { header, size }: FileInfo): void {
    const block = this.#link
    block.copyFrom(start)
    const isEmpty = size === 0 && !isSymlink(header)
    block.type = isEmpty ? 'file' : 'hardlink'
    block.size = 0
    const long = placeName(block, path)
    if (!isEmpty) block.linkName = encodeUtf8(objectPath({ checksum, type: 'file' }))
    this.#out.put(long)
    this.#out.put(block.sealed())
  }

  /** Writes an ordinary file with its xattrs, without its bytes and `padding`, which the caller writes. */
  plainFile(path: string, { header, size }: FileInfo): void {
    this.#paxXattrs(header)
    this.#body(begin(this.#file, header), path, header, size)
  }

  padding(size: number): void {
    this.#out.put(paddingFor(size))
  }

  end(): void {
    this.#out.put(END_OF_ARCHIVE)
  }

  #body(block: HeaderBlock, path: string, header: FileHeader, size: number): void {
    block.size = size
    block.type = isSymlink(header) ? 'symlink' : 'file'
    this.#out.put(placeName(block, path))
    if (isSymlink(header)) this.#out.put(placeTarget(block, header.target))
    this.#out.put(block.sealed())
  }

  #smallFile(path: string, bytes: Uint8Array): void {
    const block = begin(this.#other, ROOT_FILE)
    block.type = 'file'
    block.size = bytes.length
    this.#header(block, path)
    this.#out.put(bytes)
    this.padding(bytes.length)
  }

  #header(block: HeaderBlock, path: string): void {
    this.#out.put(placeName(block, path))
    this.#out.put(block.sealed())
  }

  /** Writes xattrs for programs that unpack the layer, but not the SELinux label. */
  #paxXattrs({ xattrs }: FileHeader): void {
    if (xattrs.length === 0) return
    const records: [string, Uint8Array][] = []
    for (const [name, value] of xattrs) {
      const text = decodeUtf8(name)
      if (text === undefined) throw new FormatError('xattr', `Invalid UTF-8 xattr name: ${displayUtf8(name)}`)
      if (text !== SELINUX) records.push([`SCHILY.xattr.${latin1(name)}`, value])
    }
    if (records.length > 0) this.#out.put(encodePaxHeader(records))
  }
}

const STATE_DIRECTORIES = [
  'extensions',
  'refs',
  'refs/heads',
  'refs/mirrors',
  'refs/remotes',
  'state',
  'tmp',
  'tmp/cache',
]

/** Returns a new header block. */
export function headerOf(owner: EntryOwner): HeaderBlock {
  return begin(new HeaderBlock('gnu'), owner)
}

function begin(block: HeaderBlock, { uid, gid, mode }: EntryOwner): HeaderBlock {
  block.clear()
  block.mode = mode & 0o7777
  block.uid = uid
  block.gid = gid
  return block
}

/** Maps `usr/etc` of a commit to `etc` of a system. @param path relative, with or without a leading `./` */
export function mapPath(path: string): string {
  const dot = path.startsWith('./') ? './' : ''
  const rest = path.slice(dot.length)
  if (rest !== 'usr/etc' && !rest.startsWith('usr/etc/')) return path
  return `${dot}${rest.slice('usr/'.length)}`
}

/** Reverts `mapPath`, to look a path up in the commit. Absolute paths are not changed. */
export function unmapPath(path: string): string {
  return path === 'etc' || path.startsWith('etc/') ? `usr/${path}` : path
}

function objectPath({ checksum, type }: ObjectName): string {
  return `${REPO}/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}`
}

function xattrBytes({ xattrs }: FileHeader): Uint8Array {
  return xattrs.length === 0 ? EMPTY_BYTES : Xattrs.encode(xattrs)
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
