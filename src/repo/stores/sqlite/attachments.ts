/** The tables `attached` (detached metadata, tombstones) and `states` (commits that are not complete). */

import { type Checksum, fromHex } from '../../../bytes.ts'
import { type AttachedType, type ObjectName, objectTypeNumber } from '../../../objects/index.ts'
import type { CommitState } from '../../core/interface.ts'
import type { Connection, Statement } from './connection.ts'
import { nameOf } from './object-rows.ts'
import { blobOf } from './values.ts'

export class AttachmentRows {
  readonly #select: Statement<{ bytes: unknown }>
  readonly #set: Statement
  readonly #delete: Statement
  readonly #list: Statement<{ checksum: unknown; type: unknown }>
  readonly #selectState: Statement<{ state: unknown }>
  readonly #setState: Statement
  readonly #deleteState: Statement

  constructor(connection: Connection) {
    this.#select = connection.prepare('SELECT bytes FROM attached WHERE checksum = ? AND type = ?')
    this.#set = connection.prepare("INSERT OR REPLACE INTO attached VALUES (?, ?, ifnull(?, x''))")
    this.#delete = connection.prepare('DELETE FROM attached WHERE checksum = ? AND type = ?')
    this.#list = connection.prepare('SELECT checksum, type FROM attached ORDER BY checksum, type')
    this.#selectState = connection.prepare('SELECT state FROM states WHERE checksum = ?')
    this.#setState = connection.prepare('INSERT OR REPLACE INTO states VALUES (?, ?)')
    this.#deleteState = connection.prepare('DELETE FROM states WHERE checksum = ?')
  }

  /** @throws {FormatError} */
  read(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    const row = this.#select.get(fromHex(commit), objectTypeNumber(type))
    return row && blobOf(row.bytes, `${commit}.${type}`)
  }

  /** Replaces the bytes; `undefined` deletes them. @returns whether a row was written or deleted */
  write(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): boolean {
    const key = fromHex(commit)
    const number = objectTypeNumber(type)
    return (bytes === undefined ? this.#delete.run(key, number) : this.#set.run(key, number, bytes)) > 0
  }

  /** Returns all names in `attached`, sorted by checksum, then type. @throws {FormatError} */
  list(): ObjectName[] {
    return this.#list.all().map(nameOf)
  }

  state(commit: Checksum): CommitState {
    const state = this.#selectState.get(fromHex(commit))?.state
    return state === 'partial' || state === 'fsck-partial' ? state : 'complete'
  }

  setState(commit: Checksum, state: CommitState): void {
    if (state === 'complete') this.#deleteState.run(fromHex(commit))
    else this.#setState.run(fromHex(commit), state)
  }
}
