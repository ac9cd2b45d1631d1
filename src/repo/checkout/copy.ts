/**
 * Creates files, symlinks and whiteout devices of a checkout as copies. As in libostree, existing files are treated
 * differently for regular files and for symlinks; including one bug: a symlink that replaces another file gets neither
 * owner nor xattrs.
 *
 * Source: ostree-repo-checkout.c, create_file_copy_from_input_at and checkout_overlayfs_whiteout_at.
 */

import type { Checksum } from '../../bytes.ts'
import { ChecksumMismatchError, ConflictError, IoError, withContext } from '../../errors.ts'
import {
  createFileVerifier,
  type FileHeader,
  type FileObject,
  isSymlink,
  NO_XATTRS,
  S_IFMT,
  S_IFREG,
  xattrsEqual,
} from '../../objects/index.ts'
import type { RepoSettings } from '../core/config.ts'
import type { ObjectReader } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { withLabel } from '../selinux/label-tree.ts'
import type { CheckoutOptions } from './options.ts'
import type { NewFile, OnExisting, TargetDirectory } from './target.ts'

const SET_ID = 0o6000
const OWNER_READ = 0o400

/** Creates files in directories of the target. */
export class FileCopier {
  readonly #repo: FileSource
  readonly #options: CheckoutOptions

  constructor(repo: FileSource, options: CheckoutOptions) {
    this.#repo = repo
    this.#options = options
  }

  /**
   * Creates a file or symlink.
   * @param labelPath path by which the SELinux policy labels the file; `undefined` without a policy
   * @returns false when an existing file is kept
   * @throws {ConflictError} when an existing file is in the way
   */
  async copy(directory: TargetDirectory, name: string, checksum: Checksum, labelPath?: string): Promise<boolean> {
    const { overwrite } = this.#options
    // Any existing file is kept, so the object need not be read.
    if (overwrite === 'add' && (await directory.stat(name)) !== undefined) return false
    const pending = this.#repo.objects.readFile(checksum)
    const stored = pending instanceof Promise ? await pending : pending
    const file = labelPath === undefined ? stored : { ...stored, header: this.#labelled(stored.header, labelPath) }
    return this.place(directory, name, checksum, file)
  }

  /** Creates a file or symlink from an object that has been read. Results and errors are those of `copy`. */
  async place(directory: TargetDirectory, name: string, checksum: Checksum, file: FileObject): Promise<boolean> {
    try {
      if (isSymlink(file.header)) return await this.#symlink(directory, name, file.header)
      return await this.#regular(directory, name, checksum, file)
    } catch (error) {
      throw withContext(`Copy checkout of ${checksum} to ${name}`, error)
    }
  }

  #labelled(header: FileHeader, path: string): FileHeader {
    const label = isSymlink(header) ? undefined : this.#options.sePolicy?.label(path, header.mode)
    return label === undefined ? header : { ...header, xattrs: withLabel(header.xattrs, label, '') }
  }

