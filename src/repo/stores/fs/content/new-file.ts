/**
 * Creates loose files: open, write, what the mode adds, close. The common file takes four system calls: `open` sets the
 * permissions, and `fchmod` follows only if the umask or a default ACL removed some of them. For each set of permissions
 * that is learned from its first file, since the umask cannot be read without changing it for a moment.
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
  /** By permission bits: whether `open` sets them in full. */
  readonly #exact = new Map<number, boolean>()
  #fsync = false
  /** The access time of new files: seconds since the epoch when the transaction began. */
  #now = 0
  #owner: Owner | undefined

  /** Called when a transaction begins: forgets what was learned. @param perObjectFsync whether `flush` does anything */
  begin(perObjectFsync: boolean): void {
    this.#exact.clear()
    this.#owner = undefined
    this.#fsync = perObjectFsync
    this.#now = Math.floor(Date.now() / 1000)
  }

  /** Creates a file. @returns its descriptor, open for writing; `setPermissions` completes its permission bits */
  open(path: string, permissions: number): number {
    return openSync(path, CREATE_FLAGS, permissions & 0o777)
  }

  /** Changes the owner if it is another. @returns whether it was */
  setOwner(fd: number, { uid, gid }: Owner): boolean {
    this.#owner ??= ownerOf(fd)
    if (this.#owner.uid === uid && this.#owner.gid === gid) return false
    fchownSync(fd, uid, gid)
    return true
  }

  /**
   * Sets the permission bits if they are others.
   * @param changed whether they are known to be others: the owner was changed, which clears set-id bits, or the file was
   *   created with others
   */
  setPermissions(fd: number, permissions: number, changed = false): void {
    if (changed) {
      fchmodSync(fd, permissions)
      return
    }
    let exact = this.#exact.get(permissions)
    if (exact === undefined) {
      exact = (permissions & SET_ID_AND_STICKY) === 0 && (fstatSync(fd).mode & 0o7777) === permissions
      this.#exact.set(permissions, exact)
    }
    if (!exact) fchmodSync(fd, permissions)
  }

  /** Sets the modification time to 0, as libostree does for files of the bare modes. */
  setTimeZero(fd: number): void {
    futimesSync(fd, this.#now, 0)
  }

  /** Writes the file to the disk, if objects are flushed one by one. */
  flush(fd: number): void {
    if (this.#fsync) fsyncSync(fd)
  }

  /**
   * Creates, writes and closes a file; nothing is at `path` if it throws.
   * @param complete sets owner, permissions and xattrs when the content is written
   */
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
    // It lies in the staging directory, which is removed as a whole.
  }
}
