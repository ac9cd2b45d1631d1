/**
 * Writes an unpacked image into a directory. Places come from the tree of the image (container/unpack/root-tree.ts), which
 * knows every link: names are looked up in open directories, so that no link is followed, whatever another process does
 * meanwhile.
 *
 * A directory is private until everything in it has been made. It then gets its metadata, children first, so that its
 * time is not changed again.
 *
 * Source: umoci 0.4.7, for what a user without privileges gets (`umoci unpack --rootless`): an empty file in place of a
 * device, and owners in the attribute `user.rootlesscontainers` (github.com/rootless-containers/proto).
 */

import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { Directory, type Inode, type RootMetadata, type RootWriter } from '../container/internal.ts'
import { IoError } from '../errors.ts'
import { errnoOf, errnoText, ioError, withIo } from '../system/errno.ts'
import { CREATE_FLAGS, fileTime, writeAll } from '../system/file-io.ts'
import { loadNative } from '../system/native.ts'
import { loadLinkCalls } from '../system/native-link.ts'
import { type FileName, OpenDirectory } from '../system/open-directory.ts'
import { fsPath } from '../system/raw-path.ts'

/** Directories that are kept open. */
const OPEN_DIRECTORIES = 64
/** Permissions of a directory until it is complete. */
const PRIVATE = 0o700
const TYPES = { char: constants.S_IFCHR, block: constants.S_IFBLK, fifo: constants.S_IFIFO } as const
/** Attributes that belong to the machine, not to the image. umoci leaves them out too. */
const MACHINE_XATTRS: ReadonlySet<string> = new Set(['security.selinux', 'system.nfs4_acl'])
const ROOTLESS_XATTR = 'user.rootlesscontainers'
/** Content of a pipe that was not made. */
const NOT_THERE = Symbol('not there')
/** Reasons why an attribute or a device cannot be made here, though the image is right. */
const NOT_POSSIBLE: readonly (string | undefined)[] = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP']
/** Reasons why a file cannot be linked, but can be copied. */
const NO_LINK: readonly (string | undefined)[] = [
  ...NOT_POSSIBLE,
  'EXDEV',
  'EMLINK',
  'EINVAL',
  'ENOSYS',
  'ENOTTY',
  'EOPNOTSUPP',
]
const REFLINK: number = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE
const latin1 = new TextDecoder('latin1')

/** Numbers of entries that are not as in the image, because the process or the file system could not make them so. */
export interface NotMade {
  /** Entries with another owner than in the image. */
  owners: number
  /** Devices, in whose place there is an empty file, and pipes, in whose place there is nothing. */
  devices: number
  /** Extended attributes, also those of the machine, such as SELinux labels, which are never set. */
  xattrs: number
}

export class DirectoryWriter implements RootWriter {
  readonly notMade: NotMade = { owners: 0, devices: 0, xattrs: 0 }
  readonly #rootless: boolean
  readonly #native = loadNative()
  readonly #calls = loadLinkCalls()
  readonly #top: OpenDirectory
  readonly #opened = new Map<Directory, OpenDirectory>()
  /** Owner and umask that new files get. */
  readonly #uid: number
  readonly #gid: number
  readonly #umask: number
  #fd = -1
  #path: FileName = ''
  /** The directory that was opened or used last. */
  #last: Directory | undefined
  #shown = ''

  /** @param path an empty directory, which becomes the root */
  constructor(path: string, rootless: boolean) {
    this.#rootless = rootless
    this.#top = OpenDirectory.at(path)
    const probe = this.#top.path('.probe')
    const fd = withIo(path, () => openSync(probe, CREATE_FLAGS, 0o777))
    const { mode, uid, gid } = fstatSync(fd)
    closeSync(fd)
    unlinkSync(probe)
    this.#umask = 0o777 & ~mode
    this.#uid = uid
    this.#gid = gid
  }

  makeDirectory(directory: Directory): void {
    const parent = directory.parent as Directory
    const path = this.#place(parent, directory.name)
    this.#doing(parent, directory.name, () => mkdirSync(path, PRIVATE))
  }

