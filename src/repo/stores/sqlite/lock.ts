/**
 * The lock of a single-file repository: `NAME.sqlite-lock` beside it, an empty database. Its SQLite locks are the lock:
 * they work between processes and between connections of one process, and end with the process.
 *
 *   shared     a read transaction stays open      held by transactions of the repository
 *   exclusive  BEGIN EXCLUSIVE                    held by prune
 *
 * The last process that closes the file removes it. A process that has opened it before can lock it afterwards, when others
 * lock a new file of that name already. So a lock counts only if the path still has the file that was locked, and a file is
 * removed only under an exclusive lock that counts.
 *
 * BEGIN EXCLUSIVE makes SQLite write the first page of the empty database, and a journal for it. The journal is kept in
 * memory: one on disk would be the journal of the next file of that name too.
 *
 * Writing alone does not need it: SQLite admits one writer at a time to the repository file.
 */

import { statSync, unlinkSync } from 'node:fs'
import { RepoLockedError } from '../../../errors.ts'
import type { SqliteDriver, SqliteHandle } from './driver.ts'
import { translateSqliteError } from './errors.ts'

export type LockKind = 'shared' | 'exclusive'

const BEGIN: Readonly<Record<LockKind, string>> = {
  shared: 'BEGIN; SELECT * FROM sqlite_schema',
  exclusive: 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE',
}
/** Attempts in a row to lock a file that others keep removing. Above that the lock counts as taken by another process. */
const MOST_ATTEMPTS = 20

export class SqliteLock {
  readonly #driver: SqliteDriver
  readonly #path: string
  readonly #held = { shared: 0, exclusive: 0 }
  #handle: SqliteHandle | undefined
  /** Identity of the file that the handle has open, read before opening it. */
  #inode: string | undefined
  #level: LockKind | undefined

  /** @param path of the repository file */
  constructor(driver: SqliteDriver, path: string) {
    this.#driver = driver
    this.#path = `${path}-lock`
  }

  get exclusive(): boolean {
    return this.#held.exclusive > 0
  }

  /**
   * Takes the lock, without waiting. It may be taken several times, and shared below exclusive; it stays exclusive until
   * all are released.
   * @throws {RepoLockedError}
   */
  acquire(kind: LockKind): void {
    if (this.#level === undefined || (this.#level === 'shared' && kind === 'exclusive')) this.#raise(kind)
    this.#held[kind]++
  }

  /** Gives back what one call of `acquire` took. */
  release(kind: LockKind): void {
    this.#held[kind]--
    if (this.#held.shared + this.#held.exclusive > 0) return
    rollback(this.#handle)
    this.#level = undefined
  }

  /** Releases everything, and removes the lock file if no other process has locked it. */
  close(): void {
    if (this.#handle === undefined) return
    rollback(this.#handle)
    this.#level = undefined
    try {
      this.#handle.exec(BEGIN.exclusive)
      if (this.#isCurrent()) unlinkSync(this.#path)
    } catch {
      // Another process has locked it, and will remove it.
    }
    this.#drop()
  }

  #raise(kind: LockKind): void {
    const before = this.#level
    rollback(this.#handle)
    this.#level = undefined
    try {
      this.#take(kind)
    } catch (error) {
      // A transaction of this process stays the only writer in between: it has the repository file itself locked.
      if (before !== undefined) this.#take(before)
      throw error
    }
  }

  #take(kind: LockKind): void {
    try {
      for (let attempt = 0; !this.#tryTake(kind); attempt++) {
        if (attempt === MOST_ATTEMPTS) throw new RepoLockedError(kind)
      }
      this.#level = kind
    } catch (error) {
      const translated = translateSqliteError(error, this.#path)
      throw translated instanceof RepoLockedError ? new RepoLockedError(kind, { cause: error }) : translated
    }
  }

  /** @returns false if another process has removed the file in the meantime; the handle is closed then */
  #tryTake(kind: LockKind): boolean {
    if (this.#handle === undefined) {
      this.#inode = inodeOf(this.#path)
      this.#handle = this.#driver.open(this.#path, 'create')
    }
    try {
      this.#handle.exec(BEGIN[kind])
      if (this.#isCurrent()) return true
    } catch (error) {
      rollback(this.#handle)
      // SQLite reports a file that is gone in many ways, also as an I/O error.
      if (this.#isCurrent()) throw error
    }
    this.#drop()
    return false
  }

  #drop(): void {
    rollback(this.#handle)
    this.#handle?.close()
    this.#handle = undefined
  }

  /** The path has the same file now as before opening, so it is the file that was opened. */
  #isCurrent(): boolean {
    return this.#inode !== undefined && this.#inode === inodeOf(this.#path)
  }
}

/**
 * Returns what identifies a file; `undefined` if it does not exist. Uses the path: opening the file a second time and
 * closing it would drop SQLite's locks (POSIX record locks).
 */
export function inodeOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`
}

function rollback(handle: SqliteHandle | undefined): void {
  try {
    handle?.exec('ROLLBACK')
  } catch {
    // No transaction was open.
  }
}
