/** A transaction of a repository in a table. Its small objects are in memory until they are published. */

import { type Checksum, decodeUtf8, encodeUtf8, SMALL_FILE } from '../../../bytes.ts'
import type { AttachedType, FileHeader, FileInfo, FileObject, MetaType, ObjectName } from '../../../objects/index.ts'
import { attachedChanges, type Changes } from '../changes.ts'
import type { LargeBody } from '../incoming-file.ts'
import type { TransactionBackend } from '../open-transaction.ts'
import { bodyFile, inlineFile, objectKey, openKey, pieceKey, stateChange, TableReader } from './objects.ts'
import type { TableRefs } from './refs.ts'
import type { ValueTable } from './value-table.ts'

export class TableTransactionBackend implements TransactionBackend {
  readonly #table: ValueTable
  readonly #refs: TableRefs
  readonly #ended: () => Promise<void>
  readonly #staged = new Map<string, Uint8Array>()
  readonly #reader: TableReader
  /** Bodies that no published object refers to, and whether a staged one does. */
  readonly #bodies = new Map<number, 'open' | 'kept'>()

  /** @param ended called when the next transaction may begin */
  constructor(table: ValueTable, refs: TableRefs, ended: () => Promise<void>) {
    this.#table = table
    this.#refs = refs
    this.#ended = ended
    this.#reader = new TableReader(table, this.#staged)
  }

  has(name: ObjectName): boolean {
    return this.#reader.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#reader.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#reader.readAttached(type, commit)
  }

  statFile(checksum: Checksum): FileInfo {
    return this.#reader.statFile(checksum)
  }

  readFile(checksum: Checksum): FileObject {
    return this.#reader.readFile(checksum)
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    return this.#insert({ type, checksum }, () => new Uint8Array(bytes))
  }

  insertFile(checksum: Checksum, _header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean {
    return this.#insert({ type: 'file', checksum }, () => inlineFile(framedHeader, body))
  }

  #insert(name: ObjectName, encode: () => Uint8Array): boolean {
    if (this.has(name)) return false
    this.#staged.set(objectKey(name), encode())
    return true
  }

  openBody(_header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody {
    const body = Number(decodeUtf8(this.#table.get('next') ?? encodeUtf8('0')))
    this.#table.write(
      new Map([
        ['next', encodeUtf8(`${body + 1}`)],
        [openKey(body), new Uint8Array(0)],
      ]),
    )
    this.#bodies.set(body, 'open')
    let pieces = 0
    let piece = new Uint8Array(Math.min(size, SMALL_FILE))
    let filled = 0
    const store = (): void => {
      this.#table.write(new Map([[pieceKey(body, pieces++), piece.slice(0, filled)]]))
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
      finish: () => {
        if (filled > 0) store()
        piece = new Uint8Array(0)
      },
      keep: (checksum) => {
        const isNew = this.#insert({ type: 'file', checksum }, () => bodyFile(framedHeader, size, body))
        if (isNew) this.#bodies.set(body, 'kept')
        else this.#drop(body)
        return isNew
      },
      abort: () => {
        if (this.#bodies.get(body) === 'open') this.#drop(body)
      },
    }
  }

  #drop(body: number): void {
    this.#bodies.delete(body)
    dropBody(this.#table, body)
  }

  publish(changes: Changes): void {
    const kept = [...this.#bodies].filter(([, state]) => state === 'kept').map(([body]) => body)
    const written = new Map<string, Uint8Array | undefined>(this.#staged)
    for (const body of kept) written.set(openKey(body), undefined)
    for (const [commit, state] of changes.states) written.set(...stateChange(commit, state))
    for (const [type, checksum, bytes] of attachedChanges(changes)) written.set(objectKey({ type, checksum }), bytes)
    for (const change of this.#refs.changes(changes.refs)) written.set(...change)
    this.#table.write(written)
    this.#staged.clear()
    for (const body of kept) this.#bodies.delete(body)
  }

  resume(): void {}

  async end(): Promise<void> {
    try {
      for (const body of [...this.#bodies.keys()]) this.#drop(body)
    } finally {
      await this.#ended()
    }
  }
}

/** Deletes a body that no object refers to. */
export function dropBody(table: ValueTable, body: number): void {
  const keys = [openKey(body), ...table.keys(`body/${body}/`)]
  table.write(new Map(keys.map((key) => [key, undefined])))
}
