/**
 * Making one loose file: open, write, what the mode adds, close. Four system calls for the common file: permissions are
 * given to `open`, and `fchmod` follows only where the umask (or a default ACL) cuts them. Which ones it cuts is seen
 * on the first file and remembered: the umask itself cannot be read without being changed for a moment.
 */

import { closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync, futimesSync, openSync, unlinkSync } from 'node:fs'
import { ioError } from '../../../../system/errno.ts'
import { CREATE_FLAGS, writeAll } from '../../../../system/file-io.ts'

const SET_ID_AND_STICKY = 0o7000

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export class NewFiles {
  /** By permission bits: whether `open` gives them in full. */
  readonly #exact = new Map<number, boolean>()
  #fsync = false
  /** Seconds since the epoch; access times need not be newer than the transaction. */
  #now = 0
  #owner: Owner | undefined

  begin(perObjectFsync: boolean): void {
    this.#exact.clear()
    this.#owner = undefined
    this.#fsync = perObjectFsync
    this.#now = Math.floor(Date.now() / 1000)
  }

  /** @returns a file open for writing; `setPermissions` completes its permission bits */
  open(path: string, permissions: number): number {
    return openSync(path, CREATE_FLAGS, permissions & 0o777)
  }

  /** Gives the file away. @returns whether that was needed */
  setOwner(fd: number, { uid, gid }: Owner): boolean {
    this.#owner ??= ownerOf(fd)
    if (this.#owner.uid === uid && this.#owner.gid === gid) return false
    fchownSync(fd, uid, gid)
    return true
  }

  /** @param chowned the owner was set, which takes set-id bits away */
  setPermissions(fd: number, permissions: number, chowned = false): void {
    let exact = this.#exact.get(permissions)
    if (exact === undefined) {
      exact = (permissions & SET_ID_AND_STICKY) === 0 && (fstatSync(fd).mode & 0o7777) === permissions
      this.#exact.set(permissions, exact)
    }
    if (!exact || chowned) fchmodSync(fd, permissions)
  }

  /** Bare objects have no age: equal content is an equal file, also to tools that compare times. */
  setTimeZero(fd: number): void {
    futimesSync(fd, this.#now, 0)
  }

  flush(fd: number): void {
    if (this.#fsync) fsyncSync(fd)
  }

  /** Makes the whole file. @param complete gives it all but the content; only permissions are asked for at once */
  create(path: string, permissions: number, body: Uint8Array, complete: (fd: number) => void): void {
    let fd: number | undefined
    try {
      fd = openSync(path, CREATE_FLAGS, permissions & 0o777)
      if (body.length > 0) writeAll(fd, body)
      complete(fd)
      if (this.#fsync) fsyncSync(fd)
    } catch (error) {
      if (fd !== undefined) discard(fd, path)
      throw ioError(error)
    }
    closeSync(fd)
  }
}

function ownerOf(fd: number): Owner {
  const { uid, gid } = fstatSync(fd)
  return { uid, gid }
}

/** Closes and removes an unfinished file. */
export function discard(fd: number, path: string): void {
  try {
    closeSync(fd)
    unlinkSync(path)
  } catch {
    // What could not be removed lies in the staging directory, which goes as a whole.
  }
}
