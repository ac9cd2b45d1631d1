/**
 * One connection to the file. It has at most one transaction of SQLite open, and is in one of these states:
 *
 *   state    begins with          ends with                           a single write meanwhile
 *   idle                                                              opens `single` or `batched`
 *   reading  read()               the next turn of the event loop,    ends it, then as in `idle`
 *                                 READ_SPAN, or any write
 *   single   write()              COMMIT as soon as it is done        (cannot happen: `write` does not wait)
 *   batched  write(…, true)       commit(), rollback()                joins the batch
 *   long     begin()              commit(), rollback()                joins it, and is kept in #joinedWrites
 *
 * `long` is the transaction of the repository. A single write that joined it does not belong to it: if it is rolled back,
 * `takeRolledBackWrites` returns that write, to be done again.
 *
 * SQLite's calls block the thread, so its own busy timeout is off. If another process has locked the file, `withBusyRetry`
 * tries again later, and the event loop runs meanwhile.
 *
 * The journal is a rollback journal. A write-ahead log would let other processes read during a long transaction, but it
 * writes every page twice: about half as many objects a second, on disk and in memory (bench/sqlite-layout.mjs).
 */

import type { MaybePromise } from '../../../bytes.ts'
import { FormatError, IoError, type OstreeError, ReadOnlyError, UsageError } from '../../../errors.ts'
import { withBusyRetry } from './busy.ts'
import type { SqliteHandle, SqliteStatement, SqlValue } from './driver.ts'
import { translateSqliteError } from './errors.ts'
import { requireSchema } from './schema.ts'

/**
 * Milliseconds for which consecutive reads share one read transaction, at most. Opening one takes six system calls: 8 of
 * the 10 µs that reading an object takes. While it is open another process cannot commit.
 */
const READ_SPAN = 10
/** KiB of pages kept in memory, changed or not; more is spilled into the file. */
const PAGE_CACHE = 16_384

/** A prepared statement. Its errors are `OstreeError`s. */
export class Statement<Row = never> {
  readonly #statement: SqliteStatement
  readonly #connection: Connection

  constructor(statement: SqliteStatement, connection: Connection) {
    this.#statement = statement
    this.#connection = connection
  }

  /** @returns rows changed */
  run(...values: SqlValue[]): number {
    this.#connection.throwIfFailed()
    try {
      return Number(this.#statement.run(...values).changes)
    } catch (error) {
      throw this.#connection.failed(error)
    }
  }

  // Rows have the shape the caller names: the columns are those of schema.ts, their values are checked where used.
  get(...values: SqlValue[]): Row | undefined {
    try {
      return this.#statement.get(...values) as Row | undefined
    } catch (error) {
      throw this.#connection.failed(error)
    }
  }

  all(...values: SqlValue[]): Row[] {
    try {
      return this.#statement.all(...values) as Row[]
    } catch (error) {
      throw this.#connection.failed(error)
    }
  }
}

export interface ConnectionOptions {
  readonly path: string
  readonly writable: boolean
  /** Seconds to wait for a lock; -1 waits forever. */
  lockTimeout: number
  /** Whether a commit reaches the disk before it returns. */
  fsync: boolean
}

export class Connection {
  readonly path: string
  readonly writable: boolean
  lockTimeout: number
  fsync: boolean
  readonly #handle: SqliteHandle
  #state: 'idle' | 'reading' | 'single' | 'batched' | 'long' = 'idle'
  /** When the state became `reading`, by `performance.now()`. */
  #readStarted = 0
  /** The single writes done in the open `long` transaction. */
  readonly #joinedWrites: (() => void)[] = []
  /** The error that broke the open transaction. SQLite may have rolled it back and would run the next statement outside of any. */
  #failure: OstreeError | undefined
  #closed = false

  constructor(handle: SqliteHandle, options: ConnectionOptions) {
    this.path = options.path
    this.writable = options.writable
    this.lockTimeout = options.lockTimeout
    this.fsync = options.fsync
    this.#handle = handle
    try {
      this.exec(`PRAGMA cache_size = -${PAGE_CACHE}; PRAGMA temp_store = MEMORY`)
      // What SQLite advises for files from an untrusted source (sqlite.org/security.html).
      this.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON')
    } catch (error) {
      handle.close()
      throw error
    }
  }

