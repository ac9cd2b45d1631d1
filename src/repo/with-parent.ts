/**
 * A repository with a parent reads what it lacks from there and does not store what is there already. Lists, deletions,
 * sizes and all writes concern the repository itself alone.
 *
 * Source: ostree-repo.c, `parent_repo` in load_metadata_internal, ostree_repo_load_file, ostree_repo_has_object.
 */

import type { Checksum, MaybePromise } from '../bytes.ts'
import { ObjectNotFoundError } from '../errors.ts'
import {
  type AttachedType,
  checksumFile,
  checksumMeta,
  type FileInfo,
  type FileObject,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../objects/index.ts'
import type { Platform } from '../platform/index.ts'
import { ForwardingTransaction } from './forwarding.ts'
import type { CommitState, ObjectReader, ObjectStore, Transaction } from './interface.ts'

/** The first of two readers that has it. */
class FallbackReader implements ObjectReader {
  readonly #own: ObjectReader
  readonly #parent: ObjectReader

  constructor(own: ObjectReader, parent: ObjectReader) {
    this.#own = own
    this.#parent = parent
  }

  async has(name: ObjectName): Promise<boolean> {
    return (await this.#own.has(name)) || (await this.#parent.has(name))
  }

  readMeta(type: MetaType, checksum: Checksum): Promise<Uint8Array> {
    return this.#first((reader) => reader.readMeta(type, checksum))
  }

  async readAttached(type: AttachedType, commit: Checksum): Promise<Uint8Array | undefined> {
    return (await this.#own.readAttached(type, commit)) ?? (await this.#parent.readAttached(type, commit))
  }

  statFile(checksum: Checksum): Promise<FileInfo> {
    return this.#first((reader) => reader.statFile(checksum))
  }

  readFile(checksum: Checksum): Promise<FileObject> {
    return this.#first((reader) => reader.readFile(checksum))
  }

  async #first<T>(read: (reader: ObjectReader) => MaybePromise<T>): Promise<T> {
    try {
      return await read(this.#own)
    } catch (error) {
      if (!(error instanceof ObjectNotFoundError)) throw error
      return read(this.#parent)
    }
  }
}

class ObjectsWithParent extends FallbackReader implements ObjectStore {
  readonly #store: ObjectStore
  readonly #parent: ObjectStore

  constructor(store: ObjectStore, parent: ObjectStore) {
    super(store, parent)
    this.#store = store
    this.#parent = parent
  }

  loosePath(name: ObjectName): string | undefined {
    return this.#store.loosePath?.(name) ?? this.#parent.loosePath?.(name)
  }

  list(type?: ObjectType): AsyncIterable<ObjectName> {
    return this.#store.list(type)
  }

  delete(name: ObjectName): MaybePromise<void> {
    return this.#store.delete(name)
  }

  storageSize(name: ObjectName): MaybePromise<number> {
    return this.#store.storageSize(name)
  }

  commitState(commit: Checksum): MaybePromise<CommitState> {
    return this.#store.commitState(commit)
  }

  setCommitState(commit: Checksum, state: CommitState): MaybePromise<void> {
    return this.#store.setCommitState(commit, state)
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void> {
    return this.#store.writeAttached(type, commit, bytes)
  }
}

class TransactionWithParent extends ForwardingTransaction {
  readonly #parent: ObjectReader
  readonly #both: ObjectReader
  readonly #platform: Platform

  constructor(tx: Transaction, parent: ObjectReader, platform: Platform) {
    super(tx)
    this.#parent = parent
    this.#both = new FallbackReader(tx, parent)
    this.#platform = platform
  }

  override has(name: ObjectName): MaybePromise<boolean> {
    return this.#both.has(name)
  }

  override readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array> {
    return this.#both.readMeta(type, checksum)
  }

  override readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined> {
    return this.#both.readAttached(type, commit)
  }

  override statFile(checksum: Checksum): MaybePromise<FileInfo> {
    return this.#both.statFile(checksum)
  }

  override readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.#both.readFile(checksum)
  }

  override async writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): Promise<Checksum> {
    const checksum = checksumMeta(this.#platform, bytes)
    if ((expected === undefined || expected === checksum) && (await this.#parent.has({ checksum, type }))) {
      this.stats.metadataTotal++
      return checksum
    }
    return this.tx.writeMeta(type, bytes, expected)
  }

  override async writeFile(file: FileObject, expected?: Checksum): Promise<Checksum> {
    // A stream is not worth reading twice to save a copy.
    if (!(file.body instanceof Uint8Array)) return this.tx.writeFile(file, expected)
    const checksum = checksumFile(this.#platform, file.header, file.body)
    // The body may be a view that is gone after the first await.
    const body = file.body.slice()
    if ((expected === undefined || expected === checksum) && (await this.#parent.has({ checksum, type: 'file' }))) {
      this.stats.contentTotal++
      return checksum
    }
    return this.tx.writeFile({ ...file, body }, expected)
  }
}

export function objectsWithParent(store: ObjectStore, parent: ObjectStore): ObjectStore {
  return new ObjectsWithParent(store, parent)
}

export function transactionWithParent(tx: Transaction, parent: ObjectReader, platform: Platform): Transaction {
  return new TransactionWithParent(tx, parent, platform)
}
