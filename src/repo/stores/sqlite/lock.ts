/**
 * The lock of a single-file repository: `NAME.sqlite-lock` beside it, an empty database whose own locks are the lock.
 * SQLite knows how to share them between processes and between connections of one process, and they end with it.
 *
 *   shared     a read transaction stays open      transactions hold it
 *   exclusive  BEGIN EXCLUSIVE                    prune holds it
 *
 * Writing alone would not need it, since SQLite lets one writer at a time into the repository itself.
 */

import { statSync, unlinkSync } from 'node:fs'
import { RepoLockedError } from '../../../errors.ts'
import type { SqliteDriver, SqliteHandle } from './driver.ts'
import { translateSqliteError } from './errors.ts'

export type LockKind = 'shared' | 'exclusive'

export class SqliteLock {
  readonly #driver: SqliteDriver
  readonly #path: string
  readonly #held = { shared: 0, exclusive: 0 }
  #handle: SqliteHandle | undefined
  /** Of the file behind the handle, as it was seen before opening. */
  #inode: string | undefined
  #level: LockKind | undefined

  /** @param path of the repository */
  constructor(driver: SqliteDriver, path: string) {
    this.#driver = driver
    this.#path = `${path}-lock`
  }

  get exclusive(): boolean {
    return this.#held.exclusive > 0
  }

  /** Once more, at once. An exclusive lock stays until all are released. @throws {RepoLockedError} */
  acquire(kind: LockKind): void {
    if (this.#level === undefined || (this.#level === 'shared' && kind === 'exclusive')) this.#raise(kind)
    this.#held[kind]++
  }

  release(kind: LockKind): void {
    this.#held[kind]--
    if (this.#held.shared + this.#held.exclusive > 0) return
    rollback(this.#handle)
    this.#level = undefined
  }

  /** Lets go of everything, and of the file when nobody else uses it. */
  close(): void {
    if (this.#handle === undefined) return
    rollback(this.#handle)
    this.#level = undefined
    try {
      this.#handle.exec('BEGIN EXCLUSIVE')
      unlinkSync(this.#path)
    } catch {
      // Another process has it, and will remove it.
    }
    this.#handle.close()
    this.#handle = undefined
  }

  #raise(kind: LockKind): void {
    const before = this.#level
    rollback(this.#handle)
    this.#level = undefined
    try {
      this.#take(kind)
    } catch (error) {
      // Nobody can have changed the repository in between while a transaction of ours is open: it is the only writer.
      if (before !== undefined) this.#take(before)
      throw error
    }
  }

  #take(kind: LockKind): void {
    try {
      while (!this.#tryTake(kind)) {}
      this.#level = kind
    } catch (error) {
      const translated = translateSqliteError(error, this.#path)
      throw translated instanceof RepoLockedError ? new RepoLockedError(kind, { cause: error }) : translated
    }
  }

  /** @returns false when the file was removed by its last user while we were at the door: nobody else could see our lock */
  #tryTake(kind: LockKind): boolean {
    if (this.#handle === undefined) {
      this.#inode = this.#currentInode()
      this.#handle = this.#driver.open(this.#path, 'create')
    }
    try {
      this.#handle.exec(kind === 'exclusive' ? 'BEGIN EXCLUSIVE' : 'BEGIN; SELECT * FROM sqlite_schema')
    } catch (error) {
      rollback(this.#handle)
      throw error
    }
    // The same before opening and after locking: then it is the one that was opened.
    if (this.#inode !== undefined && this.#inode === this.#currentInode()) return true
    rollback(this.#handle)
    this.#handle.close()
    this.#handle = undefined
    return false
  }

  /** Asked of the path: opening the file a second time and closing it would drop SQLite's locks (POSIX). */
  #currentInode(): string | undefined {
    const stat = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
    return stat && `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`
  }
}

function rollback(handle: SqliteHandle | undefined): void {
  try {
    handle?.exec('ROLLBACK')
  } catch {
    // There was no transaction.
  }
}
