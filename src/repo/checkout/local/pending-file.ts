/**
 * A regular file on its way into a directory. It has no name until it is complete, where kernel and file system know
 * such files (O_TMPFILE), else a temporary one: so a checkout that is killed leaves files out, but none in half.
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

const PERMISSIONS = 0o600
/** How file systems and kernels say that they have no files without names. */
const NO_TMPFILE = ['ENOTSUP', 'EISDIR', 'ENOENT', 'EINVAL']

export class PendingFile {
  /** Writable, accessible to the owner only. */
  readonly fd: number
  readonly #directory: OpenDirectory
  readonly #linkCalls: LinkCalls | undefined
  /** The temporary one, while it is there. */
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

  /** @param linkCalls without them the file has a temporary name. @throws {IoError} */
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
   * @returns false when there is one that is to be kept
   * @throws {ConflictError} `linkat: File exists`; {IoError} `renameat(TMP, NAME): Is a directory`
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

  /** Beside the temporary name, if there is one. @returns the reason when refused */
  #link(name: string): string | undefined {
    const temporary = this.#name
    if (temporary === undefined) return this.#linkCalls?.linkOpen(this.fd, this.#directory.fd, name)
    return refusal(() => linkSync(this.#directory.path(temporary), this.#directory.path(name)))
  }

  /** Lets go of the file; what was not placed is gone. May be called twice. */
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

export function temporaryName(): string {
  return `tmp.${randomName()}`
}

/** @throws {IoError} `renameat(TMP, NAME): …` */
export function renameInto(directory: OpenDirectory, temporary: string, name: string): void {
  withIo(`./${temporary}, ${name}`, () => renameSync(directory.path(temporary), directory.path(name)))
}

/** Runs a call of `node:fs`. @returns the errno of its failure */
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
