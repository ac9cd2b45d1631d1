/** Objects in IndexedDB: how they are found in batches, read, listed and deleted. */

import type { Checksum } from '../../../bytes.ts'
import { ObjectNotFoundError } from '../../../errors.ts'
import {
  type AttachedType,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../../objects/index.ts'
import type { CommitState, ObjectReader, ObjectStore } from '../../core/interface.ts'
import { isAttached } from '../changes.ts'
import { decodeFile, objectKey, type StoredFile } from '../table/objects.ts'
import { answer, type Connection, keysBelow } from './connection.ts'

const NAMED: readonly ObjectType[] = ['file', 'dirtree', 'dirmeta', 'commit']
const ATTACHED: readonly AttachedType[] = ['commitmeta', 'tombstone-commit']

/** Numbers of bodies per batch. */
export const BODIES = 2 ** 20

/** Returns the range of the keys of all pieces of bodies from `first` to before `end`. */
export function pieces(first: number, end: number = first + 1): IDBKeyRange {
  return IDBKeyRange.bound([first], [end], false, true)
}

/** Splits the key of an object. */
export function splitKey(key: string): { name: string; batch: number } {
  const at = key.lastIndexOf('/')
  return { name: key.slice(0, at), batch: Number(key.slice(at + 1)) }
}

/** Tells which batches are published. */
export class Batches {
  readonly #connection: Connection
  /** Batches seen published. A number is not used again, so they stay published. */
  readonly #published = new Set<number>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async isPublished(tx: IDBTransaction, batch: number): Promise<boolean> {
    if (this.#published.has(batch)) return true
    if ((await answer(tx.objectStore('values').getKey(`open/${batch}`))) !== undefined) return false
    this.#published.add(batch)
    return true
  }

  /** Lists the batches that are open now. */
  async open(): Promise<Set<number>> {
    const open = new Set<number>()
    for await (const keys of this.#connection.keys('values', 'open/'))
      for (const key of keys) open.add(Number(key.slice('open/'.length)))
    return open
  }

  /** Yields the names of published objects, sorted by type and checksum; one that is in several batches comes repeatedly. */
  async *names(type?: ObjectType): AsyncGenerator<ObjectName[]> {
    for (const each of NAMED.filter((one) => type === undefined || one === type)) {
      for await (const keys of this.#connection.keys('objects', `${each}/`)) {
        const open = await this.open()
        const found = keys.map(splitKey).filter(({ batch }) => !open.has(batch))
        yield found.map(({ name }) => ({ checksum: name.slice(each.length + 1) as Checksum, type: each }))
      }
    }
  }
}

/** Reads published objects, and those of one batch that is open. */
export class BatchReader implements ObjectReader {
  readonly connection: Connection
  readonly batches: Batches
  /** Returns the number of the batch of a transaction. */
  readonly #own: () => number | undefined

  constructor(connection: Connection, batches: Batches, own: () => number | undefined = () => undefined) {
    this.connection = connection
    this.batches = batches
    this.#own = own
  }

  async has(name: ObjectName): Promise<boolean> {
    if (isAttached(name)) return (await this.#attached(name)) !== undefined
    return this.connection.read(['objects', 'values'], async (tx) => {
      const request = tx.objectStore('objects').openKeyCursor(keysBelow(`${objectKey(name)}/`))
      return (await this.#seek(tx, request)) !== undefined
    })
  }

  /** Moves a cursor to the first key whose batch may be read. */
  async #seek<T extends IDBCursor>(tx: IDBTransaction, request: IDBRequest<T | null>): Promise<T | undefined> {
    for (let cursor = await answer(request); cursor !== null; cursor = await answer(request)) {
      const { batch } = splitKey(cursor.key as string)
      if (batch === this.#own() || (await this.batches.isPublished(tx, batch))) return cursor
      cursor.continue()
    }
    return undefined
  }

  async find(name: ObjectName): Promise<Uint8Array | undefined> {
    if (isAttached(name)) return this.#attached(name)
    return this.connection.read(['objects', 'values'], async (tx) => {
      const request = tx.objectStore('objects').openCursor(keysBelow(`${objectKey(name)}/`))
      return (await this.#seek(tx, request))?.value as Uint8Array | undefined
    })
  }

  #attached(name: ObjectName): Promise<Uint8Array | undefined> {
    return this.connection.get('values', objectKey(name))
  }

  async require(name: ObjectName): Promise<Uint8Array> {
    const stored = await this.find(name)
    if (stored === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    return stored
  }

  readMeta(type: MetaType, checksum: Checksum): Promise<Uint8Array> {
    return this.require({ type, checksum })
  }

  readAttached(type: AttachedType, commit: Checksum): Promise<Uint8Array | undefined> {
    return this.#attached({ type, checksum: commit })
  }

  async file(checksum: Checksum): Promise<StoredFile> {
    return decodeFile(await this.require({ type: 'file', checksum }), checksum)
  }

  async statFile(checksum: Checksum): Promise<FileInfo> {
    const { header, size } = await this.file(checksum)
    return { header, size }
  }

  async readFile(checksum: Checksum): Promise<FileObject> {
    return this.contentOf(await this.file(checksum), checksum)
  }

  contentOf({ header, size, content, body }: StoredFile, checksum: Checksum): FileObject {
    return { header, size, body: content ?? this.#pieces(checksum, body, size) }
  }

  async *#pieces(checksum: Checksum, body: number, size: number): AsyncIterable<Uint8Array> {
    let read = 0
    for (let piece = 0; read < size; piece++) {
      const bytes = await this.connection.get<Uint8Array>('pieces', [body, piece])
      if (bytes === undefined) throw new ObjectNotFoundError(formatObjectName({ type: 'file', checksum }))
      read += bytes.length
      yield bytes
    }
  }
}

export class IndexedDbObjects extends BatchReader implements ObjectStore {
  async *list(type?: ObjectType): AsyncIterable<ObjectName> {
    let last: ObjectName | undefined
    for await (const names of this.batches.names(type)) {
      for (const name of names) {
        if (name.checksum !== last?.checksum || name.type !== last.type) yield name
        last = name
      }
    }
    for (const each of ATTACHED.filter((one) => type === undefined || one === type)) {
      for await (const keys of this.connection.keys('values', `${each}/`))
        for (const key of keys) yield { checksum: key.slice(each.length + 1) as Checksum, type: each }
    }
  }

  async delete(name: ObjectName): Promise<void> {
    if (isAttached(name)) {
      await this.require(name)
      return this.writeAttached(name.type, name.checksum, undefined)
    }
    await this.connection.write(['objects', 'pieces', 'values'], async (tx) => {
      const objects = tx.objectStore('objects')
      const range = keysBelow(`${objectKey(name)}/`)
      const rows: Uint8Array[] = await answer(objects.getAll(range))
      if (rows.length === 0) throw new ObjectNotFoundError(formatObjectName(name))
      for (const row of name.type === 'file' ? rows : []) {
        const { body } = decodeFile(row, name.checksum)
        if (body >= 0) tx.objectStore('pieces').delete(pieces(body))
      }
      objects.delete(range)
      await countChange(tx)
    })
  }

  async storageSize(name: ObjectName): Promise<number> {
    const stored = await this.require(name)
    if (name.type !== 'file') return stored.length
    const { body, size } = decodeFile(stored, name.checksum)
    return stored.length + (body >= 0 ? size : 0)
  }

  async commitState(commit: Checksum): Promise<CommitState> {
    const state = await this.connection.get('values', `state/${commit}`)
    return state === 'partial' || state === 'fsck-partial' ? state : 'complete'
  }

  setCommitState(commit: Checksum, state: CommitState): Promise<void> {
    return this.connection.write(['values'], (tx) => putState(tx, commit, state))
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): Promise<void> {
    const copy = bytes && new Uint8Array(bytes)
    return this.connection.write(['values'], (tx) => putValue(tx, objectKey({ type, checksum: commit }), copy))
  }
}

/** Sets a value; `undefined` deletes it. */
export function putValue(tx: IDBTransaction, key: string, value: unknown): void {
  const values = tx.objectStore('values')
  if (value === undefined) values.delete(key)
  else values.put(value, key)
}

export function putState(tx: IDBTransaction, commit: Checksum, state: CommitState): void {
  putValue(tx, `state/${commit}`, state === 'complete' ? undefined : state)
}

/** Lets other handles see that the set of published objects has changed. @returns the new count of changes */
export async function countChange(tx: IDBTransaction): Promise<number> {
  const count = (((await answer(tx.objectStore('values').get('changes'))) as number | undefined) ?? 0) + 1
  tx.objectStore('values').put(count, 'changes')
  return count
}
