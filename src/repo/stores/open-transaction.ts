/**
 * The transaction of every store. This part checks, hashes and counts what is written, decides what is small and what is
 * large, and keeps in memory the changes that must not be visible before the objects they refer to. A backend below it
 * stores the bytes and publishes.
 *
 *   state        entered by                            writes and reads   dispose
 *   open         creation, the end of a checkpoint     accepted           aborts
 *   publishing   checkpoint(), commit()                UsageError         waits for the end of it, then aborts
 *   ended        the end of a commit, an error in      UsageError         does nothing
 *                checkpoint() or commit(), dispose
 */

import { type Checksum, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import { ChecksumMismatchError, UsageError, withContext } from '../../errors.ts'
import {
  type AttachedType,
  checksumMeta,
  type FileHeader,
  FileHeaderCache,
  type FileInfo,
  type FileObject,
  type MetaType,
  type ObjectName,
  verifyFile,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { RepoSettings } from '../core/config.ts'
import type {
  Adopted,
  CommitState,
  FileSink,
  LaneObject,
  LanePlace,
  ObjectReader,
  ObjectStore,
  RefPath,
  RefTarget,
  RepoMode,
  StagedLane,
  Transaction,
  TransactionStats,
} from '../core/interface.ts'
import { requireHoldable, requireSoundHeader, verityError } from '../core/mode-rules.ts'
import { type Changes, isAttached, noChanges } from './changes.ts'
import { describedBody } from './described-body.ts'
import { IncomingFileSink, type LargeBody, SmallFileRooms } from './incoming-file.ts'

/** What a transaction needs of a store. Reads find what was inserted through it, and what the store had before. */
export interface TransactionBackend extends ObjectReader {
  has(name: ObjectName): boolean
  /** As `has` of `ObjectReader`. Absent if `has` also finds what other handles have stored since the transaction began. */
  hasNow?(name: ObjectName): MaybePromise<boolean>
  /** Inserts a copy of `bytes`, unless the object is there already. @returns whether it is new */
  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean
  /** As `insertMeta`. @param framedHeader the header as it is hashed before the content. @param body at most SMALL_FILE bytes */
  insertFile(checksum: Checksum, header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean
  /** Takes content larger than SMALL_FILE. @param size bytes that will come */
  openBody(header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody
  /** As `Transaction.drained`. Absent if the backend always keeps up. */
  drained?(): Promise<void> | undefined
  /** As `Transaction.adopt`. Absent if the backend never stores an object in the form another store has. */
  adopt?(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted
  /** As `Transaction.linkFile`. Absent if objects are not files. */
  linkFile?(path: string, header: FileHeader): MaybePromise<Checksum | undefined>
  /** As `Transaction.openLane`, without counting. Absent if objects are not files. */
  openLane?(): BackendLane | undefined
  /** Makes everything inserted and `changes` durable and visible, refs last. If it throws, no ref has moved. */
  publish(changes: Changes): MaybePromise<void>
  /** Called after `publish` if the transaction goes on. */
  resume(): MaybePromise<void>
  /** Called once. Drops what was not published, and lets the next transaction begin. @param committed nothing is dropped */
  end(committed: boolean): MaybePromise<void>
}

/** A directory of a thread. */
export interface BackendLane {
  readonly place: LanePlace
  /** As `StagedLane.take`. @returns whether the object is new */
  take(object: LaneObject): boolean
  /** As `StagedLane.finish`. */
  finish(): void
}

/** The settings of a repository that its transactions follow. */
export type TransactionSettings = Pick<RepoSettings, 'mode' | 'fsverity'> & {
  readonly writeSplitXattrs?: boolean
}

export class OpenTransaction implements Transaction {
  readonly stats: TransactionStats = {
    metadataTotal: 0,
    metadataWritten: 0,
    contentTotal: 0,
    contentWritten: 0,
    contentBytesWritten: 0,
    contentCacheHits: 0,
  }
  readonly #backend: TransactionBackend
  readonly #platform: Platform
  readonly #mode: RepoMode
  /** Whether new objects must have fs-verity, which no store here can enable: they are refused. */
  readonly #verity: boolean
  /** Whether files are stored although the mode cannot hold them, see `RepoDirectoryOptions.writeSplitXattrs`. */
  readonly #anyFile: boolean
  readonly #headers = new FileHeaderCache()
  readonly #rooms = new SmallFileRooms()
  #changes = noChanges()
  #state: 'open' | 'publishing' | 'ended' = 'open'
  /** Settles when the last checkpoint or commit has ended; never rejects. */
  #publication: Promise<unknown> | undefined

  constructor(
    backend: TransactionBackend,
    platform: Platform,
    { mode, fsverity, writeSplitXattrs = false }: TransactionSettings,
  ) {
    this.#backend = backend
    this.#platform = platform
    this.#mode = mode
    this.#anyFile = writeSplitXattrs
    this.#verity = fsverity === 'yes'
  }

  has(name: ObjectName): MaybePromise<boolean> {
    this.#requireOpen()
    if (isAttached(name)) {
      const changed = this.#changes.attached[name.type]
      if (changed.has(name.checksum)) return changed.get(name.checksum) !== undefined
    }
    return this.#backend.hasNow?.(name) ?? this.#backend.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array> {
    this.#requireOpen()
    return this.#backend.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined> {
    this.#requireOpen()
    const changed = this.#changes.attached[type]
    if (!changed.has(commit)) return this.#backend.readAttached(type, commit)
    const bytes = changed.get(commit)
    return bytes && new Uint8Array(bytes)
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    this.#requireOpen()
    return this.#backend.statFile(checksum)
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    this.#requireOpen()
    return this.#backend.readFile(checksum)
  }

  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): Checksum {
    this.#requireOpen()
    const checksum = checksumMeta(this.#platform, bytes)
    try {
      if (expected !== undefined && expected !== checksum) throw new ChecksumMismatchError(type, expected, checksum)
      if (this.#verity) this.#requireStored(type, checksum)
      if (this.#backend.insertMeta(type, checksum, bytes)) this.stats.metadataWritten++
    } catch (error) {
      throw withContext('Writing metadata object', error)
    }
    this.stats.metadataTotal++
    if (type === 'commit') this.#changes.attached['tombstone-commit'].set(checksum, undefined)
    return checksum
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    this.#requireOpen()
    if (this.#verity && type === 'commitmeta' && bytes !== undefined)
      throw withContext('Writing metadata object', verityError())
    this.#changes.attached[type].set(commit, bytes && new Uint8Array(bytes))
  }

  writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    this.#requireOpen()
    const { header, size, body } = file
    if (body instanceof Uint8Array && body.length === size && size <= SMALL_FILE) {
      return this.#writeSmall(header, body, expected)
    }
    return this.#writeStream(file, expected)
  }

  writeTrustedFile(file: FileObject, checksum: Checksum): MaybePromise<Checksum> {
    this.#requireOpen()
    const { header, size, body } = file
    if (!(body instanceof Uint8Array && body.length === size && size <= SMALL_FILE)) {
      return this.#writeStream(file, checksum, true)
    }
    try {
      requireSoundHeader(header, size)
      this.#insertSmall(checksum, header, this.#headers.encode(header), body)
      return checksum
    } catch (error) {
      throw withContext('Writing content object', error)
    }
  }

  #writeSmall(header: FileHeader, body: Uint8Array, expected: Checksum | undefined): Checksum {
    try {
      requireSoundHeader(header, body.length)
      const framedHeader = this.#headers.encode(header)
      let checksum = this.#platform.sha256(framedHeader, body)
      if (expected !== undefined && expected !== checksum) {
        verifyFile(this.#platform, header, body, expected)
        checksum = expected
      }
      this.#insertSmall(checksum, header, framedHeader, body)
      return checksum
    } catch (error) {
      throw withContext('Writing content object', error)
    }
  }

  async #writeStream(
    { header, size, body }: FileObject,
    expected: Checksum | undefined,
    trusted = false,
  ): Promise<Checksum> {
    const sink = this.#openFile(header, size, expected, trusted)
    try {
      if (body instanceof Uint8Array) sink.write(body)
      else {
        for await (const chunk of describedBody(body)) {
          sink.write(chunk)
          const pending = this.drained()
          if (pending !== undefined) await pending
        }
      }
      return await sink.finish()
    } finally {
      sink.abort()
    }
  }

  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    return this.#openFile(header, size, expected, false)
  }

  #openFile(header: FileHeader, size: number, expected: Checksum | undefined, trusted: boolean): FileSink {
    this.#requireOpen()
    try {
      requireSoundHeader(header, size)
      const framedHeader = this.#headers.encode(header)
      const room = size > SMALL_FILE ? undefined : this.#rooms.take()
      return new IncomingFileSink(this.#platform, {
        header,
        size,
        expected,
        trusted,
        content: room?.subarray(0, size) ?? this.#backend.openBody(header, framedHeader, size),
        ended: () => this.#rooms.giveBack(room),
        requireOpen: () => this.#requireOpen(),
        store: (checksum, content) =>
          content instanceof Uint8Array
            ? this.#insertSmall(checksum, header, framedHeader, content)
            : this.#keepLarge(checksum, header, size, content),
      })
    } catch (error) {
      throw withContext('Writing content object', error)
    }
  }

  #insertSmall(checksum: Checksum, header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): void {
    if (!this.#anyFile) requireHoldable(this.#mode, header, checksum)
    if (this.#verity) this.#requireStored('file', checksum)
    this.#countFile(this.#backend.insertFile(checksum, header, framedHeader, body), body.length)
  }

  #keepLarge(checksum: Checksum, header: FileHeader, size: number, body: LargeBody): MaybePromise<void> {
    if (!this.#anyFile) requireHoldable(this.#mode, header, checksum)
    if (this.#backend.has({ checksum, type: 'file' })) {
      body.abort()
      this.#countFile(false, size)
      return
    }
    if (this.#verity) throw verityError()
    const keep = (): void => {
      this.#requireOpen()
      this.#countFile(body.keep(checksum), size)
    }
    const finished = body.finish?.()
    return finished instanceof Promise ? finished.then(keep) : keep()
  }

  #countFile(isNew: boolean, size: number): void {
    this.stats.contentTotal++
    if (!isNew) return
    this.stats.contentWritten++
    this.stats.contentBytesWritten += size
  }

  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted {
    this.#requireOpen()
    if (this.#verity) return 'unlike' // objects of another repository may lack fs-verity: they are written, not linked
    return this.#backend.adopt?.(from, name, trusted) ?? 'unlike'
  }

  linkFile(path: string, header: FileHeader): MaybePromise<Checksum | undefined> {
    this.#requireOpen()
    if (this.#verity) return undefined
    return this.#backend.linkFile?.(path, header)
  }

  openLane(): StagedLane | undefined {
    // Threads may begin during a checkpoint.
    if (this.#state === 'ended') this.#requireOpen()
    const lane = this.#verity || this.#anyFile ? undefined : this.#backend.openLane?.()
    if (lane === undefined) return undefined
    return {
      place: lane.place,
      take: (object) => {
        this.#requireOpen()
        const isNew = lane.take(object)
        if (object.type === 'file') this.#countFile(isNew, object.size)
        else {
          this.stats.metadataTotal++
          if (isNew) this.stats.metadataWritten++
          if (object.type === 'commit') this.#changes.attached['tombstone-commit'].set(object.checksum, undefined)
        }
      },
      finish: () => lane.finish(),
    }
  }

  drained(): Promise<void> | undefined {
    return this.#backend.drained?.()
  }

  setRef(path: RefPath, target: RefTarget | undefined): void {
    this.#requireOpen()
    this.#changes.refs.set(path, target)
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#requireOpen()
    this.#changes.states.set(commit, state)
  }

  checkpoint(): Promise<void> {
    return this.#publish(async () => {
      await this.#backend.resume()
      this.#state = 'open'
    })
  }

  commit(): Promise<TransactionStats> {
    return this.#publish(async () => {
      await this.#end(true)
      return this.stats
    })
  }

  async #publish<T>(then: () => Promise<T>): Promise<T> {
    this.#requireOpen()
    this.#state = 'publishing'
    const publication = this.#publishChanges(then)
    this.#publication = publication.catch(() => {})
    return publication
  }

  /** If it fails the transaction ends: what was lost cannot be told from what is still to be written. */
  async #publishChanges<T>(then: () => Promise<T>): Promise<T> {
    try {
      await this.#backend.publish(this.#changes)
      this.#changes = noChanges()
      return await then()
    } catch (error) {
      await this.#end(false)
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publication
    await this.#end(false)
  }

  async #end(committed: boolean): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    await this.#backend.end(committed)
  }

  #requireStored(type: MetaType | 'file', checksum: Checksum): void {
    if (!this.#backend.has({ checksum, type })) throw verityError()
  }

  #requireOpen(): void {
    if (this.#state === 'open') return
    throw new UsageError(this.#state === 'ended' ? 'The transaction has ended' : 'The transaction is being committed')
  }
}