  remove(parent: Directory, name: string, node: Directory | Inode): void {
    const at = this.#open(parent)
    if (node instanceof Directory) {
      for (const directory of [...this.#opened.keys()]) {
        for (let above: Directory | undefined = directory; above !== undefined; above = above.parent) {
          if (above === node) this.#close(directory)
        }
      }
      at.removeTree(fsPath(name))
    } else if (!(node.kind === 'fifo' && node.content === NOT_THERE)) {
      this.#doing(parent, name, () => unlinkSync(at.path(fsPath(name))))
    }
  }

  make(parent: Directory, name: string, inode: Inode): void {
    const path = this.#place(parent, name)
    this.#path = path
    if (inode.kind === 'file') {
      this.#shown = `${parent.path}/${name}`
      this.#fd = this.#doing(parent, name, () => openSync(path, CREATE_FLAGS, inode.permissions & 0o777))
      return
    }
    if (inode.kind === 'symlink') {
      const target = fsPath(inode.target)
      this.#doing(parent, name, () => symlinkSync(target, path))
    } else if (!this.#makeNode(parent, name, path, inode)) return
    this.#doing(parent, name, () => this.#setMetadata(parent, name, inode))
  }

  /** @returns whether there is something whose metadata can be set */
  #makeNode(parent: Directory, name: string, path: FileName, inode: Inode): boolean {
    const { kind, permissions, major, minor } = inode
    const isPipe = kind === 'fifo'
    if (isPipe || !this.#rootless) {
      const mode = TYPES[kind as 'char' | 'block' | 'fifo'] | (permissions & 0o777)
      const directory = this.#open(parent).fd
      const refused =
        this.#calls === undefined ? 'EPERM' : this.#calls.makeNode(directory, fsPath(name), mode, major, minor)
      if (refused === undefined) return true
      if (!NOT_POSSIBLE.includes(refused)) throw new IoError(`mknodat: ${errnoText(refused)}`, refused, name)
    }
    this.notMade.devices++
    if (isPipe) inode.content = NOT_THERE
    else this.#doing(parent, name, () => closeSync(openSync(path, CREATE_FLAGS, 0)))
    return !isPipe
  }

  /**
   * Makes a file from the file of its object in a store, if that has the owner and the rights of the image and no
   * attribute is needed.
   * @param path of the object
   * @param link `hard`: the same inode; `reflink`: a file that shares its blocks, with metadata of its own
   * @returns false when that is not possible
   */
  makeFrom(parent: Directory, name: string, inode: Inode, path: string, link: 'hard' | 'reflink'): boolean {
    const place = this.#place(parent, name)
    if (link === 'hard') {
      if (!this.#isAsStored(inode, lstatSync(path))) return false
      return this.#isDone(parent, name, () => linkSync(path, place))
    }
    if (!this.#isDone(parent, name, () => copyFileSync(path, place, REFLINK))) return false
    this.#path = place
    this.#shown = `${parent.path}/${name}`
    this.#fd = this.#doing(parent, name, () => openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW))
    this.#doing(parent, name, () => fchmodSync(this.#fd, inode.permissions & 0o777 & ~this.#umask))
    this.end(inode)
    return true
  }

  /** Returns whether a stored file has all metadata of the image but its time. */
  #isAsStored({ uid, gid, permissions, xattrs }: Inode, stat: Stats): boolean {
    const owner = this.#rootless ? [this.#uid, this.#gid] : [uid, gid]
    if (this.#rootless && (uid !== 0 || gid !== 0)) return false
    const isOwned = stat.uid === owner[0] && stat.gid === owner[1]
    return stat.isFile() && isOwned && (stat.mode & 0o7777) === permissions && xattrs.length === 0
  }

  /** Tries to make a link. @returns false if the file systems or the limits of links do not allow it */
  #isDone(parent: Directory, name: string, make: () => void): boolean {
    try {
      make()
      return true
    } catch (error) {
      if (NO_LINK.includes(errnoOf(error))) return false
      throw ioError(error, `${parent.path}/${name}`)
    }
  }

  data(bytes: Uint8Array): void {
    try {
      writeAll(this.#fd, bytes)
    } catch (error) {
      throw ioError(error, this.#shown)
    }
  }

  end(inode: Inode): void {
    const fd = this.#fd
    this.#fd = -1
    try {
      const { uid, gid, permissions, xattrs, mtime } = inode
      this.#setOwner(inode, () => fchownSync(fd, uid, gid))
      const owned = !this.#rootless && (uid !== this.#uid || gid !== this.#gid)
      if (owned || (permissions & (0o7000 | this.#umask)) !== 0) fchmodSync(fd, permissions)
      if (xattrs.length > 0 || this.#rootless) {
        this.#setXattrs(inode, (name, value) => this.#native?.setXattrOf(fd, name, value))
      }
      const time = fileTime(mtime.seconds + mtime.nanoseconds / 1e9)
      futimesSync(fd, time, time)
    } catch (error) {
      throw ioError(error, this.#shown)
    } finally {
      closeSync(fd)
    }
    if (inode.mtime.nanoseconds !== 0) this.#setTimes(this.#path, inode)
  }

  link(parent: Directory, name: string, from: Directory, fromName: string): void {
    const { inode } = from.children.get(fromName) as { inode: Inode }
    if (inode.content === NOT_THERE) return
    const existing = this.#place(from, fromName)
    const path = this.#place(parent, name)
    this.#doing(parent, name, () => linkSync(existing, path))
  }

  /** Gives all directories their metadata. */
  finish(root: Directory): void {
    const all: Directory[] = [root]
    for (const directory of all) {
      for (const child of directory.children.values()) if (child instanceof Directory) all.push(child)
    }
    for (const directory of all.reverse()) {
      const { parent, name } = directory
      if (parent === undefined) this.#doing(root, '.', () => this.#setMetadata(root, '.', root.metadata))
      else this.#doing(parent, name, () => this.#setMetadata(parent, name, directory.metadata))
    }
  }

  /** Closes everything. Idempotent. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    for (const directory of [...this.#opened.keys()]) this.#close(directory)
    this.#top.close()
  }

  /** Sets the metadata of anything but a file. The owner comes first, since a change of it clears set-id bits and capabilities. */
  #setMetadata(parent: Directory, name: string, metadata: RootMetadata & { readonly kind?: Inode['kind'] }): void {
    const path = this.#place(parent, name)
    const { uid, gid, permissions, kind } = metadata
    this.#setOwner(metadata, () => lchownSync(path, uid, gid))
    if (kind !== 'symlink') chmodSync(path, permissions)
    this.#setXattrs(metadata, (attribute, value) => this.#native?.setXattr(path, attribute, value))
    this.#setTimes(path, metadata)
  }

  #setOwner({ uid, gid }: RootMetadata, change: () => void): void {
    if (!this.#rootless) {
      if (uid !== this.#uid || gid !== this.#gid) change()
    } else if (uid !== 0 || gid !== 0) this.notMade.owners++
  }

  #setXattrs({ uid, gid, xattrs }: RootMetadata, set: (name: string, value: Uint8Array) => void): void {
    const wanted = xattrs.map(([name, value]): [string, Uint8Array] => [latin1.decode(name), value])
    if (this.#rootless && (uid !== 0 || gid !== 0)) wanted.push([ROOTLESS_XATTR, rootlessOwner(uid, gid)])
    for (const [name, value] of wanted) {
      const isOwner = name === ROOTLESS_XATTR && this.#rootless
      if (this.#native === undefined || MACHINE_XATTRS.has(name)) {
        if (!isOwner) this.notMade.xattrs++
        continue
      }
      try {
        set(name, value)
      } catch (error) {
        if (!(error instanceof IoError) || !NOT_POSSIBLE.includes(error.data.errno)) throw error
        // The owner is counted as such.
        if (!isOwner) this.notMade.xattrs++
      }
    }
  }

  #setTimes(path: FileName, { mtime }: RootMetadata): void {
    // Node's own call is exact to the microsecond.
    const refused = mtime.nanoseconds === 0 ? 'ENOSYS' : this.#calls?.setTimes(path, mtime.seconds, mtime.nanoseconds)
    if (refused === undefined && this.#calls !== undefined) return
    const time = fileTime(mtime.seconds + mtime.nanoseconds / 1e9)
    lutimesSync(path, time, time)
  }

  #place(parent: Directory, name: string): FileName {
    return this.#open(parent).path(fsPath(name))
  }

  /** Returns a directory that is open, and stays so while another one is opened. */
  #open(directory: Directory): OpenDirectory {
    if (directory.parent === undefined) return this.#top
    const known = this.#opened.get(directory)
    if (known !== undefined) {
      if (this.#last !== directory) {
        this.#opened.delete(directory)
        this.#opened.set(directory, known)
        this.#last = directory
      }
      return known
    }
    const below: Directory[] = []
    let from: Directory = directory
    for (; from.parent !== undefined && !this.#opened.has(from); from = from.parent) below.push(from)
    let at = this.#opened.get(from) ?? this.#top
    for (const next of below.reverse()) {
      const opened = this.#doing(next.parent as Directory, next.name, () => at.openDirectory(fsPath(next.name)))
      if (next.parent !== from) at.close()
      at = opened
    }
    if (this.#opened.size >= OPEN_DIRECTORIES) this.#close(this.#opened.keys().next().value as Directory)
    this.#opened.set(directory, at)
    this.#last = directory
    return at
  }

  #close(directory: Directory): void {
    this.#opened.get(directory)?.close()
    this.#opened.delete(directory)
    if (this.#last === directory) this.#last = undefined
  }

  /** Runs a system call. @throws {IoError} with the path in the image */
  #doing<T>(parent: Directory, name: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw ioError(error, parent.parent === undefined ? `/${name}` : `${parent.path}/${name}`)
    }
  }
}

/**
 * Encodes an owner as the protocol buffer `Resource` of rootless containers: field 1 the user, field 2 the group. The
 * number 0xffffffff stands for 0.
 */
function rootlessOwner(uid: number, gid: number): Uint8Array {
  const bytes: number[] = []
  for (const [field, id] of [uid, gid].entries()) {
    let left = BigInt(id === 0 ? 0xffffffff : id >>> 0)
    bytes.push(((field + 1) << 3) | 0)
    for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
    bytes.push(Number(left))
  }
  return Uint8Array.from(bytes)
}