  prepare<Row = never>(sql: string): Statement<Row> {
    try {
      return new Statement(this.#handle.prepare(sql), this)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** @throws {FormatError}, {UnsupportedError} if the file has other tables, as `requireSchema` of schema.ts */
  requireSchema(): void {
    try {
      requireSchema(this.#handle, this.path)
    } catch (error) {
      throw this.failed(error)
    }
  }

  exec(sql: string): void {
    try {
      this.#handle.exec(sql)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /**
   * Calls `work`, which must not write, inside a transaction; again while the file is locked.
   * @throws {RepoLockedError} after `lockTimeout`, {UsageError} when closed
   */
  read<T>(work: () => T): MaybePromise<T> {
    return withBusyRetry('shared', this.lockTimeout, () => this.readAtOnce(work))
  }

  /** As `read`, but never waits. @throws {RepoLockedError} if the file is locked, {UsageError} when closed */
  readAtOnce<T>(work: () => T): T {
    this.requireOpen()
    if (this.#state === 'idle' || this.#state === 'reading') this.#startReading()
    return work()
  }

  /**
   * Does a single write: in the transaction that is open, else in one of its own.
   * @param batch leaves its own transaction open for more writes, until `commit`
   * @throws {RepoLockedError} after `lockTimeout`, {ReadOnlyError}, {UsageError} when closed
   */
  write(work: () => void, batch = false): MaybePromise<void> {
    return withBusyRetry('exclusive', this.lockTimeout, () => {
      this.requireWritable()
      if (this.#inWriteTransaction) {
        work()
        if (this.#state === 'long') this.#joinedWrites.push(work)
        return
      }
      this.#startWriting(this.fsync, batch ? 'batched' : 'single')
      if (batch) return work()
      try {
        work()
        this.#commit()
      } finally {
        this.rollback()
      }
    })
  }

  /**
   * Opens the transaction of the repository. The state must be `idle` or `reading`.
   * @throws {RepoLockedError} after `lockTimeout`, {ReadOnlyError}, {UsageError} when closed
   */
  begin(fsync: boolean): MaybePromise<void> {
    return withBusyRetry('exclusive', this.lockTimeout, () => {
      this.requireWritable()
      this.#startWriting(fsync, 'long')
    })
  }

  /** Returns, and forgets, the single writes that a rollback of the `long` transaction undid. */
  takeRolledBackWrites(): readonly (() => void)[] {
    return this.#joinedWrites.splice(0)
  }

  /** Whether single writes are waiting for `commit`. */
  get batching(): boolean {
    return this.#state === 'batched'
  }

  /**
   * Commits the open transaction, as soon as no other process is reading; rolls it back if that fails.
   * @throws {RepoLockedError} after `lockTimeout`; the error that broke the transaction before
   */
  async commit(): Promise<void> {
    try {
      await withBusyRetry('exclusive', this.lockTimeout, () => {
        this.requireOpen()
        this.#commit()
      })
    } finally {
      this.rollback()
    }
  }

  /** Undoes the open write transaction, if there is one. */
  rollback(): void {
    if (!this.#inWriteTransaction) return
    this.#state = 'idle'
    this.#end('ROLLBACK')
  }

  get #inWriteTransaction(): boolean {
    return this.#state !== 'idle' && this.#state !== 'reading'
  }

  #end(how: 'COMMIT' | 'ROLLBACK'): void {
    try {
      this.#handle.exec(how)
    } catch {
      // After some errors SQLite has rolled back by itself.
    }
  }

  /** @throws the error that broke the open write transaction */
  throwIfFailed(): void {
    if (this.#failure !== undefined && this.#inWriteTransaction) throw this.#failure
  }

  /** @throws {UsageError} */
  requireOpen(): void {
    if (this.#closed) throw new UsageError(`${this.path} is closed`)
  }

  /** @throws {UsageError}, {ReadOnlyError} */
  requireWritable(): void {
    this.requireOpen()
    if (!this.writable) throw new ReadOnlyError(this.path, `Cannot write to repository: ${this.path} is read-only`)
  }

  /** Returns the error to throw for one that SQLite threw, and remembers it if it breaks a transaction. */
  failed(error: unknown): unknown {
    const translated = translateSqliteError(error, this.path)
    if (translated instanceof IoError || translated instanceof FormatError) this.#failure = translated
    return translated
  }

  /** Rolls back and closes the file. May be called twice. */
  close(): void {
    if (this.#closed) return
    this.rollback()
    this.#endReading()
    this.#closed = true
    this.#handle.close()
  }

  /** Opens a read transaction, unless one is open that is younger than READ_SPAN. */
  #startReading(): void {
    const now = performance.now()
    const wasReading = this.#state === 'reading'
    if (wasReading && now - this.#readStarted < READ_SPAN) return
    this.#endReading()
    this.exec('BEGIN')
    this.#state = 'reading'
    this.#readStarted = now
    if (!wasReading) setImmediate(() => this.#endReading())
  }

  #endReading(): void {
    if (this.#state !== 'reading') return
    this.#state = 'idle'
    this.#end('COMMIT')
  }

  #startWriting(fsync: boolean, state: 'single' | 'batched' | 'long'): void {
    this.#endReading()
    this.exec(`PRAGMA synchronous = ${fsync ? 'FULL' : 'OFF'}; BEGIN IMMEDIATE`)
    this.#failure = undefined
    this.#state = state
  }

  #commit(): void {
    this.throwIfFailed()
    this.exec('COMMIT')
    this.#state = 'idle'
    this.#joinedWrites.length = 0
  }
}
