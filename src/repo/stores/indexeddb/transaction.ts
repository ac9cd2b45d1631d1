/**
 * A transaction of a repository in IndexedDB. What it writes goes to the database early, in an open batch; only names
 * stay in memory.
 */

import { type Checksum, SMALL_FILE } from '../../../bytes.ts'
import type { AttachedType, FileHeader, FileInfo, FileObject, MetaType, ObjectName } from '../../../objects/index.ts'
import { attachedChanges, type Changes, isAttached } from '../changes.ts'
import type { LargeBody } from '../incoming-file.ts'
import type { TransactionBackend } from '../open-transaction.ts'
import { bodyFile, decodeFile, inlineFile, objectKey } from '../table/objects.ts'
import { answer, type Connection } from './connection.ts'
import { type KnownNames, NameSet } from './known.ts'
import { type Batches, BatchReader, BODIES, countChange, pieces, putState, putValue } from './objects.ts'
import { updateRefs } from './refs.ts'

/** Bytes that are gathered before they are written. */
const GATHERED = 1 << 20
/** Bytes on their way to the database above which the caller has to wait. */
const MOST_UNDER_WAY = 8 << 20
/** Bytes that a value takes beside its content, about. */
const VALUE_OVERHEAD = 200

export class IndexedDbTransactionBackend implements TransactionBackend {
  readonly #connection: Connection
  readonly #known: KnownNames
  readonly #ended: () => Promise<void>
  readonly #reader: BatchReader
  #batch = 0
  /** The objects of this batch. */
  readonly #staged = new NameSet()
  /** Those of them that no transaction of the database writes yet, by `TYPE/CHECKSUM`. */
  #objects = new Map<string, Uint8Array>()
  #pieces: { key: [body: number, piece: number]; bytes: Uint8Array }[] = []
  #gathered = 0
  #underWay = 0
  /** Settles when everything under way is written, or has failed. */
  #written: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined
  /** Bodies that no published object refers to, and whether an object of this batch does. */
  readonly #bodies = new Map<number, 'open' | 'kept'>()
  #nextBody = 0

  /** @param ended called when the next transaction may begin */
  constructor(connection: Connection, batches: Batches, known: KnownNames, ended: () => Promise<void>) {
    this.#connection = connection
    this.#known = known
    this.#ended = ended
    this.#reader = new BatchReader(connection, batches, () => this.#batch)
  }