  async #symlink(directory: TargetDirectory, name: string, { target, uid, gid, xattrs }: FileHeader): Promise<boolean> {
    const { mode, overwrite = 'none', whiteouts } = this.#options
    const exists = () => new ConflictError(name, 'symlinkat: File exists')
    if (await directory.makeSymlink(name, target)) {
      if (mode !== 'user') await directory.setSymlinkMeta(name, { uid, gid }, xattrs)
      return true
    }
    switch (overwrite) {
      case 'none':
        throw exists()
      case 'add':
        return false
      case 'union-files':
        if (whiteouts) await directory.removeTree(name)
        else await directory.remove(name)
        if (!(await directory.makeSymlink(name, target))) throw exists()
        return true
      case 'union-identical': {
        const present = await directory.stat(name)
        if (present !== undefined && isRegularOrLink(present.mode)) {
          const { header } = await directory.readFile(name, false)
          if (isSymlink(header) && header.target === target) return false
        }
        throw exists()
      }
    }
  }

  async #regular(directory: TargetDirectory, name: string, checksum: Checksum, file: FileObject): Promise<boolean> {
    const { overwrite, whiteouts } = this.#options
    let existing: OnExisting = 'fail'
    if (overwrite === 'add') existing = 'keep'
    else if (overwrite === 'union-files') {
      if (whiteouts) await directory.removeTree(name)
      else existing = 'replace'
    } else if (overwrite === 'union-identical') {
      const present = await directory.stat(name)
      if (present !== undefined && isRegularOrLink(present.mode)) {
        if (await holdsFile(this.#repo, directory, name, checksum)) return false
      }
    }
    const writing = directory.writeFile(name, this.#newFile(file), existing)
    return writing instanceof Promise ? await writing : writing
  }

  #newFile({ header, body }: FileObject): NewFile {
    const { uid, gid, xattrs } = header
    const fsync = this.#options.fsync ?? false
    if (this.#options.mode === 'user') {
      const permissions = (header.mode & 0o7777 & ~SET_ID) | OWNER_READ
      return { body, permissions, owner: undefined, xattrs: NO_XATTRS, fsync }
    }
    return { body, permissions: header.mode & 0o7777, owner: { uid, gid }, xattrs, fsync }
  }

  /**
   * Creates an overlayfs whiteout device.
   * @param name name of the device
   * @param checksum file object with the owner, permissions and xattrs of the device
   * @returns false when an existing file is kept
   * @throws {ConflictError} when an existing file is in the way
   */
  async whiteoutDevice(directory: TargetDirectory, name: string, checksum: Checksum): Promise<boolean> {
    const { header } = await this.#repo.objects.statFile(checksum)
    const { overwrite = 'none' } = this.#options
    if (await this.#makeDevice(directory, name, header)) return true
    switch (overwrite) {
      case 'none':
        throw new ConflictError(name, 'mknodat: File exists')
      case 'add':
        return false
      case 'union-files':
        await removeForDevice(directory, name)
        if (!(await this.#makeDevice(directory, name, header))) throw new ConflictError(name, 'mknodat: File exists')
        return true
      case 'union-identical':
        await this.#requireSameMetadata(directory, name, header)
        return false
    }
  }

  async #makeDevice(directory: TargetDirectory, name: string, header: FileHeader): Promise<boolean> {
    const permissions = header.mode & 0o7777
    if (!(await directory.makeWhiteoutDevice(name, permissions))) return false
    if (this.#options.mode !== 'user') await directory.setWhiteoutMeta(name, header, permissions, header.xattrs)
    return true
  }

  /**
   * Requires that an existing device has the metadata of `header`. As in libostree, a user checkout compares only
   * xattrs, although it does not set them.
   */
  async #requireSameMetadata(directory: TargetDirectory, name: string, header: FileHeader): Promise<void> {
    const present = await directory.stat(name)
    if (present === undefined) throw new IoError(`fstatat(${name}): No such file or directory`, 'ENOENT', name)
    const conflict = (how: string) => new ConflictError(name, `existing destination file ${name} ${how}`)
    if (!xattrsEqual(await directory.readXattrs(name), header.xattrs)) throw conflict("xattrs don't match")
    if (this.#options.mode === 'user') return
    if (present.gid !== header.gid) throw conflict(`does not match gid ${header.gid}`)
    if (present.uid !== header.uid) throw conflict(`does not match uid ${header.uid}`)
    if ((present.mode & 0o7777) !== (header.mode & 0o7777))
      throw conflict(`does not match mode ${header.mode.toString(8)}`)
  }
}

/** Removes a file; libostree calls `unlink` here instead of `unlinkat`, and its error message says so. */
async function removeForDevice(directory: TargetDirectory, name: string): Promise<void> {
  try {
    await directory.remove(name)
  } catch (error) {
    if (!(error instanceof IoError)) throw error
    const { errno } = error.data
    throw new IoError(error.message.replace(/^unlinkat/, 'unlink'), errno, name, { cause: error })
  }
}

/** The part of a repository that creating files needs. */
export interface FileSource extends Pick<Repo, 'platform' | 'mode'> {
  readonly objects: ObjectReader
  readonly settings: Pick<RepoSettings, 'disableXattrs'>
}

/**
 * Tells whether a file on disk is the file object `checksum`, by hashing it.
 * @param name name of a regular file or a symlink
 */
export async function holdsFile(
  repo: FileSource,
  directory: TargetDirectory,
  name: string,
  checksum: Checksum,
): Promise<boolean> {
  const bareUserOnly = repo.mode === 'bare-user-only'
  const { header, body } = await directory.readFile(name, !repo.settings.disableXattrs && !bareUserOnly)
  const verifier = createFileVerifier(repo.platform, bareUserOnly ? canonical(header) : header, checksum)
  if (body instanceof Uint8Array) verifier.update(body)
  else for await (const chunk of body) verifier.update(chunk)
  try {
    verifier.finish()
    return true
  } catch (error) {
    if (error instanceof ChecksumMismatchError) return false
    throw error
  }
}

/** Returns the header of a file as a bare-user-only repository stores it. */
function canonical(header: FileHeader): FileHeader {
  const mode = isSymlink(header) ? header.mode : header.mode & (S_IFREG | 0o755)
  return { uid: 0, gid: 0, mode, target: header.target, xattrs: NO_XATTRS }
}

/** Tells whether `mode`, a full `st_mode`, is that of a regular file or a symlink. */
export function isRegularOrLink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG || (mode & S_IFMT) === 0o120000
}
