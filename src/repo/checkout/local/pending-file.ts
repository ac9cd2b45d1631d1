/**
 * A regular file that gets its name only when it is complete, so that a checkout that is killed leaves no incomplete
 * file. Until then it has no name (O_TMPFILE) if kernel and file system support that, else a temporary one.
 *
 * Source: libglnx, glnx-fdio.c (glnx_open_tmpfile_linkable_at, glnx_link_tmpfile_at).
 */

import { closeSync, linkSync, openSync, renameSync } from 'node:fs'
import { ConflictError, IoError } from '../../../errors.ts'
import { errnoOf, errnoText, withIo } from '../../../system/errno.ts'
import { CREATE_FLAGS, randomName, removeFile } from '../../../system/file-io.ts'
import type { LinkCalls } from '../../../system/native-link.ts'
import type { OpenDirectory } from '../../../system/open-directory.ts'
import type { OnExisting } from '../target.ts'

/** Permissions until the file is complete. */
const PERMISSIONS = 0o600
/** Errors of kernels and file systems that do not support O_TMPFILE. */
const NO_TMPFILE = ['ENOTSUP', 'EISDIR', 'ENOENT', 'EINVAL']

/** A file that is open for writing. */
export class PendingFile {
  /** File descriptor, open for writing. */
  readonly fd: number
  readonly #directory: OpenDirectory
  readonly #linkCalls: LinkCalls | undefined
  /** The temporary name, while it exists. */
  #name: string | undefined
  readonly #nameless: boolean
  #open = true

  private constructor(
    fd: number,
    directory: OpenDirectory,
    name: string | undefined,
    linkCalls: LinkCalls | undefined,
  ) {
    this.fd = fd
    this.#directory = directory
    this.#linkCalls = linkCalls
    this.#name = name
    this.#nameless = name === undefined
  }

  /**
   * Creates a file.
   * @param linkCalls native calls for O_TMPFILE; without them the file has a temporary name
   * @throws {IoError} when it cannot be created
   */
  static open(directory: OpenDirectory, linkCalls: LinkCalls | undefined): PendingFile {
    if (linkCalls !== undefined) {
      const fd = linkCalls.openNameless(directory.fd)
      if (typeof fd === 'number') return new PendingFile(fd, directory, undefined, linkCalls)
      if (!NO_TMPFILE.includes(fd)) throw new IoError(`open(O_TMPFILE): ${errnoText(fd)}`, fd)
    }
    const name = temporaryName()
    const fd = withIo(undefined, () => openSync(directory.path(name), CREATE_FLAGS, PERMISSIONS))
    return new PendingFile(fd, directory, name, linkCalls)
  }

  /**
   * Gives the complete file its name.
   * @returns false when an existing file was kept
   * @throws {ConflictError} `linkat: File exists` when the name exists and `existing` is `fail`
   * @throws {IoError} such as `renameat(TMP, NAME): Is a directory` when an existing entry cannot be replaced
   */
  place(name: string, existing: OnExisting): boolean {
    const refused = this.#link(name)
    if (refused === undefined) return true
    if (refused !== 'EEXIST') throw linkError(refused, name)
    if (existing === 'keep') return false
    if (existing === 'fail') throw new ConflictError(name, 'linkat: File exists')
    if (this.#name === undefined) {
      const temporary = temporaryName()
      const failed = this.#link(temporary)
      if (failed !== undefined) throw linkError(failed, name)
      this.#name = temporary
    }
    renameInto(this.#directory, this.#name, name)
    this.#name = undefined
    return true
  }

  /** Links the file to a name, in addition to a temporary one. @returns the name of the errno when that fails */
  #link(name: string): string | undefined {
    const temporary = this.#name
    if (temporary === undefined) return this.#linkCalls?.linkOpen(this.fd, this.#directory.fd, name)
    return refusal(() => linkSync(this.#directory.path(temporary), this.#directory.path(name)))
  }

  /** Closes the file, and deletes it unless it has been placed. Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#nameless) this.#linkCalls?.closeNameless(this.fd)
    else closeSync(this.fd)
    if (this.#name !== undefined) removeFile(this.#directory.path(this.#name), this.#name)
  }
}

function linkError(errno: string, name: string): IoError {
  return new IoError(`linkat: ${errnoText(errno)}`, errno, name)
}

/** Returns a random name for a temporary file. */
export function temporaryName(): string {
  return `tmp.${randomName()}`
}

/** Renames a temporary file, replacing an existing one. @throws {IoError} `renameat(TMP, NAME): …` when that fails */
export function renameInto(directory: OpenDirectory, temporary: string, name: string): void {
  withIo(`./${temporary}, ${name}`, () => renameSync(directory.path(temporary), directory.path(name)))
}

/** Runs a function of `node:fs`. @returns the name of the errno, such as `EEXIST`, when it fails; else `undefined` */
export function refusal(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return errno
  }
}
