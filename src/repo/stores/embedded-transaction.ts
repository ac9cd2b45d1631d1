/**
 * The transaction of stores that live in the process and answer at once: memory and SQLite. Here is what is the same in
 * both (checking, hashing, counting, and holding back what must not show before its objects); a backend keeps bytes.
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
import type {
  Adopted,
  CommitState,
  FileSink,
  RefPath,
  RefTarget,
  RepoMode,
  Transaction,
  TransactionStats,
} from '../core/interface.ts'
import { requireHoldable, requireSoundHeader } from '../core/mode-rules.ts'
import { IncomingFileSink, type LargeBody } from './incoming-file.ts'

/** Small and late: what a transaction keeps in memory until it is published. */
export interface Changes {
  readonly refs: Map<RefPath, RefTarget | undefined>
  readonly states: Map<Checksum, CommitState>
  /** By type, then commit; `undefined` removes. */
  readonly attached: Readonly<Record<AttachedType, Map<Checksum, Uint8Array | undefined>>>
}

/** Takes a body too large for one array. */
export interface BodyWriter extends LargeBody {
  /** Makes it the content of a new file object. */
  keep(checksum: Checksum, framedHeader: Uint8Array, size: number): void
}

/** What a transaction asks of its store. Reads see what was inserted through it. */
export interface EmbeddedBackend {
  has(name: ObjectName): boolean
  readMeta(type: MetaType, checksum: Checksum): Uint8Array
  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined
  statFile(checksum: Checksum): FileInfo
  readFile(checksum: Checksum): FileObject
  /** Copies. @returns false when it is there already */
  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean
  /** As `insertMeta`. @param body at most SMALL_FILE bytes */
  insertFile(checksum: Checksum, framedHeader: Uint8Array, body: Uint8Array): boolean
  openBody(size: number): BodyWriter
  /** Everything so far becomes durable and visible, or, throwing, nothing since the last time. */
  publish(changes: Changes): MaybePromise<void>
  /** After `publish`, when the transaction goes on. */
  resume(): MaybePromise<void>
  /** Drops what was not published, and lets the next transaction begin. */
  end(): MaybePromise<void>
}

function noChanges(): Changes {
  return { refs: new Map(), states: new Map(), attached: { commitmeta: new Map(), 'tombstone-commit': new Map() } }
}

export class EmbeddedTransaction implements Transaction {
  readonly stats: TransactionStats = {
    metadataTotal: 0,
    metadataWritten: 0,
    contentTotal: 0,
    contentWritten: 0,
    contentBytesWritten: 0,
    contentCacheHits: 0,
  }
  readonly #backend: EmbeddedBackend
  readonly #platform: Platform
  readonly #mode: RepoMode
  readonly #headers = new FileHeaderCache()
  #changes = noChanges()
  /** `publishing`: what is written now would be in no transaction at all. */
  #state: 'open' | 'publishing' | 'ended' = 'open'

  constructor(backend: EmbeddedBackend, platform: Platform, mode: RepoMode) {
    this.#backend = backend
    this.#platform = platform
    this.#mode = mode
  }

  has(name: ObjectName): boolean {
    this.#requireOpen()
    if (name.type === 'commitmeta' || name.type === 'tombstone-commit') {
      return this.readAttached(name.type, name.checksum) !== undefined
    }
    return this.#backend.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    this.#requireOpen()
    return this.#backend.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    this.#requireOpen()
    const changed = this.#changes.attached[type]
    if (!changed.has(commit)) return this.#backend.readAttached(type, commit)
    const bytes = changed.get(commit)
    return bytes && new Uint8Array(bytes)
  }

  statFile(checksum: Checksum): FileInfo {
    this.#requireOpen()
    return this.#backend.statFile(checksum)
  }

