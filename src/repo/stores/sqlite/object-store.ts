/** The objects of the single-file store, as its readers see them: without what the open transaction has inserted. */

import type { Checksum, MaybePromise } from '../../../bytes.ts'
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
import type { CommitState, ObjectStore } from '../../core/interface.ts'
import { isAttached } from '../changes.ts'
import type { AttachmentRows } from './attachments.ts'
import type { SqliteDatabase } from './database.ts'
import type { ObjectRows } from './object-rows.ts'

export class SqliteObjects implements ObjectStore {
  readonly #database: SqliteDatabase
  readonly #rows: ObjectRows
  readonly #attachments: AttachmentRows

  constructor(database: SqliteDatabase) {
    this.#database = database
    this.#rows = database.objects
    this.#attachments = database.attachments
  }

  has(name: ObjectName): MaybePromise<boolean> {
    return this.#database.read(() => {
      if (isAttached(name)) return this.#attachments.read(name.type, name.checksum) !== undefined
      return this.#rows.has(name, 'committed')
    })
  }

  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array> {
    return this.#database.read(() => this.#rows.readMeta(type, checksum, 'committed'))
  }

  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined> {
    return this.#database.read(() => this.#attachments.read(type, commit))
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    return this.#database.read(() => this.#rows.statFile(checksum, 'committed'))
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.#database.read(() => this.#rows.readFile(checksum, 'committed'))
  }

  async *list(type?: ObjectType): AsyncIterable<ObjectName> {
    for (let last: ObjectName | undefined; ; ) {
      const names = await this.#database.read(() => this.#rows.namesAfter(last, type))
      if (names.length === 0) break
      for (const name of names) if (type === undefined || name.type === type) yield name
      last = names.at(-1)
    }
    for (const name of await this.#database.read(() => this.#attachments.list())) {
      if (type === undefined || name.type === type) yield name
    }
  }

  delete(name: ObjectName): MaybePromise<void> {
    return this.#database.write(() => {
      const found = isAttached(name)
        ? this.#attachments.write(name.type, name.checksum, undefined)
        : this.#rows.delete(name)
      if (!found) throw new ObjectNotFoundError(formatObjectName(name))
    })
  }

  storageSize(name: ObjectName): MaybePromise<number> {
    return this.#database.read(() => {
      const size = isAttached(name)
        ? this.#attachments.read(name.type, name.checksum)?.length
        : this.#rows.storedSize(name)
      if (size === undefined) throw new ObjectNotFoundError(formatObjectName(name))
      return size
    })
  }

  commitState(commit: Checksum): MaybePromise<CommitState> {
    return this.#database.read(() => this.#attachments.state(commit))
  }

  setCommitState(commit: Checksum, state: CommitState): MaybePromise<void> {
    return this.#database.write(() => this.#attachments.setState(commit, state))
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void> {
    const kept = bytes && new Uint8Array(bytes)
    return this.#database.write(() => void this.#attachments.write(type, commit, kept))
  }
}
