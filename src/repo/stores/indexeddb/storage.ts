/** A repository in IndexedDB, for pages and workers of a browser. */

import { ConflictError, FormatError, RepoLockedError, UsageError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import { initialConfig, parseConfig } from '../../core/config.ts'
import type { DeltaStore, LockOptions, RepoMode, Storage, Transaction } from '../../core/interface.ts'
import { NamedDeltas } from '../named-files.ts'
import { OpenTransaction } from '../open-transaction.ts'
import { answer, Connection } from './connection.ts'
import { IndexedDbFiles } from './files.ts'
import { KnownNames } from './known.ts'
import { createHandleLock, type HandleLock } from './locks.ts'
import { Batches, BODIES, IndexedDbObjects, pieces, putValue, splitKey } from './objects.ts'
import { IndexedDbRefs } from './refs.ts'
import { IndexedDbTransactionBackend } from './transaction.ts'

/** How a repository in IndexedDB is opened or created. */
export interface IndexedDbStorageOptions {
  readonly platform: Platform
  /** Mode of a repository that is created; one that exists keeps its own. Default `archive`. */
  readonly mode?: RepoMode | undefined
  /** Collection of a repository that is created. */
  readonly collectionId?: string | undefined
}

/**
 * Opens the repository in the IndexedDB database `name` of the page's origin, and creates it if there is none. Pages and
 * workers of the origin may use it at the same time: Web Locks lock it. Objects go to the database while a transaction is
 * under way, at most about 10 MB are on their way; in memory are the names of all objects, about 40 bytes each. A commit
 * is durable when it returns, where the browser heeds `durability: 'strict'`; `navigator.storage.persist()` keeps the
 * browser from deleting the database when space runs low. What a page left behind that was closed in a transaction is
 * deleted by the next exclusive lock. `indexedDB.deleteDatabase(name)` deletes the repository.
 * @throws {UnsupportedError} if the runtime has no IndexedDB
 * @throws {IoError} if the database cannot be opened or written: `ENOSPC` when the quota of the origin is used up
 * @throws {FormatError}, {UnsupportedError} if the database has a configuration that is not valid
 *
 * @example
 * const platform = portablePlatform
 * await using repo = await Repo.open(await openIndexedDbStorage('images', { platform }), platform)
 */
export async function openIndexedDbStorage(name: string, options: IndexedDbStorageOptions): Promise<Storage> {
  const { platform, mode = 'archive', collectionId } = options
  const connection = await Connection.open(name)
  try {
    const config = await connection.write(['values'], async (tx) => {
      const stored: unknown = await answer(tx.objectStore('values').get('config'))
      if (stored !== undefined) return stored
      const text = initialConfig(mode, collectionId)
      putValue(tx, 'config', text)
      return text
    })
    return new IndexedDbStorage(connection, platform, parseConfig(requireText(config)).settings.mode)
  } catch (error) {
    connection.close()
    throw error
  }
}

function requireText(config: unknown): string {
  if (typeof config === 'string') return config
  throw new FormatError('config', 'The database has no configuration of a repository')
}

class IndexedDbStorage implements Storage {
  readonly location: string
  readonly writable = true
  readonly mode: RepoMode
  readonly objects: IndexedDbObjects
  readonly refs: IndexedDbRefs
  readonly files: IndexedDbFiles
  readonly deltas: DeltaStore
  readonly #connection: Connection
  readonly #platform: Platform
  readonly #batches: Batches
  readonly #known: KnownNames
  readonly #lock: HandleLock
  #transaction: Transaction | 'beginning' | undefined
  #closed = false

  constructor(connection: Connection, platform: Platform, mode: RepoMode) {
    this.location = connection.location
    this.mode = mode
    this.#connection = connection
    this.#platform = platform
    this.#batches = new Batches(connection)
    this.#known = new KnownNames(connection, this.#batches)
    this.objects = new IndexedDbObjects(connection, this.#batches)
    this.refs = new IndexedDbRefs(connection)
    this.files = new IndexedDbFiles(connection)
    this.deltas = new NamedDeltas(this.files, (path) => this.files.has(path))
    this.#lock = createHandleLock(`ostree-ts ${this.location}`)
  }

  async readConfig(): Promise<string> {
    return requireText(await this.#connection.get('values', 'config'))
  }

  async writeConfig(text: string): Promise<void> {
    parseConfig(text)
    await this.#connection.write(['values'], (tx) => putValue(tx, 'config', text))
  }

  async #timeout({ timeout }: LockOptions): Promise<number> {
    return timeout ?? parseConfig(await this.readConfig()).settings.lockTimeout
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
    const backend = new IndexedDbTransactionBackend(this.#connection, this.#batches, this.#known, ended)
    this.#transaction = 'beginning'
    try {
      const { fsverity, lockTimeout } = parseConfig(await this.readConfig()).settings
      lock = await this.#lock.take('shared', lockTimeout)
      await backend.resume()
      this.#transaction = new OpenTransaction(backend, this.#platform, { mode: this.mode, fsverity })
      return this.#transaction
    } catch (error) {
      await ended()
      throw error
    }
  }

  async lock(kind: 'shared' | 'exclusive', options: LockOptions = {}): Promise<AsyncDisposable> {
    // A lock becomes exclusive by being released first, which a transaction does not survive.
    if (kind === 'exclusive' && this.#transaction !== undefined) throw new RepoLockedError(kind)
    const lock = await this.#lock.take(kind, await this.#timeout(options))
    try {
      if (kind === 'exclusive') await this.#sweep()
    } catch (error) {
      await lock[Symbol.asyncDispose]()
      throw error
    }
    return lock
  }

  async lockRefs(options: LockOptions = {}): Promise<AsyncDisposable> {
    return createHandleLock(`ostree-ts ${this.location} refs`).take('exclusive', await this.#timeout(options))
  }

  /** Deletes what transactions left behind whose page was closed. */
  async #sweep(): Promise<void> {
    const connection = this.#connection
    const open = await this.#batches.open()
    const bodies: string[] = []
    for await (const keys of connection.keys('values', 'body/')) {
      for (const key of keys) bodies.push(key)
    }
    if (open.size + bodies.length === 0) return
    for (const type of open.size === 0 ? [] : ['file', 'dirtree', 'dirmeta', 'commit']) {
      for await (const keys of connection.keys('objects', `${type}/`)) {
        const dead = keys.filter((key) => open.has(splitKey(key).batch))
        await connection.write(['objects'], (tx) => {
          for (const key of dead) tx.objectStore('objects').delete(key)
        })
      }
    }
    await connection.write(['pieces', 'values'], (tx) => {
      for (const batch of open) {
        tx.objectStore('pieces').delete(pieces(batch * BODIES, (batch + 1) * BODIES))
        putValue(tx, `open/${batch}`, undefined)
      }
      for (const key of bodies) {
        tx.objectStore('pieces').delete(pieces(Number(key.slice('body/'.length))))
        putValue(tx, key, undefined)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.#transaction !== 'beginning') await this.#transaction?.[Symbol.asyncDispose]()
    this.#connection.close()
  }
}
