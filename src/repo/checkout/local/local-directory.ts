/**
 * A local directory that a checkout writes to. Error messages name the system calls of libostree. Source:
 * ostree-repo-checkout.c.
 */

import {
  chmodSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { decodeUtf8, displayUtf8, EMPTY_BYTES, SMALL_FILE } from '../../../bytes.ts'
import { FormatError, IoError, withContext } from '../../../errors.ts'
import { type FileHeader, type FileObject, NO_XATTRS, S_IFMT, type Xattrs } from '../../../objects/index.ts'
import { errnoOf, errnoText, ioError, unless, withIo } from '../../../system/errno.ts'
import { readWhole, removeFile, streamFile, writeAll } from '../../../system/file-io.ts'
import { type Native, type NativeSource, requireNative } from '../../../system/native.ts'
import { requireLinkCalls } from '../../../system/native-link.ts'
import { OpenDirectory, type OpenDirectoryOptions } from '../../../system/open-directory.ts'
import { fsPath } from '../../../system/raw-path.ts'
import type {
  FileOwner,
  FilePlace,
  HardLinkResult,
  NewFile,
  OnExisting,
  TargetDirectory,
  TargetStat,
} from '../target.ts'
import type { LinkSource } from './link-source.ts'
import { PendingFile, refusal, renameInto, temporaryName } from './pending-file.ts'

/** Data that all directories of one checkout share. */
export interface TargetContext extends OpenDirectoryOptions {
  readonly native: NativeSource
  readonly source: LinkSource
  /** Seconds since the epoch. */
  readonly now: number
  /** The destination as the caller named it, for messages. */
  readonly shown: string
}

/** Permissions of a new directory until it is complete. */
const PRIVATE = 0o700
/** Reasons not to link that a `HardLinkResult` reports; others are thrown. */
const NOT_LINKED = ['EEXIST', 'ENOENT', 'EMLINK', 'EXDEV', 'EPERM'] as const

/** An open directory; files in it are created by name, relative to its descriptor. */
export class LocalTargetDirectory implements TargetDirectory {
  readonly #at: OpenDirectory
  readonly #context: TargetContext
  /** Root of the checkout; `undefined` for the directory that contains it. */
  readonly #root: OpenDirectory | undefined
  #device: number | undefined
  /** Owner of files created here, which a setgid directory affects. Known after the first file. */
  #fileOwner: FileOwner | undefined

  constructor(at: OpenDirectory, context: TargetContext, root: OpenDirectory | undefined) {
    this.#at = at
    this.#context = context
    this.#root = root
    this.#device = undefined
    this.#fileOwner = undefined
  }

  /** File descriptor of this directory. */
  get fd(): number {
    return this.#at.fd
  }

  get device(): number {
    this.#device ??= fstatSync(this.#at.fd).dev
    return this.#device
  }

  makeDirectory(name: string): boolean {
    return makes('mkdirat', () => mkdirSync(this.#at.path(fsPath(name)), PRIVATE))
  }

  openDirectory(name: string): LocalTargetDirectory {
    const root = this.#root
    if (root !== undefined) {
      return new LocalTargetDirectory(this.#at.openDirectoryWithin(name, root), this.#context, root)
    }
    const opened = OpenDirectory.at(this.#at.path(fsPath(name)), this.#context.shown, this.#context)
    return new LocalTargetDirectory(opened, this.#context, opened)
  }

  stat(name: string): TargetStat | undefined {
    const path = this.#at.path(name)
    const stat = withIo(name, () => lstatSync(path, { bigint: true, throwIfNoEntry: false }))
    if (stat === undefined) return undefined
    const { uid, gid, mode, size, dev, ino } = stat
    return {
      mode: Number(mode),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      identity: `${dev}:${ino}`,
    }
  }

  readXattrs(name: string): Xattrs {
    return this.#native().readXattrs(this.#at.path(name))
  }

  readFile(name: string, withXattrs: boolean): FileObject {
    const path = this.#at.path(name)
    const stat = withIo(name, () => lstatSync(path))
    const { uid, gid, size } = stat
    const xattrs = withXattrs ? this.readXattrs(name) : NO_XATTRS
    const header: FileHeader = { uid, gid, mode: stat.mode & (S_IFMT | 0o7777), target: '', xattrs }
    if (stat.isSymbolicLink()) {
      const target = decodeUtf8(withIo(name, () => readlinkSync(path, { encoding: 'buffer' })))
      if (target === undefined) throw new FormatError(name, `Invalid UTF-8 in symbolic link target of ${name}`)
      return { header: { ...header, target }, size: 0, body: EMPTY_BYTES }
    }
    if (!stat.isFile()) throw new FormatError(name, `Not a regular file or symlink: ${name}`)
    return { header, size, body: size > SMALL_FILE ? streamFile(path, 0) : (readWhole(path) ?? EMPTY_BYTES) }
  }

  writeFile(name: string, file: NewFile, existing: OnExisting): boolean | Promise<boolean> {
    const { body } = file
    const pending = PendingFile.open(this.#at, this.#context.source.linkCalls)
    if (!(body instanceof Uint8Array)) return this.#writeLong(pending, body, name, file, existing)
    try {
      if (body.length > 0) writeAll(pending.fd, body)
      return this.#complete(pending, name, file, existing)
    } catch (error) {
      throw ioError(error)
    } finally {
      pending.close()
    }
  }

  /** Writes a file from a stream. */
  async #writeLong(
    pending: PendingFile,
    body: AsyncIterable<Uint8Array>,
    name: string,
    file: NewFile,
    existing: OnExisting,
  ): Promise<boolean> {
    try {
      for await (const chunk of body) writeAll(pending.fd, chunk)
      return this.#complete(pending, name, file, existing)
    } catch (error) {
      throw ioError(error)
    } finally {
      pending.close()
    }
  }

  /**
   * Sets owner, xattrs and permissions of a written file, in this order, and its name. `fchown` clears capabilities and
   * set-id bits, and an ACL changes the permissions.
   */
  #complete(pending: PendingFile, name: string, { owner, xattrs, permissions, fsync }: NewFile, existing: OnExisting) {
    const { fd } = pending
    if (owner !== undefined) this.#setOwnerOf(fd, owner)
    setXattrs(
      xattrs,
      () => this.#native(),
      (native, attribute, value) => native.setXattrOf(fd, attribute, value),
    )
    calls('fchmod', () => fchmodSync(fd, permissions))
    if (fsync) calls('fsync', () => fsyncSync(fd))
    return pending.place(name, existing)
  }

  /** Sets the owner of a file, unless it has that owner already. */
  #setOwnerOf(fd: number, { uid, gid }: FileOwner): void {
    this.#fileOwner ??= fstatSync(fd)
    const { uid: ownUid, gid: ownGid } = this.#fileOwner
    if (uid !== ownUid || gid !== ownGid) calls('fchown', () => fchownSync(fd, uid, gid))
  }

  makeSymlink(name: string, target: string): boolean {
    return makes('symlinkat', () => symlinkSync(target, this.#at.path(name)))
  }

  setSymlinkMeta(name: string, { uid, gid }: FileOwner, xattrs: Xattrs): void {
    calls('fchownat', () => lchownSync(this.#at.path(name), uid, gid))
    this.#setXattrsOf(name, xattrs)
  }

  #setXattrsOf(name: string, xattrs: Xattrs): void {
    const path = this.#at.path(name)
    setXattrs(
      xattrs,
      () => this.#native(),
      (native, attribute, value) => native.setXattr(path, attribute, value),
    )
  }

  hardLink(name: string, from: FilePlace): HardLinkResult {
    const reason = this.#context.source.link(from, this.#at, name)
    if (reason === undefined) return 'linked'
    const expected = NOT_LINKED.find((errno) => errno === reason)
    if (expected !== undefined) return expected
    throw new IoError(`Hardlinking ${from.path} to ${name}: ${errnoText(reason)}`, reason, name)
  }

  replaceByHardLink(name: string, from: FilePlace): void {
    const temporary = temporaryName()
    const result = this.hardLink(temporary, from)
    if (result !== 'linked') throw new IoError(`linkat: ${errnoText(result)}`, result, name)
    try {
      renameInto(this.#at, temporary, name)
    } finally {
      // The temporary name still exists if both names were links to one file, since rename does nothing then.
      removeFile(this.#at.path(temporary), temporary)
    }
  }

  makeWhiteoutDevice(name: string, permissions: number): boolean {
    const reason = requireLinkCalls('A whiteout device', this.#context.source.linkCalls).makeWhiteout(
      this.#at.fd,
      name,
      permissions,
    )
    if (reason === 'EEXIST') return false
    if (reason === undefined) return true
    throw new IoError(`Creating whiteout char device: ${errnoText(reason)}`, reason, name)
  }

  setWhiteoutMeta(name: string, { uid, gid }: FileOwner, permissions: number, xattrs: Xattrs): void {
    try {
      this.#setXattrsOf(name, xattrs)
    } catch (error) {
      throw withContext('Setting xattrs for whiteout char device', error)
    }
    calls('fchownat', () => lchownSync(this.#at.path(name), uid, gid))
    calls('fchmodat', () => chmodSync(this.#at.path(name), permissions))
  }

  remove(name: string): void {
    unless(['ENOENT'], name, () => unlinkSync(this.#at.path(name)))
  }

  removeTree(name: string): void {
    this.#at.removeTree(name)
  }

  setXattrs(xattrs: Xattrs): void {
    const { fd } = this.#at
    setXattrs(
      xattrs,
      () => this.#native(),
      (native, attribute, value) => native.setXattrOf(fd, attribute, value),
    )
  }

  setPermissions(permissions: number): void {
    calls('fchmod', () => fchmodSync(this.#at.fd, permissions))
  }

  setOwner({ uid, gid }: FileOwner): void {
    calls('fchown', () => fchownSync(this.#at.fd, uid, gid))
  }

  setTimeZero(): void {
    calls('futimens', () => futimesSync(this.#at.fd, this.#context.now, 0))
  }

  sync(): void {
    calls('fsync', () => fsyncSync(this.#at.fd))
  }

  close(): void {
    if (this.#root === undefined) this.#context.source.close()
    this.#at.close()
  }

  #native(): Native {
    return requireNative('A checkout with extended attributes', this.#context.native)
  }
}

/** Sets extended attributes. @throws {IoError} such as `lsetxattr(user.x): Operation not permitted` */
function setXattrs(
  xattrs: Xattrs,
  native: () => Native,
  set: (native: Native, attribute: Uint8Array, value: Uint8Array) => void,
): void {
  if (xattrs.length === 0) return
  const provider = native()
  for (const [attribute, value] of xattrs) {
    try {
      set(provider, attribute, value)
    } catch (error) {
      if (!(error instanceof IoError)) throw error
      const { errno } = error.data
      const call = error.message.startsWith('f') ? 'Setting xattrs: fsetxattr' : 'lsetxattr'
      throw new IoError(`${call}(${displayUtf8(attribute)}): ${errnoText(errno)}`, errno, undefined, { cause: error })
    }
  }
}

/** Runs a system call. @throws {IoError} with the given name, such as `fchown: Operation not permitted` */
function calls(name: string, work: () => void): void {
  const reason = refusal(work)
  if (reason !== undefined) throw new IoError(`${name}: ${errnoText(reason)}`, reason)
}

/** Runs a system call that creates an entry. @returns false when the name exists. @throws {IoError} as `calls` does */
function makes(name: string, work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    const reason = errnoOf(error)
    if (reason === undefined) throw error
    if (reason === 'EEXIST') return false
    throw new IoError(`${name}: ${errnoText(reason)}`, reason, undefined, { cause: error })
  }
}
