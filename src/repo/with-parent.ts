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
  type FileHeader,
  type FileInfo,
  type FileObject,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../objects/index.ts'
import type { Platform } from '../platform/index.ts'
import type {
  CommitState,
  FileSink,
  ObjectReader,
  ObjectStore,
  RefPath,
  RefTarget,
  Transaction,
  TransactionStats,
} from './interface.ts'

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
  readonly loosePath: (name: ObjectName) => string | undefined

  constructor(store: ObjectStore, parent: ObjectStore) {
    super(store, parent)
    this.#store = store
    this.loosePath = (name) => store.loosePath?.(name) ?? parent.loosePath?.(name)
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

class TransactionWithParent extends FallbackReader implements Transaction {
  readonly #tx: Transaction
  readonly #parent: ObjectReader
  readonly #platform: Platform

  constructor(tx: Transaction, parent: ObjectReader, platform: Platform) {
    super(tx, parent)
    this.#tx = tx
    this.#parent = parent
    this.#platform = platform
  }

  get stats(): TransactionStats {
    return this.#tx.stats
  }

  async writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): Promise<Checksum> {
    const checksum = checksumMeta(this.#platform, bytes)
    if ((expected === undefined || expected === checksum) && (await this.#parent.has({ checksum, type }))) {
      this.#tx.stats.metadataTotal++
      return checksum
    }
    return this.#tx.writeMeta(type, bytes, expected)
  }

  async writeFile(file: FileObject, expected?: Checksum): Promise<Checksum> {
    // A stream is not worth reading twice to save a copy.
    if (!(file.body instanceof Uint8Array)) return this.#tx.writeFile(file, expected)
    const checksum = checksumFile(this.#platform, file.header, file.body)
    // The body may be a view that is gone after the first await.
    const body = file.body.slice()
    if ((expected === undefined || expected === checksum) && (await this.#parent.has({ checksum, type: 'file' }))) {
      this.#tx.stats.contentTotal++
      return checksum
    }
    return this.#tx.writeFile({ ...file, body }, expected)
  }

  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    return this.#tx.openFile(header, size, expected)
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void> {
    return this.#tx.writeAttached(type, commit, bytes)
  }

  drained(): Promise<void> | undefined {
    return this.#tx.drained()
  }

  setRef(path: RefPath, target: RefTarget | undefined): void {
    this.#tx.setRef(path, target)
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#tx.setCommitState(commit, state)
  }

  checkpoint(): Promise<void> {
    return this.#tx.checkpoint()
  }

  commit(): Promise<TransactionStats> {
    return this.#tx.commit()
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#tx[Symbol.asyncDispose]()
  }
}

export function objectsWithParent(store: ObjectStore, parent: ObjectStore): ObjectStore {
  return new ObjectsWithParent(store, parent)
}

export function transactionWithParent(tx: Transaction, parent: ObjectReader, platform: Platform): Transaction {
  return new TransactionWithParent(tx, parent, platform)
}
