/**
 * Reads objects that a repository lacks from its parent repository. Listing, deleting, sizes and writes concern the
 * repository itself only. As in libostree, an object is written even if the parent has it; callers that check with
 * `has` first, such as a pull, avoid the copy.
 *
 * Source: ostree-repo.c, `parent_repo` in load_metadata_internal, ostree_repo_load_file, ostree_repo_has_object.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { ObjectNotFoundError } from '../../errors.ts'
import type { AttachedType, FileInfo, FileObject, MetaType, ObjectName, ObjectType } from '../../objects/index.ts'
import type { LooseFiles } from './fast-paths.ts'
import { ForwardingTransaction } from './forwarding-transaction.ts'
import type { CommitState, ObjectReader, ObjectStore, Transaction } from './interface.ts'

/** Reads from the first of two readers that has the object. */
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
      try {
        return await read(this.#parent)
      } catch (inParent) {
        // A link without a target in the repository itself says more than that its parent lacks the object.
        throw inParent instanceof ObjectNotFoundError && error.cause !== undefined ? error : inParent
      }
    }
  }
}

class ObjectsWithParent extends FallbackReader implements ObjectStore {
  readonly loose: LooseFiles | undefined
  readonly #store: ObjectStore

  constructor(store: ObjectStore, parent: ObjectStore) {
    super(store, parent)
    this.loose = looseWithParent(store.loose, parent.loose)
    this.#store = store
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

function looseWithParent(own: LooseFiles | undefined, parent: LooseFiles | undefined): LooseFiles | undefined {
  if (own === undefined || parent === undefined) return own ?? parent
  return {
    path: (name) => own.path(name) ?? parent.path(name),
    payloadTarget: async (payload) => (await own.payloadTarget(payload)) ?? parent.payloadTarget(payload),
    open: (checksum) => own.open(checksum) ?? parent.open(checksum),
  }
}

class TransactionWithParent extends ForwardingTransaction {
  readonly #both: ObjectReader

  constructor(tx: Transaction, parent: ObjectReader) {
    super(tx)
    this.#both = new FallbackReader(tx, parent)
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
}

/** Returns an object store that reads from `parent` what `store` lacks. */
export function objectsWithParent(store: ObjectStore, parent: ObjectStore): ObjectStore {
  return new ObjectsWithParent(store, parent)
}

/** Returns a transaction that reads from `parent` what `tx` lacks. */
export function transactionWithParent(tx: Transaction, parent: ObjectReader): Transaction {
  return new TransactionWithParent(tx, parent)
}
