/** A transaction of the repository in the single-file store: one transaction of SQLite between two checkpoints. */

import type { Checksum } from '../../../bytes.ts'
import type { AttachedType, FileHeader, FileInfo, FileObject, MetaType, ObjectName } from '../../../objects/index.ts'
import { attachedChanges, type Changes, isAttached } from '../changes.ts'
import type { LargeBody } from '../incoming-file.ts'
import type { TransactionBackend } from '../open-transaction.ts'
import type { SqliteDatabase } from './database.ts'
import type { SqliteRefs } from './refs.ts'

export class SqliteTransactionBackend implements TransactionBackend {
  readonly #database: SqliteDatabase
  readonly #refs: SqliteRefs
  readonly #fsync: boolean
  readonly #ended: () => void
  #lock: AsyncDisposable | undefined

  /** @param ended called when the next transaction may begin */
  constructor(database: SqliteDatabase, refs: SqliteRefs, fsync: boolean, ended: () => void) {
    this.#database = database
    this.#refs = refs
    this.#fsync = fsync
    this.#ended = ended
  }

  /** Begins. @param lock released when the transaction ends, or does not begin */
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
    if (isAttached(name)) return this.readAttached(name.type, name.checksum) !== undefined
    return this.#database.objects.has(name, 'all')
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#database.objects.readMeta(type, checksum, 'all')
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#database.attachments.read(type, commit)
  }

  statFile(checksum: Checksum): FileInfo {
    return this.#database.objects.statFile(checksum, 'all')
  }

  readFile(checksum: Checksum): FileObject {
    return this.#database.objects.readFile(checksum, 'all')
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    return this.#database.objects.insertMeta(type, checksum, bytes)
  }

  insertFile(checksum: Checksum, _header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean {
    return this.#database.objects.insertFile(checksum, framedHeader, body)
  }

  openBody(_header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody {
    return this.#database.objects.openBody(framedHeader, size)
  }

  async publish(changes: Changes): Promise<void> {
    const { attachments } = this.#database
    for (const [commit, state] of changes.states) attachments.setState(commit, state)
    for (const [type, commit, bytes] of attachedChanges(changes)) attachments.write(type, commit, bytes)
    this.#refs.update(changes.refs)
    await this.#database.commit()
  }

  resume(): Promise<void> {
    return this.#database.begin(this.#fsync)
  }

  async end(): Promise<void> {
    try {
      this.#ended()
      await this.#database.rollback()
    } finally {
      await this.#lock?.[Symbol.asyncDispose]()
    }
  }
}
