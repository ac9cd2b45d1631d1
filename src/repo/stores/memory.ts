/** A repository in memory, which ends with its storage. */

import { type Checksum, compareUtf8, EMPTY_BYTES, SMALL_FILE } from '../../bytes.ts'
import { ConflictError, ObjectNotFoundError, UsageError } from '../../errors.ts'
import {
  type AttachedType,
  decodeFileHeader,
  type FileHeader,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import { initialConfig, parseConfig } from '../core/config.ts'
import type {
  CommitState,
  DeltaStore,
  ObjectStore,
  RefPath,
  RefStore,
  RefTarget,
  RepoMode,
  Storage,
  Transaction,
} from '../core/interface.ts'
import { type RepoFiles, requireFilePath } from '../core/repo-files.ts'
import { requireNoRefConflict } from '../refs/ref-conflicts.ts'
import { attachedChanges, type Changes } from './changes.ts'
import type { LargeBody } from './incoming-file.ts'
import { NamedDeltas, namesBelow, type PathTable, requireFilePlace } from './named-files.ts'
import { OpenTransaction, type TransactionBackend } from './open-transaction.ts'

/** How a repository in memory is created. */
export interface MemoryStorageOptions {
  readonly platform: Platform
  /** Default `archive`. */
  readonly mode?: RepoMode | undefined
  readonly collectionId?: string | undefined
}

/**
 * Creates a new, empty repository.
 *
 * @example
 * const platform = portablePlatform
 * await using repo = await Repo.open(createMemoryStorage({ platform }), platform)
 */
export function createMemoryStorage(options: MemoryStorageOptions): Storage {
  return new MemoryStorage(options)
}

interface StoredFile {
  readonly framedHeader: Uint8Array
  readonly size: number
  /** One array, or several of at most SMALL_FILE bytes each. */
  readonly pieces: readonly Uint8Array[]
}

type Stored = Uint8Array | StoredFile

/**
 * Objects by type and checksum. Reads fall back to the table `below`, which this one never changes. Copies are made with
 * `new Uint8Array`: callers may pass a Buffer, and `slice` of a Buffer is a view.
 */
class MemoryTable {
  readonly #byType = new Map<ObjectType, Map<Checksum, Stored>>()
  readonly #below: MemoryTable | undefined

  constructor(below?: MemoryTable) {
    this.#below = below
  }

  /** Returns this table's own objects of one type. */
  of(type: ObjectType): Map<Checksum, Stored> {
    let table = this.#byType.get(type)
    if (table === undefined) {
      table = new Map()
      this.#byType.set(type, table)
    }
    return table
  }

  types(): ObjectType[] {
    return [...this.#byType.keys()]
  }

  find({ type, checksum }: ObjectName): Stored | undefined {
    return this.#byType.get(type)?.get(checksum) ?? this.#below?.find({ type, checksum })
  }

  has(name: ObjectName): boolean {
    return this.find(name) !== undefined
  }

  bytes(name: ObjectName): Uint8Array {
    const stored = this.find(name)
    if (!(stored instanceof Uint8Array)) throw new ObjectNotFoundError(formatObjectName(name))
    return stored
  }

  file(checksum: Checksum): StoredFile {
    const name: ObjectName = { checksum, type: 'file' }
    const stored = this.find(name)
    if (stored === undefined || stored instanceof Uint8Array) throw new ObjectNotFoundError(formatObjectName(name))
    return stored
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return new Uint8Array(this.bytes({ checksum, type }))
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    const stored = this.find({ checksum: commit, type })
    return stored instanceof Uint8Array ? new Uint8Array(stored) : undefined
  }

  statFile(checksum: Checksum): FileInfo {
    const { framedHeader, size } = this.file(checksum)
    return { header: decodeFileHeader(new Uint8Array(framedHeader)).header, size }
  }

  readFile(checksum: Checksum): FileObject {
    const { pieces, size } = this.file(checksum)
    const body = size > SMALL_FILE ? copies(pieces) : new Uint8Array(pieces[0] ?? EMPTY_BYTES)
    return { ...this.statFile(checksum), body }
  }
}

async function* copies(pieces: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield new Uint8Array(piece)
}

class MemoryObjects implements ObjectStore {
  readonly table = new MemoryTable()
  readonly states = new Map<Checksum, CommitState>()

  has(name: ObjectName): boolean {
    return this.table.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.table.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.table.readAttached(type, commit)
  }

  statFile(checksum: Checksum): FileInfo {
    return this.table.statFile(checksum)
  }

  readFile(checksum: Checksum): FileObject {
    return this.table.readFile(checksum)
  }

  async *list(type?: ObjectType): AsyncIterable<ObjectName> {
    for (const each of type === undefined ? this.table.types() : [type]) {
      for (const checksum of this.table.of(each).keys()) yield { checksum, type: each }
    }
  }

  delete(name: ObjectName): void {
    if (!this.table.of(name.type).delete(name.checksum)) throw new ObjectNotFoundError(formatObjectName(name))
  }

  storageSize(name: ObjectName): number {
    const stored = this.table.find(name)
    if (stored === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    return stored instanceof Uint8Array ? stored.length : stored.framedHeader.length + stored.size
  }

  commitState(commit: Checksum): CommitState {
    return this.states.get(commit) ?? 'complete'
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    if (state === 'complete') this.states.delete(commit)
    else this.states.set(commit, state)
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.table.of(type).delete(commit)
    else this.table.of(type).set(commit, new Uint8Array(bytes))
  }
}

class MemoryRefs implements RefStore {
  readonly #targets = new Map<RefPath, RefTarget>()

  has(path: RefPath): boolean {
    return this.#targets.has(path)
  }

  below(path: RefPath): RefPath[] {
    return [...this.#targets.keys()].filter((other) => other.startsWith(`${path}/`)).sort(compareUtf8)
  }

  read(path: RefPath): RefTarget | undefined {
    return this.#targets.get(path)
  }

  list(prefix: RefPath): RefPath[] {
    return this.has(prefix) ? [prefix] : this.below(prefix)
  }

  write(path: RefPath, target: RefTarget | undefined): void {
    this.update(new Map([[path, target]]))
  }

  /** Makes all updates or none. @throws {ConflictError} */
  update(updates: ReadonlyMap<RefPath, RefTarget | undefined>): void {
    requireNoRefConflict(this, updates)
    for (const [path, target] of updates) {
      if (target === undefined) this.#targets.delete(path)
      else this.#targets.set(path, target)
    }
  }
}

class MemoryFiles implements RepoFiles, PathTable {
  readonly location = 'memory'
  readonly #contents = new Map<string, Uint8Array>()

  has(path: string): boolean {
    return this.#contents.has(path)
  }

  below(path: string): string[] {
    return [...this.#contents.keys()].filter((other) => other.startsWith(`${path}/`)).sort(compareUtf8)
  }

  read(path: string): Uint8Array | undefined {
    requireFilePath(path)
    const bytes = this.#contents.get(path)
    return bytes && new Uint8Array(bytes)
  }

  list(path: string): string[] {
    if (path === '') return namesBelow([...this.#contents.keys()], path)
    requireFilePath(path)
    return namesBelow(this.below(path), path)
  }

  write(path: string, bytes: Uint8Array): void {
    requireFilePath(path)
    requireFilePlace(this, path)
    this.#contents.set(path, new Uint8Array(bytes))
  }

  delete(path: string): boolean {
    requireFilePath(path)
    return this.#contents.delete(path)
  }
}

/** Keeps the objects of a transaction in a table above that of the store, until they are published. */
class MemoryTransactionBackend implements TransactionBackend {
  readonly #storage: MemoryStorage
  #table: MemoryTable

  constructor(storage: MemoryStorage) {
    this.#storage = storage
    this.#table = new MemoryTable(storage.objects.table)
  }

  has(name: ObjectName): boolean {
    return this.#table.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#table.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#table.readAttached(type, commit)
  }

  statFile(checksum: Checksum): FileInfo {
    return this.#table.statFile(checksum)
  }

  readFile(checksum: Checksum): FileObject {
    return this.#table.readFile(checksum)
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    if (this.#table.has({ checksum, type })) return false
    this.#table.of(type).set(checksum, new Uint8Array(bytes))
    return true
  }

  insertFile(checksum: Checksum, _header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean {
    if (this.#table.has({ checksum, type: 'file' })) return false
    this.#table.of('file').set(checksum, { framedHeader, size: body.length, pieces: [new Uint8Array(body)] })
    return true
  }

  openBody(_header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody {
    const pieces: Uint8Array[] = []
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += SMALL_FILE)
          pieces.push(new Uint8Array(bytes.subarray(at, at + SMALL_FILE)))
      },
      keep: (checksum) => {
        if (this.#table.has({ checksum, type: 'file' })) return false
        this.#table.of('file').set(checksum, { framedHeader, size, pieces: pieces.splice(0) })
        return true
      },
      abort: () => {
        pieces.length = 0
      },
    }
  }

  publish(changes: Changes): void {
    const { objects } = this.#storage
    this.#storage.refs.update(changes.refs)
    for (const type of this.#table.types()) {
      const published = objects.table.of(type)
      for (const [checksum, stored] of this.#table.of(type)) published.set(checksum, stored)
    }
    this.#table = new MemoryTable(objects.table)
    for (const [commit, state] of changes.states) objects.setCommitState(commit, state)
    for (const [type, commit, bytes] of attachedChanges(changes)) objects.writeAttached(type, commit, bytes)
  }

  resume(): void {}

  end(): void {
    this.#storage.transactionEnded()
  }
}

class MemoryStorage implements Storage {
  readonly location = 'memory'
  readonly writable = true
  readonly mode: RepoMode
  readonly objects = new MemoryObjects()
  readonly refs = new MemoryRefs()
  readonly files = new MemoryFiles()
  readonly deltas: DeltaStore = new NamedDeltas(this.files, (path) => this.files.has(path))
  readonly #platform: Platform
  #config: string
  #transaction: Transaction | undefined
  #closed = false

  constructor({ platform, mode = 'archive', collectionId }: MemoryStorageOptions) {
    this.#platform = platform
    this.mode = mode
    this.#config = initialConfig(mode, collectionId)
  }

  readConfig(): string {
    return this.#config
  }

  writeConfig(text: string): void {
    this.#config = text
  }

  async begin(): Promise<Transaction> {
    if (this.#closed) throw new UsageError('The repository is closed')
    if (this.#transaction !== undefined) {
      throw new ConflictError(this.location, 'Failed to prepare transaction, another transaction is in progress')
    }
    const { fsverity } = parseConfig(this.#config).settings
    const backend = new MemoryTransactionBackend(this)
    this.#transaction = new OpenTransaction(backend, this.#platform, { mode: this.mode, fsverity })
    return this.#transaction
  }

  transactionEnded(): void {
    this.#transaction = undefined
  }

  /** Locks nothing: only this storage has access to its memory. */
  async lock(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => {} }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#transaction?.[Symbol.asyncDispose]()
  }
}
