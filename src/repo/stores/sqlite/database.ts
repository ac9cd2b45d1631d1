/**
 * The open file with its tables and its lock: the part that the storage, its object store, its refs and its transaction
 * share.
 */

import type { MaybePromise } from '../../../bytes.ts'
import { IoError } from '../../../errors.ts'
import { AttachmentRows } from './attachments.ts'
import type { Packing } from './bodies.ts'
import { withBusyRetry } from './busy.ts'
import type { Connection, Statement } from './connection.ts'
import type { SqliteDriver } from './driver.ts'
import { inodeOf, type LockKind, SqliteLock } from './lock.ts'
import { ObjectRows } from './object-rows.ts'
import { textOf } from './values.ts'

export class SqliteDatabase {
  readonly path: string
  readonly writable: boolean
  readonly objects: ObjectRows
  readonly attachments: AttachmentRows
  readonly #connection: Connection
  readonly #lock: SqliteLock
  readonly #selectConfig: Statement<{ value: unknown }>
  readonly #replaceConfig: Statement
  /** Identity of the file, read after it was opened. */
  readonly #inode: string | undefined

  constructor(connection: Connection, driver: SqliteDriver, packing: Packing) {
    this.path = connection.path
    this.writable = connection.writable
    this.objects = new ObjectRows(connection, packing)
    this.attachments = new AttachmentRows(connection)
    this.#connection = connection
    this.#lock = new SqliteLock(driver, connection.path)
    this.#inode = inodeOf(connection.path)
    this.#selectConfig = connection.prepare("SELECT value FROM settings WHERE name = 'config'")
    this.#replaceConfig = connection.prepare("INSERT OR REPLACE INTO settings VALUES ('config', ?)")
  }

  /** Runs `work`, which must not write. @throws as `Connection.read` */
  read<T>(work: () => T): MaybePromise<T> {
    return this.#connection.read(work)
  }

  /**
   * Runs a write that does not belong to the open transaction of the repository. Under an exclusive lock such writes are
   * gathered, and committed when the lock is released or a transaction begins.
   * @throws as `Connection.write`
   */
  write(work: () => void): MaybePromise<void> {
    return this.#connection.write(work, this.#lock.exclusive)
  }

  /** Prepares a statement for another table. */
  prepare<Row = never>(sql: string): Statement<Row> {
    return this.#connection.prepare(sql)
  }

  /** Runs statements in the transaction that is open. */
  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  /** Returns the text of the configuration. @throws {FormatError} */
  readConfig(): MaybePromise<string> {
    return this.read(() => this.configText())
  }

  /** As `readConfig`, inside a transaction that is open already. */
  configText(): string {
    return textOf(this.#selectConfig.get()?.value, 'config')
  }

  writeConfig(text: string): MaybePromise<void> {
    return this.write(() => void this.#replaceConfig.run(text))
  }

  /** Whether a commit reaches the disk before it returns. */
  get fsync(): boolean {
    return this.#connection.fsync
  }

  /** @param lockTimeout seconds to wait for a locked file; -1 waits forever */
  configure({ fsync, lockTimeout }: { readonly fsync: boolean; readonly lockTimeout: number }): void {
    this.#connection.fsync = fsync
    this.#connection.lockTimeout = lockTimeout
  }

  /** Begins the transaction of the repository. @throws as `Connection.begin` */
  async begin(fsync: boolean): Promise<void> {
    await this.#connection.begin(fsync)
    this.objects.startWriting()
  }

  /** Commits the transaction of the repository, or rolls it back and throws. */
  async commit(): Promise<void> {
    await this.#connection.commit()
    this.objects.stopWriting()
  }

  /**
   * Ends the transaction of the repository, if it is still open, without committing. Writes that did not belong to it and
   * were rolled back with it are done again.
   */
  rollback(): MaybePromise<void> {
    this.#connection.rollback()
    this.objects.stopWriting()
    const undone = this.#connection.takeRolledBackWrites()
    if (undone.length === 0) return
    return this.write(() => {
      for (const work of undone) work()
    })
  }

  /** Commits the writes that were gathered under an exclusive lock, and gives back the space of what they deleted. */
  async commitBatch(): Promise<void> {
    if (!this.#connection.batching) return
    this.objects.reclaimSpace()
    await this.#connection.commit()
  }

  /** @throws {UsageError}, {ReadOnlyError} */
  requireWritable(): void {
    this.#connection.requireWritable()
  }

  /** @throws {UsageError} */
  requireOpen(): void {
    this.#connection.requireOpen()
  }

  /**
   * Takes the lock of the repository, which is released by disposing the result.
   * @param timeout seconds to wait; -1 waits forever; default as configured
   * @throws {RepoLockedError}
   * @throws {IoError} when the repository file was removed or replaced after it was opened: what is written to it would
   *   be lost
   */
  async lock(kind: LockKind, timeout = this.#connection.lockTimeout): Promise<AsyncDisposable> {
    await withBusyRetry(kind, timeout, () => this.#lock.acquire(kind))
    if (this.#inode !== inodeOf(this.path)) {
      this.#lock.release(kind)
      throw new IoError(`${this.path}: the file was removed or replaced by another process`, 'ESTALE', this.path)
    }
    let held = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (!held) return
        held = false
        try {
          if (kind === 'exclusive') await this.commitBatch()
        } finally {
          this.#lock.release(kind)
        }
      },
    }
  }

  /** Commits what was gathered, and closes the file. */
  async close(): Promise<void> {
    try {
      await this.commitBatch()
    } finally {
      this.#connection.close()
      this.#lock.close()
    }
  }
}
