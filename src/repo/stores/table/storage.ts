/** A repository in a table of keys and values: the shortest way to a storage of one's own. */

import { decodeUtf8, encodeUtf8 } from '../../../bytes.ts'
import { ConflictError, FormatError, UsageError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import { initialConfig, parseConfig } from '../../core/config.ts'
import type { LockOptions, RepoMode, Storage, Transaction } from '../../core/interface.ts'
import { OpenTransaction } from '../open-transaction.ts'
import { TableLock } from './lock.ts'
import { TableObjects } from './objects.ts'
import { TableRefs } from './refs.ts'
import { dropBody, TableTransactionBackend } from './transaction.ts'
import type { ValueTable } from './value-table.ts'

/** How a repository in a table is opened or created. */
export interface TableStorageOptions {
  readonly platform: Platform
  readonly table: ValueTable
  /** Mode of a repository that is created; one that exists keeps its own. Default `archive`. */
  readonly mode?: RepoMode | undefined
  /** Collection of a repository that is created. */
  readonly collectionId?: string | undefined
  /** Name of the storage in messages. Default `table`. */
  readonly location?: string | undefined
}

/**
 * Opens the repository in a table, and creates it if the table has none. Storages of the same table object lock each
 * other. Small objects of a transaction are in memory until its next checkpoint; content larger than SMALL_FILE is not.
 * Content that a process left behind when it ended in a transaction is deleted by the next exclusive lock.
 * @throws {FormatError}, {UnsupportedError} if the table has a configuration that is not valid
 *
 * @example
 * const values = new Map<string, Uint8Array>()
 * const table = {
 *   get: (key: string) => values.get(key),
 *   keys: (prefix: string) => [...values.keys()].filter((key) => key.startsWith(prefix)),
 *   write: (changes: ReadonlyMap<string, Uint8Array | undefined>) => {
 *     for (const [key, value] of changes) value ? values.set(key, value) : values.delete(key)
 *   },
 * }
 * const storage = createTableStorage({ platform: portablePlatform, table })
 */
export function createTableStorage(options: TableStorageOptions): Storage {
  return new TableStorage(options)
}

/** The locks of a table, for all storages that use it. */
interface Locks {
  readonly repository: TableLock
  readonly refs: TableLock
}

const locksOf = new WeakMap<ValueTable, Locks>()

class TableStorage implements Storage {
  readonly location: string
  readonly writable = true
  readonly mode: RepoMode
  readonly objects: TableObjects
  readonly refs: TableRefs
  readonly #platform: Platform
  readonly #table: ValueTable
  readonly #locks: Locks
  #transaction: Transaction | undefined
  #closed = false

  constructor({ platform, table, mode = 'archive', collectionId, location = 'table' }: TableStorageOptions) {
    this.location = location
    this.#platform = platform
    this.#table = table
    this.#locks = locksOf.get(table) ?? { repository: new TableLock(), refs: new TableLock() }
    locksOf.set(table, this.#locks)
    this.objects = new TableObjects(table)
    this.refs = new TableRefs(table)
    if (table.get('config') === undefined) this.writeConfig(initialConfig(mode, collectionId))
    this.mode = this.#settings().mode
  }

  #settings() {
    return parseConfig(this.readConfig()).settings
  }

  readConfig(): string {
    const text = decodeUtf8(this.#table.get('config') ?? new Uint8Array(0))
    if (text === undefined) throw new FormatError('config', 'The configuration is not UTF-8')
    return text
  }

  writeConfig(text: string): void {
    parseConfig(text)
    this.#table.write(new Map([['config', encodeUtf8(text)]]))
  }

  async begin(): Promise<Transaction> {
    if (this.#closed) throw new UsageError('The repository is closed')
    if (this.#transaction !== undefined) {
      throw new ConflictError(this.location, 'Failed to prepare transaction, another transaction is in progress')
    }
    let lock: AsyncDisposable | undefined
    const ended = async (): Promise<void> => {
      this.#transaction = undefined
      await lock?.[Symbol.asyncDispose]()
    }
    const backend = new TableTransactionBackend(this.#table, this.refs, ended)
    const { fsverity } = this.#settings()
    // Set before anything is awaited, so that a second call meanwhile is refused.
    const transaction = new OpenTransaction(backend, this.#platform, { mode: this.mode, fsverity })
    this.#transaction = transaction
    try {
      lock = await this.lock('shared')
    } catch (error) {
      this.#transaction = undefined
      throw error
    }
    return transaction
  }

  async lock(kind: 'shared' | 'exclusive', { timeout }: LockOptions = {}): Promise<AsyncDisposable> {
    const lock = await this.#locks.repository.take(this, kind, timeout ?? this.#settings().lockTimeout)
    if (kind === 'exclusive' && this.#transaction === undefined) {
      for (const key of [...this.#table.keys('open/')]) dropBody(this.#table, Number(key.slice('open/'.length)))
    }
    return lock
  }

  lockRefs({ timeout }: LockOptions = {}): Promise<AsyncDisposable> {
    return this.#locks.refs.take({}, 'exclusive', timeout ?? this.#settings().lockTimeout)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#transaction?.[Symbol.asyncDispose]()
  }
}
