/** The single-file store behind the contracts of interface.ts. */

import type { Checksum, MaybePromise } from '../../../bytes.ts'
import { ConflictError, FormatError, ObjectNotFoundError } from '../../../errors.ts'
import type { KeyFile } from '../../../keyfile/index.ts'
import {
  type AttachedType,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../../objects/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { parseConfig } from '../../core/config.ts'
import type {
  BeginOptions,
  CommitState,
  LockOptions,
  ObjectStore,
  RepoMode,
  Storage,
  Transaction,
} from '../../core/interface.ts'
import { EmbeddedTransaction } from '../embedded-transaction.ts'
import { AttachmentRows } from './attachments.ts'
import { SqliteBackend } from './backend.ts'
import { Packing } from './bodies.ts'
import { type Connection, patiently, type Statement } from './connection.ts'
import type { SqliteDriver } from './driver.ts'
import { type LockKind, SqliteLock } from './lock.ts'
import { ObjectRows } from './objects.ts'
import { SqliteRefs } from './refs.ts'
import { textOf } from './values.ts'

/** What the key file says of this store. */
function packingLevel(config: KeyFile): number {
  const compression = config.getString('sqlite', 'compression', 'none')
  if (compression === 'none') return 0
  if (compression !== 'deflate') throw new FormatError('config', `Invalid sqlite.compression '${compression}'`)
  const level = Number(config.getString('sqlite', 'compression-level', '6'))
  if (!(Number.isInteger(level) && level >= 1 && level <= 9)) {
    throw new FormatError('config', `Invalid sqlite.compression-level '${level}': must be 1 to 9`)
  }
  return level
}

export class SqliteStorage implements Storage {
  readonly location: string
  readonly mode: RepoMode
  readonly writable: boolean
  readonly objects: SqliteObjects
  readonly refs: SqliteRefs
  readonly rows: ObjectRows
  readonly attachments: AttachmentRows
  readonly connection: Connection
  readonly #platform: Platform
  readonly #packing: Packing
  readonly #lock: SqliteLock
  readonly #readConfig: Statement<{ value: unknown }>
  readonly #writeConfig: Statement
  #locking = true
  #transaction: Transaction | undefined

  private constructor(connection: Connection, driver: SqliteDriver, platform: Platform, mode: RepoMode) {
    this.location = connection.path

    this.mode = mode
    this.writable = connection.writable
    this.connection = connection
    this.#platform = platform
    this.#packing = new Packing(platform, 0)
    this.rows = new ObjectRows(connection, this.#packing)
    this.attachments = new AttachmentRows(connection)
    this.objects = new SqliteObjects(this)
    this.refs = new SqliteRefs(connection, (work) => this.write(work))
    this.#lock = new SqliteLock(driver, connection.path)
    this.#readConfig = connection.prepare("SELECT value FROM settings WHERE name = 'config'")
    this.#writeConfig = connection.prepare("INSERT OR REPLACE INTO settings VALUES ('config', ?)")
  }

  /** @throws {FormatError} when the configuration is not right */
  static async open(connection: Connection, driver: SqliteDriver, platform: Platform): Promise<SqliteStorage> {
    const select = connection.prepare<{ value: unknown }>("SELECT value FROM settings WHERE name = 'config'")
    const text = textOf((await connection.read(() => select.get()))?.value, 'config')
    const storage = new SqliteStorage(connection, driver, platform, parseConfig(text).settings.mode)
    storage.#configure(text)
    return storage
  }

  #configure(text: string): void {
    const { config, settings } = parseConfig(text)
    this.#packing.level = packingLevel(config)
    this.#locking = settings.locking
    this.connection.fsync = settings.fsync
    this.connection.lockTimeout = settings.lockTimeout
  }

  readConfig(): MaybePromise<string> {
    return this.connection.read(() => textOf(this.#readConfig.get()?.value, 'config'))
  }

  /** @throws {FormatError}, and nothing is written, when it says what no repository may say */
  writeConfig(text: string): MaybePromise<void> {
    packingLevel(parseConfig(text).config)
    const written = this.write(() => void this.#writeConfig.run(text))
    return written instanceof Promise ? written.then(() => this.#configure(text)) : this.#configure(text)
  }

  async begin({ fsync = this.connection.fsync }: BeginOptions = {}): Promise<Transaction> {
    this.connection.requireWritable()
    if (this.#transaction !== undefined) {
      throw new ConflictError(this.location, 'Failed to prepare transaction, another transaction is in progress')
    }
    const backend = new SqliteBackend(this, fsync)
    // Now, not when the lock was had: two calls in a row must not both get through.
    this.#transaction = new EmbeddedTransaction(backend, this.#platform, this.mode)
    try {
      await this.flush()
      const lock = await this.lock('shared')
      await backend.start(lock)
      return this.#transaction
    } catch (error) {
      this.#transaction = undefined
      throw error
    }
  }

  /** What others wrote meanwhile did not belong to it: if it went down with it, it is written again. */
  transactionEnded(): MaybePromise<void> {
    this.#transaction = undefined
    const lost = this.connection.takeLost()
    if (lost.length === 0) return
    return this.write(() => {
      for (const work of lost) work()
    })
  }

  /** Runs a write that belongs to no transaction of the caller's. */
  write(work: () => void): MaybePromise<void> {
    return this.connection.write(work, this.#lock.exclusive)
  }

  /** Makes durable what was gathered under an exclusive lock, and gives back the space of what was deleted. */
  async flush(): Promise<void> {
    if (this.connection.transaction !== 'gathering') return
    if (this.rows.deleted) {
      this.rows.chunks.sweep()
      this.connection.exec('PRAGMA incremental_vacuum')
      this.rows.deleted = false
    }
    await this.connection.commit()
  }

  async lock(kind: LockKind, options: LockOptions = {}): Promise<AsyncDisposable> {
    this.connection.requireOpen()
    // Where nothing can be written there is nothing to be protected, and no place for a lock.
    if (!this.#locking || !this.writable) return { [Symbol.asyncDispose]: async () => {} }
    await patiently(kind, options.timeout ?? this.connection.lockTimeout, () => this.#lock.acquire(kind))
    let held = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (!held) return
        held = false
        try {
          if (kind === 'exclusive') await this.flush()
        } finally {
          this.#lock.release(kind)
        }
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#transaction?.[Symbol.asyncDispose]()
      await this.flush()
    } finally {
      this.connection.close()
      this.#lock.close()
    }
  }
}

class SqliteObjects implements ObjectStore {
  readonly #storage: SqliteStorage
  readonly #rows: ObjectRows
  readonly #attachments: AttachmentRows

  constructor(storage: SqliteStorage) {
    this.#storage = storage
    this.#rows = storage.rows
    this.#attachments = storage.attachments
  }

  has(name: ObjectName): MaybePromise<boolean> {
    return this.#read(() => {
      if (isAttached(name)) return this.#attachments.read(name.type, name.checksum) !== undefined
      return this.#rows.has(name, this.#rows.visible)
    })
  }

  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array> {
    return this.#read(() => this.#rows.readMeta(type, checksum, this.#rows.visible))
  }

  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined> {
    return this.#read(() => this.#attachments.read(type, commit))
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    return this.#read(() => this.#rows.statFile(checksum, this.#rows.visible))
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.#read(() => this.#rows.readFile(checksum, this.#rows.visible))
  }

  async *list(type?: ObjectType): AsyncIterable<ObjectName> {
    for (let last: ObjectName | undefined; ; ) {
      const names = await this.#read(() => this.#rows.namesAfter(last, type))
      if (names.length === 0) break
      for (const name of names) if (type === undefined || name.type === type) yield name
      last = names.at(-1)
    }
    for (const name of await this.#read(() => this.#attachments.list())) {
      if (type === undefined || name.type === type) yield name
    }
  }

  delete(name: ObjectName): MaybePromise<void> {
    return this.#storage.write(() => {
      const found = isAttached(name)
        ? this.#attachments.write(name.type, name.checksum, undefined)
        : this.#rows.delete(name)
      if (!found) throw new ObjectNotFoundError(formatObjectName(name))
    })
  }

  storageSize(name: ObjectName): MaybePromise<number> {
    return this.#read(() => {
      const size = isAttached(name)
        ? this.#attachments.read(name.type, name.checksum)?.length
        : this.#rows.storedSize(name)
      if (size === undefined) throw new ObjectNotFoundError(formatObjectName(name))
      return size
    })
  }

  commitState(commit: Checksum): MaybePromise<CommitState> {
    return this.#read(() => this.#attachments.state(commit))
  }

  setCommitState(commit: Checksum, state: CommitState): MaybePromise<void> {
    return this.#storage.write(() => this.#attachments.setState(commit, state))
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void> {
    const kept = bytes && new Uint8Array(bytes)
    return this.#storage.write(() => void this.#attachments.write(type, commit, kept))
  }

  #read<T>(work: () => T): MaybePromise<T> {
    return this.#storage.connection.read(work)
  }
}

function isAttached(name: ObjectName): name is ObjectName & { readonly type: AttachedType } {
  return name.type === 'commitmeta' || name.type === 'tombstone-commit'
}