  readFile(checksum: Checksum): FileObject {
    this.#requireOpen()
    return this.#backend.readFile(checksum)
  }

  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): Checksum {
    this.#requireOpen()
    const checksum = checksumMeta(this.#platform, bytes)
    if (expected !== undefined && expected !== checksum) {
      throw withContext('Writing metadata object', new ChecksumMismatchError(type, expected, checksum))
    }
    if (this.#backend.insertMeta(type, checksum, bytes)) this.stats.metadataWritten++
    this.stats.metadataTotal++
    if (type === 'commit') this.#changes.attached['tombstone-commit'].set(checksum, undefined)
    return checksum
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    this.#requireOpen()
    this.#changes.attached[type].set(commit, bytes && new Uint8Array(bytes))
  }

  writeFile(file: FileObject, expected?: Checksum): Checksum | Promise<Checksum> {
    this.#requireOpen()
    const { header, size, body } = file
    if (body instanceof Uint8Array && body.length === size && size <= SMALL_FILE) {
      return this.#writeSmall(header, body, expected)
    }
    return this.#writeStream(file, expected)
  }

  #writeSmall(header: FileHeader, body: Uint8Array, expected: Checksum | undefined): Checksum {
    let checksum: Checksum
    const framed = this.#acceptHeader(header, body.length)
    try {
      checksum = this.#platform.sha256(framed, body)
      if (expected !== undefined && expected !== checksum) {
        verifyFile(this.#platform, header, body, expected)
        checksum = expected
      }
      requireHoldable(this.#mode, header, checksum)
    } catch (error) {
      throw withContext('Writing content object', error)
    }
    this.#countFile(this.#backend.insertFile(checksum, framed, body), body.length)
    return checksum
  }

  async #writeStream({ header, size, body }: FileObject, expected: Checksum | undefined): Promise<Checksum> {
    const sink = this.openFile(header, size, expected)
    try {
      if (body instanceof Uint8Array) sink.write(body)
      else for await (const chunk of body) sink.write(chunk)
      return await sink.finish()
    } finally {
      sink.abort()
    }
  }

  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    this.#requireOpen()
    const framed = this.#acceptHeader(header, size)
    return new IncomingFileSink<BodyWriter>(this.#platform, {
      header,
      size,
      expected,
      large: size > SMALL_FILE ? this.#backend.openBody(size) : undefined,
      requireOpen: () => this.#requireOpen(),
      store: (checksum, content) => {
        requireHoldable(this.#mode, header, checksum)
        if (content instanceof Uint8Array) {
          this.#countFile(this.#backend.insertFile(checksum, framed, content), size)
          return
        }
        const fresh = !this.#backend.has({ checksum, type: 'file' })
        if (fresh) content.keep(checksum, framed, size)
        else content.abort()
        this.#countFile(fresh, size)
      },
    })
  }

  /** @returns the framed header. @throws {FormatError} */
  #acceptHeader(header: FileHeader, size: number): Uint8Array {
    try {
      requireSoundHeader(header, size)
    } catch (error) {
      throw withContext('Writing content object', error)
    }
    return this.#headers.encode(header)
  }

  #countFile(fresh: boolean, size: number): void {
    this.stats.contentTotal++
    if (!fresh) return
    this.stats.contentWritten++
    this.stats.contentBytesWritten += size
  }

  /** Nothing here has the form of another store's. */
  adopt(): Adopted {
    return 'unlike'
  }

  /** Nothing here is an inode. */
  linkFile(): undefined {}

  /** Everything is written when the call returns. */
  drained(): undefined {}

  setRef(path: RefPath, target: RefTarget | undefined): void {
    this.#requireOpen()
    this.#changes.refs.set(path, target)
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#requireOpen()
    this.#changes.states.set(commit, state)
  }

  async checkpoint(): Promise<void> {
    await this.#publish()
    try {
      await this.#backend.resume()
      this.#state = 'open'
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  async commit(): Promise<TransactionStats> {
    await this.#publish()
    await this.#end()
    return this.stats
  }

  /** When it fails the transaction is over: what was lost cannot be told from what is still to come. */
  async #publish(): Promise<void> {
    this.#requireOpen()
    this.#state = 'publishing'
    try {
      await this.#backend.publish(this.#changes)
      this.#changes = noChanges()
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    await this.#backend.end()
  }

  #requireOpen(): void {
    if (this.#state === 'open') return
    throw new UsageError(this.#state === 'ended' ? 'The transaction has ended' : 'The transaction is being committed')
  }
}