  /** Opens a batch. To be called once, before anything else. */
  async resume(): Promise<void> {
    await this.#known.refresh()
    this.#batch = await this.#connection.write(['values'], async (tx) => {
      const batch = ((await answer(tx.objectStore('values').get('next'))) as number | undefined) ?? 1
      putValue(tx, 'next', batch + 1)
      putValue(tx, `open/${batch}`, 1)
      return batch
    })
    this.#nextBody = this.#batch * BODIES
  }

  has(name: ObjectName): boolean {
    return this.#staged.has(name) || this.#known.has(name)
  }

  async hasNow(name: ObjectName): Promise<boolean> {
    return (!isAttached(name) && this.#staged.has(name)) || this.#reader.has(name)
  }

  async readMeta(type: MetaType, checksum: Checksum): Promise<Uint8Array> {
    const gathered = this.#objects.get(objectKey({ type, checksum }))
    return gathered === undefined ? this.#reader.readMeta(type, checksum) : new Uint8Array(gathered)
  }

  readAttached(type: AttachedType, commit: Checksum): Promise<Uint8Array | undefined> {
    return this.#reader.readAttached(type, commit)
  }

  async statFile(checksum: Checksum): Promise<FileInfo> {
    const { header, size } = await this.readFile(checksum)
    return { header, size }
  }

  async readFile(checksum: Checksum): Promise<FileObject> {
    const gathered = this.#objects.get(objectKey({ type: 'file', checksum }))
    if (gathered === undefined) return this.#reader.readFile(checksum)
    const file = decodeFile(gathered, checksum)
    if (file.content === undefined) this.#flush() // The last pieces of its content may be gathered, too.
    return this.#reader.contentOf(file, checksum)
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    return this.#insert({ type, checksum }, () => new Uint8Array(bytes))
  }

  insertFile(checksum: Checksum, _header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean {
    return this.#insert({ type: 'file', checksum }, () => inlineFile(framedHeader, body))
  }

  #insert(name: ObjectName, encode: () => Uint8Array): boolean {
    if (this.has(name)) return false
    const bytes = encode()
    this.#staged.add(name)
    this.#objects.set(objectKey(name), bytes)
    this.#gather(bytes.length)
    return true
  }

  #gather(bytes: number): void {
    this.#gathered += bytes + VALUE_OVERHEAD
    if (this.#gathered >= GATHERED) this.#flush()
  }

  /** Hands everything gathered to the database, which copies it at once and keeps the order of transactions. */
  #flush(): void {
    if (this.#gathered === 0 || this.#failure !== undefined) return
    const [objects, parts, bytes] = [this.#objects, this.#pieces, this.#gathered]
    this.#objects = new Map()
    this.#pieces = []
    this.#gathered = 0
    this.#underWay += bytes
    const put = (tx: IDBTransaction): void => {
      for (const [key, value] of objects) tx.objectStore('objects').put(value, `${key}/${this.#batch}`)
      for (const { key, bytes: piece } of parts) tx.objectStore('pieces').put(piece, key)
    }
    const written = this.#connection.write(['objects', 'pieces'], put, false).then(
      () => {
        this.#underWay -= bytes
      },
      (error) => {
        this.#failure ??= { error }
      },
    )
    const before = this.#written
    this.#written = before.then(() => written)
  }

  drained(): Promise<void> | undefined {
    return this.#underWay > MOST_UNDER_WAY || this.#failure !== undefined ? this.#settled() : undefined
  }

  /** Waits until everything under way is written. @throws {IoError} if a write has failed */
  async #settled(): Promise<void> {
    await this.#written
    if (this.#failure !== undefined) throw this.#failure.error
  }

  openBody(_header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody {
    const body = this.#nextBody++
    this.#bodies.set(body, 'open')
    let count = 0
    let piece = new Uint8Array(Math.min(size, SMALL_FILE))
    let filled = 0
    const store = (): void => {
      this.#pieces.push({ key: [body, count++], bytes: piece.slice(0, filled) })
      this.#gather(filled)
      filled = 0
    }
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          const part = bytes.subarray(at, at + piece.length - filled)
          piece.set(part, filled)
          filled += part.length
          at += part.length
          if (filled === piece.length) store()
        }
      },
      drained: () => this.drained(),
      finish: () => {
        if (filled > 0) store()
        piece = new Uint8Array(0)
      },
      keep: (checksum) => {
        const isNew = this.#insert({ type: 'file', checksum }, () => bodyFile(framedHeader, size, body))
        if (isNew) this.#bodies.set(body, 'kept')
        return isNew
      },
      // Its pieces are deleted when the transaction ends.
      abort: () => {},
    }
  }

  async publish(changes: Changes): Promise<void> {
    this.#flush()
    await this.#settled()
    const kept = [...this.#bodies].filter(([, state]) => state === 'kept').map(([body]) => body)
    const count = await this.#connection.write(['values'], async (tx) => {
      await updateRefs(tx, changes.refs)
      putValue(tx, `open/${this.#batch}`, undefined)
      // Bodies that are still open are not found by their batch any more.
      for (const [body, state] of this.#bodies) putValue(tx, `body/${body}`, state === 'open' ? 1 : undefined)
      for (const [commit, state] of changes.states) putState(tx, commit, state)
      for (const [type, checksum, bytes] of attachedChanges(changes))
        putValue(tx, objectKey({ type, checksum }), bytes && new Uint8Array(bytes))
      return countChange(tx)
    })
    this.#known.add(this.#staged, count)
    this.#staged.clear()
    for (const body of kept) this.#bodies.delete(body)
  }

  async end(committed: boolean): Promise<void> {
    try {
      await this.#written
      const names = [...this.#staged]
      const bodies = [...this.#bodies.keys()]
      this.#staged.clear()
      this.#objects.clear()
      this.#bodies.clear()
      if (!committed || bodies.length > 0) await this.#drop(names, bodies)
    } finally {
      await this.#ended()
    }
  }

  async #drop(names: readonly ObjectName[], bodies: readonly number[]): Promise<void> {
    await this.#connection.write(
      ['values', 'objects', 'pieces'],
      (tx) => {
        for (const name of names) tx.objectStore('objects').delete(`${objectKey(name)}/${this.#batch}`)
        for (const body of bodies) {
          tx.objectStore('pieces').delete(pieces(body))
          putValue(tx, `body/${body}`, undefined)
        }
        putValue(tx, `open/${this.#batch}`, undefined)
      },
      false,
    )
  }
}
