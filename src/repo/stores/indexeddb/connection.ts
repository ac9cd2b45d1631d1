/**
 * The database of a repository in IndexedDB. Its object stores, with keys and values:
 *
 *     values    config                   text of the configuration
 *               next                     number of the next batch
 *               changes                  counts publications and deletions of objects
 *               open/BATCH               present while the objects of the batch are not published
 *               body/BODY                present while no object refers to a body of a published batch
 *               state/CHECKSUM           state of a commit that is not complete
 *               ref/PATH                 checksum, or `alias ` and a path
 *               commitmeta/CHECKSUM, tombstone-commit/CHECKSUM
 *     objects   TYPE/CHECKSUM/BATCH      object, encoded as in a table (table/objects.ts)
 *     pieces    [BODY, PIECE]            content of a file larger than SMALL_FILE, in pieces of at most that size
 *     files     PATH                     file beside the objects
 *
 * A transaction writes its objects early, in a batch that is open. Readers pass over open batches. Publishing deletes the
 * key `open/BATCH`, together with all changes of refs: that is one transaction of IndexedDB, however much was written.
 */

import { IoError, UnsupportedError } from '../../../errors.ts'

export type StoreName = 'values' | 'objects' | 'pieces' | 'files'
const STORES: readonly StoreName[] = ['values', 'objects', 'pieces', 'files']
const VERSION = 1
/** Keys that are read at a time. */
const KEYS = 10_000

/** Settles as the request does. */
export function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Returns the range of the keys that begin with `prefix`, which ends with a slash. */
export function keysBelow(prefix: string): IDBKeyRange {
  return IDBKeyRange.bound(prefix, `${prefix.slice(0, -1)}0`, false, true) // 0 follows the slash
}

export class Connection {
  readonly location: string
  readonly #database: IDBDatabase

  private constructor(database: IDBDatabase) {
    this.#database = database
    this.location = `indexeddb:${database.name}`
    // Lets another page delete the database or change its version.
    database.onversionchange = () => database.close()
  }

  /** Opens a database, and creates it if there is none. @throws {UnsupportedError} without IndexedDB; {IoError} */
  static async open(name: string): Promise<Connection> {
    if (globalThis.indexedDB === undefined) {
      throw new UnsupportedError('IndexedDB', 'This runtime does not have IndexedDB')
    }
    try {
      const request = indexedDB.open(name, VERSION)
      request.onupgradeneeded = () => {
        for (const store of STORES) request.result.createObjectStore(store)
      }
      return new Connection(await answer(request))
    } catch (error) {
      throw translate(error, `indexeddb:${name}`)
    }
  }

  /** Reads in one transaction. `work` awaits nothing but requests of it. @throws {IoError} */
  async read<T>(stores: readonly StoreName[], work: (tx: IDBTransaction) => Promise<T>): Promise<T> {
    try {
      return await work(this.#database.transaction(stores, 'readonly'))
    } catch (error) {
      throw translate(error, this.location)
    }
  }

  /**
   * Makes all changes of `work`, which awaits nothing but requests of the transaction, or none.
   * @param durable whether the changes and all earlier ones are on the disk afterwards, where the browser can say so
   * @throws {IoError} `ENOSPC` when the quota is used up
   */
  async write<T>(
    stores: readonly StoreName[],
    work: (tx: IDBTransaction) => T | Promise<T>,
    durable = true,
  ): Promise<T> {
    try {
      const tx = this.#database.transaction(stores, 'readwrite', { durability: durable ? 'strict' : 'relaxed' })
      const completed = new Promise<void>((resolve, reject) => {
        tx.oncomplete = () => resolve()
        tx.onabort = () => reject(tx.error ?? new DOMException('The transaction was aborted', 'AbortError'))
      })
      completed.catch(() => {}) // It is awaited below, unless `work` fails.
      try {
        const result = await work(tx)
        await completed
        return result
      } catch (error) {
        if (tx.error === null) abort(tx)
        throw error
      }
    } catch (error) {
      throw translate(error, this.location)
    }
  }

  get<T>(store: StoreName, key: IDBValidKey): Promise<T | undefined> {
    return this.read([store], (tx) => answer(tx.objectStore(store).get(key)))
  }

  /** Yields the keys that begin with `prefix`, which ends with a slash. They may be deleted meanwhile. */
  async *keys(store: StoreName, prefix: string): AsyncGenerator<string[]> {
    let range = keysBelow(prefix)
    for (;;) {
      const keys = await this.read([store], (tx) => answer(tx.objectStore(store).getAllKeys(range, KEYS)))
      if (keys.length > 0) yield keys as string[]
      if (keys.length < KEYS) return
      range = IDBKeyRange.bound(keys.at(-1), range.upper, true, true)
    }
  }

  close(): void {
    this.#database.close()
  }
}

function abort(tx: IDBTransaction): void {
  try {
    tx.abort()
  } catch {
    // It has ended already.
  }
}

function translate(error: unknown, location: string): unknown {
  if (!(error instanceof DOMException)) return error
  const errno = error.name === 'QuotaExceededError' ? 'ENOSPC' : 'EIO'
  return new IoError(`${location}: ${error.name}: ${error.message}`, errno, location, { cause: error })
}
