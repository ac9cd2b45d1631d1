/**
 * One connection, which reads, and writes in transactions. SQLite's calls block, so they never wait: whoever finds the
 * file locked by another process tries again later, and the event loop runs on meanwhile.
 *
 * The journal is a rollback journal. A write-ahead log would let other processes read during a long transaction, but it
 * writes every page twice: about half as many objects a second, on disk and in memory (bench/sqlite-layout.mjs).
 */

import type { MaybePromise } from '../../../bytes.ts'
import { FormatError, IoError, type OstreeError, ReadOnlyError, RepoLockedError, UsageError } from '../../../errors.ts'
import type { SqliteHandle, SqliteStatement, SqlValue } from './driver.ts'
import { translateSqliteError } from './errors.ts'

/** Milliseconds between two attempts. */
const POLL = 25
/**
 * Milliseconds for which reads in a row share one read transaction, at most. Opening one is six system calls: 8 of the
 * 10 µs that asking for an object takes. While it is open another process cannot commit.
 */
const BURST = 10
/** KiB of pages kept in memory, changed or not; more is spilled into the file. */
const CACHE = 16_384

/** A prepared statement whose errors are of the family. */
export class Statement<Row = never> {
  readonly #statement: SqliteStatement
  readonly #connection: Connection

  constructor(statement: SqliteStatement, connection: Connection) {
    this.#statement = statement
    this.#connection = connection
  }

  /** @returns rows changed */
  run(...values: SqlValue[]): number {
    this.#connection.requireWhole()
    try {
      return Number(this.#statement.run(...values).changes)
    } catch (error) {
      throw this.#connection.failed(error)
    }
  }

  // Rows have the shape the caller names: the columns are ours (sqlite-schema.ts), their values are checked where used.
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
  /** Seconds to wait for a lock; -1 forever. */
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
  /** When the read transaction that is open was opened; it ends when the event loop comes round, or later reads end it. */
  #burst: number | undefined
  /**
   * - `single`    ends with the write it was opened for
   * - `gathering` single writes go into it until somebody commits
   * - `long`      the same, and it belongs to a transaction of the repository
   */
  #transaction: 'none' | 'single' | 'gathering' | 'long' = 'none'
  /** Single writes that went into the long transaction. */
  readonly #beside: (() => void)[] = []
  /** What broke the transaction. SQLite may have rolled it back and would go on without one. */
  #failure: OstreeError | undefined
  #closed = false

  constructor(handle: SqliteHandle, options: ConnectionOptions) {
    this.path = options.path
    this.writable = options.writable
    this.lockTimeout = options.lockTimeout
    this.fsync = options.fsync
    this.#handle = handle
    try {
      // The last two are what SQLite advises for files that may come from anybody.
      this.exec(`PRAGMA cache_size = -${CACHE}; PRAGMA temp_store = MEMORY`)
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

  exec(sql: string): void {
    try {
      this.#handle.exec(sql)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** Asks, and asks again while the file is locked. @param work must not write */
  read<T>(work: () => T): MaybePromise<T> {
    return patiently('shared', this.lockTimeout, () => {
      this.requireOpen()
      if (this.#transaction === 'none') this.#readOn()
      return work()
    })
  }

  /**
   * Writes at once, in a transaction of its own unless one is open.
   * @param gather leaves that open for others to come
   * @throws {ReadOnlyError}, {RepoLockedError}
   */
  write(work: () => void, gather = false): MaybePromise<void> {
    return patiently('exclusive', this.lockTimeout, () => {
      this.requireWritable()
      if (this.#transaction !== 'none') {
        work()
        if (this.#transaction === 'long') this.#beside.push(work)
        return
      }
      this.#start(this.fsync, gather ? 'gathering' : 'single')
      if (gather) return work()
      try {
        work()
        this.#commit()
      } finally {
        this.rollback()
      }
    })
  }

  /** Opens a transaction that lasts until `commit` or `rollback`. */
  begin(fsync: boolean): MaybePromise<void> {
    return patiently('exclusive', this.lockTimeout, () => {
      this.requireWritable()
      this.#start(fsync, 'long')
    })
  }

  /** The single writes that were rolled back with a long transaction they were no part of. */
  takeLost(): readonly (() => void)[] {
    return this.#beside.splice(0)
  }

  get transaction(): 'none' | 'single' | 'gathering' | 'long' {
    return this.#transaction
  }

  /** Commits, when the readers of other processes let it; if not, all is rolled back. */
  async commit(): Promise<void> {
    try {
      await patiently('exclusive', this.lockTimeout, () => {
        this.requireOpen()
        this.#commit()
      })
    } finally {
      this.rollback()
    }
  }

  rollback(): void {
    if (this.#transaction === 'none') return
    this.#transaction = 'none'
    this.#end('ROLLBACK')
  }

  #end(how: 'COMMIT' | 'ROLLBACK'): void {
    try {
      this.#handle.exec(how)
    } catch {
      // Some failures have rolled back already.
    }
  }

  /** @throws what broke the open transaction, if something did */
  requireWhole(): void {
    if (this.#failure !== undefined && this.#transaction !== 'none') throw this.#failure
  }

  requireOpen(): void {
    if (this.#closed) throw new UsageError(`${this.path} is closed`)
  }

  requireWritable(): void {
    this.requireOpen()
    if (!this.writable) throw new ReadOnlyError(this.path, `Cannot write to repository: ${this.path} is read-only`)
  }

  /** The error to throw for what SQLite threw. */
  failed(error: unknown): unknown {
    const translated = translateSqliteError(error, this.path)
    if (translated instanceof IoError || translated instanceof FormatError) this.#failure = translated
    return translated
  }

  close(): void {
    if (this.#closed) return
    this.rollback()
    this.#endBurst()
    this.#closed = true
    this.#handle.close()
  }

  /** Opens a read transaction, unless one is open and young enough. */
  #readOn(): void {
    const now = performance.now()
    if (this.#burst !== undefined && now - this.#burst < BURST) return
    const scheduled = this.#burst !== undefined
    this.#endBurst()
    this.exec('BEGIN')
    this.#burst = now
    if (!scheduled) setImmediate(() => this.#endBurst())
  }

  #endBurst(): void {
    if (this.#burst === undefined) return
    this.#burst = undefined
    this.#end('COMMIT')
  }

  #start(fsync: boolean, kind: 'single' | 'gathering' | 'long'): void {
    this.#endBurst()
    this.exec(`PRAGMA synchronous = ${fsync ? 'FULL' : 'OFF'}; BEGIN IMMEDIATE`)
    this.#failure = undefined
    this.#transaction = kind
  }

  #commit(): void {
    this.requireWhole()
    this.exec('COMMIT')
    this.#transaction = 'none'
    this.#beside.length = 0
  }
}

/** Does what may find the file locked, again and again until `timeout` (seconds, -1 is forever) is over. */
export function patiently<T>(kind: 'shared' | 'exclusive', timeout: number, work: () => T): MaybePromise<T> {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RepoLockedError)) throw error
    if (timeout === 0) throw new RepoLockedError(kind, { cause: error.cause })
    return retry(kind, timeout, work)
  }
}

async function retry<T>(kind: 'shared' | 'exclusive', timeout: number, work: () => T): Promise<T> {
  const end = timeout < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL))
    try {
      return work()
    } catch (error) {
      if (!(error instanceof RepoLockedError)) throw error
      if (performance.now() >= end) throw new RepoLockedError(kind, { cause: error.cause })
    }
  }
}
