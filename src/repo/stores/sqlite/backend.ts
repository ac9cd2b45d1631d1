/** What a transaction asks of the single-file store: rows written in one transaction of SQLite, refs last. */

import type { Checksum } from '../../../bytes.ts'
import type { AttachedType, FileInfo, FileObject, MetaType, ObjectName } from '../../../objects/index.ts'
import type { BodyWriter, Changes, EmbeddedBackend } from '../embedded-transaction.ts'
import type { SqliteStorage } from './storage.ts'

const ALL = Number.MAX_SAFE_INTEGER

export class SqliteBackend implements EmbeddedBackend {
  readonly #storage: SqliteStorage
  readonly #fsync: boolean
  #lock: AsyncDisposable | undefined

  constructor(storage: SqliteStorage, fsync: boolean) {
    this.#storage = storage
    this.#fsync = fsync
  }

  /** @param lock held until the end */
  async start(lock: AsyncDisposable): Promise<void> {
    this.#lock = lock
    try {
      await this.resume()
    } catch (error) {
      await lock[Symbol.asyncDispose]()
      throw error
    }
  }

  has(name: ObjectName): boolean {
    return this.#storage.rows.has(name, ALL)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#storage.rows.readMeta(type, checksum, ALL)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#storage.attachments.read(type, commit)
  }

  statFile(checksum: Checksum): FileInfo {
    return this.#storage.rows.statFile(checksum, ALL)
  }

  readFile(checksum: Checksum): FileObject {
    return this.#storage.rows.readFile(checksum, ALL)
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    return this.#storage.rows.insertMeta(type, checksum, bytes)
  }

  insertFile(checksum: Checksum, framedHeader: Uint8Array, body: Uint8Array): boolean {
    return this.#storage.rows.insertFile(checksum, framedHeader, body)
  }

  openBody(size: number): BodyWriter {
    return this.#storage.rows.openBody(size)
  }

  async publish({ refs, states, attached }: Changes): Promise<void> {
    const { connection, attachments, rows } = this.#storage
    for (const [commit, state] of states) attachments.setState(commit, state)
    for (const type of ['commitmeta', 'tombstone-commit'] as const) {
      for (const [commit, bytes] of attached[type]) attachments.write(type, commit, bytes)
    }
    this.#storage.refs.update(refs)
    await connection.commit()
    rows.stopWriting()
  }

  async resume(): Promise<void> {
    await this.#storage.connection.begin(this.#fsync)
    this.#storage.rows.startWriting()
  }

  async end(): Promise<void> {
    this.#storage.connection.rollback()
    this.#storage.rows.stopWriting()
    try {
      await this.#storage.transactionEnded()
    } finally {
      await this.#lock?.[Symbol.asyncDispose]()
    }
  }
}
