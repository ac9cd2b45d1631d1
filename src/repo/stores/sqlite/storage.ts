/** The single-file store. Its parts: database.ts. */

import { dirname } from 'node:path'
import type { MaybePromise } from '../../../bytes.ts'
import { ConflictError, FormatError } from '../../../errors.ts'
import type { KeyFile } from '../../../keyfile/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { ScratchFile } from '../../../system/scratch-file.ts'
import { parseConfig, type TriState } from '../../core/config.ts'
import type { BeginOptions, DeltaStore, LockOptions, RepoMode, Storage, Transaction } from '../../core/interface.ts'
import { OpenTransaction } from '../open-transaction.ts'
import { Packing } from './bodies.ts'
import type { Connection } from './connection.ts'
import { SqliteDatabase } from './database.ts'
import type { SqliteDriver } from './driver.ts'
import { SqliteFiles } from './files.ts'
import type { LockKind } from './lock.ts'
import { SqliteObjects } from './object-store.ts'
import { SqliteRefs } from './refs.ts'
import { SqliteTransactionBackend } from './transaction.ts'

/** Returns whether content can be compressed at a level: a whole number from 1 to 9. */
export function isPackingLevel(level: number): boolean {
  return Number.isInteger(level) && level >= 1 && level <= 9
}

/** Reads the group `[sqlite]` of the configuration. @returns 1 to 9, or 0 for no compression. @throws {FormatError} */
function packingLevel(config: KeyFile): number {
  const compression = config.getString('sqlite', 'compression', 'none')
  if (compression === 'none') return 0
  if (compression !== 'deflate') throw new FormatError('config', `Invalid sqlite.compression '${compression}'`)
  const level = Number(config.getString('sqlite', 'compression-level', '6'))
  if (!isPackingLevel(level)) {
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
  readonly files: SqliteFiles
  readonly deltas: DeltaStore
  readonly #database: SqliteDatabase
  readonly #packing: Packing
  readonly #platform: Platform
  #locking = true
  #fsverity: TriState = 'no'
  #transaction: Transaction | undefined

  private constructor(database: SqliteDatabase, packing: Packing, platform: Platform, mode: RepoMode) {
    this.location = database.path
    this.mode = mode
    this.writable = database.writable
    this.objects = new SqliteObjects(database)
    this.refs = new SqliteRefs(database)
    this.files = new SqliteFiles(database)
    this.deltas = this.files.deltas
    this.#database = database
    this.#packing = packing
    this.#platform = platform
  }

  /**
   * Takes the connection over, without waiting for a lock. Everything is read in one transaction.
   * @throws {RepoLockedError} if the file is locked
   * @throws {FormatError}, {UnsupportedError} if the file is damaged or not a repository, or its configuration is not valid
   */
  static open(connection: Connection, driver: SqliteDriver, platform: Platform): SqliteStorage {
    const packing = new Packing(platform, 0)
    return connection.readAtOnce(() => {
      connection.requireSchema()
      const database = new SqliteDatabase(connection, driver, packing)
      const text = database.configText()
      const storage = new SqliteStorage(database, packing, platform, parseConfig(text).settings.mode)
      storage.#configure(text)
      return storage
    })
  }

  #configure(text: string): void {
    const { config, settings } = parseConfig(text)
    this.#packing.level = packingLevel(config)
    this.#locking = settings.locking
    this.#fsverity = settings.fsverity
    this.#database.configure(settings)
  }

  readConfig(): MaybePromise<string> {
    return this.#database.readConfig()
  }

  /** @throws {FormatError}, {UnsupportedError} when the configuration is not valid; nothing is written */
  writeConfig(text: string): MaybePromise<void> {
    packingLevel(parseConfig(text).config)
    const written = this.#database.writeConfig(text)
    return written instanceof Promise ? written.then(() => this.#configure(text)) : this.#configure(text)
  }

  async begin({ fsync = this.#database.fsync }: BeginOptions = {}): Promise<Transaction> {
    this.#database.requireWritable()
    if (this.#transaction !== undefined) {
      throw new ConflictError(this.location, 'Failed to prepare transaction, another transaction is in progress')
    }
    const ended = (): void => {
      this.#transaction = undefined
    }
    const backend = new SqliteTransactionBackend(this.#database, this.refs, fsync, ended)
    // Set before anything is awaited, so that a second call meanwhile is refused.
    this.#transaction = new OpenTransaction(backend, this.#platform, { mode: this.mode, fsverity: this.#fsverity })
    try {
      await this.#database.commitBatch()
      const lock = await this.lock('shared')
      await backend.start(lock)
      return this.#transaction
    } catch (error) {
      this.#transaction = undefined
      throw error
    }
  }

  /** The file lies beside the database. */
  createScratch(): ScratchFile {
    return new ScratchFile(dirname(this.location))
  }

  async lock(kind: LockKind, { timeout }: LockOptions = {}): Promise<AsyncDisposable> {
    this.#database.requireOpen()
    // A file that cannot be written needs no lock, and its directory may have no place for one.
    if (!this.#locking || !this.writable) return { [Symbol.asyncDispose]: async () => {} }
    return this.#database.lock(kind, timeout)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#transaction?.[Symbol.asyncDispose]()
    } finally {
      await this.#database.close()
    }
  }
}
