/**
 * A transaction of a repository directory: objects are written into staging as they come, and published together.
 *
 * Source: ostree-repo-commit.c, ostree_repo_prepare_transaction to ostree_repo_abort_transaction.
 */

import { renameSync, unlinkSync } from 'node:fs'
import { type Checksum, type MaybePromise, SMALL_FILE } from '../../../bytes.ts'
import { ChecksumMismatchError, UsageError, withContext } from '../../../errors.ts'
import {
  type AttachedType,
  checksumMeta,
  checksumObject,
  type FileHeader,
  FileHeaderCache,
  type FileInfo,
  type FileObject,
  isSymlink,
  type MetaType,
  type ObjectName,
  verifyFile,
} from '../../../objects/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { withIo } from '../../../system/errno.ts'
import type {
  Adopted,
  CommitState,
  FileSink,
  ObjectStore,
  RefPath,
  RefTarget,
  RepoMode,
  Transaction,
  TransactionStats,
} from '../../core/interface.ts'
import { requireHoldable, requireSoundHeader } from '../../core/mode-rules.ts'
import { IncomingFileSink } from '../incoming-file.ts'
import { Adoption } from './adopt.ts'
import type { BodyWriter } from './content/content-mode.ts'
import { linkInode } from './content/link-inode.ts'
import { NewFiles } from './content/new-file.ts'
import type { FreeSpace } from './free-space.ts'
import type { LooseObjects } from './loose/loose.ts'
import type { LooseReader } from './loose/loose-reader.ts'
import type { PresentObjects } from './loose/present.ts'
import { noChanges, type Publisher } from './publish.ts'
import type { Staging } from './staging.ts'
import type { WriteBehind } from './threads/write-behind.ts'
import { isWritten, noStats, type Place, type WrittenType } from './written.ts'

const META_PERMISSIONS = 0o644

/** What a transaction needs of its storage. */
export interface TransactionContext {
  readonly platform: Platform
  readonly mode: RepoMode
  readonly objects: LooseObjects
  readonly reader: LooseReader
  readonly staging: Staging
  readonly publisher: Publisher
  readonly freeSpace: FreeSpace | undefined
  readonly perObjectFsync: boolean
  /** Other threads that write small files. */
  readonly writeBehind: WriteBehind | undefined
  readonly beforePublish: (() => void) | undefined
  /** Called once, with staging removed. @param committed leftovers of others may be removed too */
  ended(committed: boolean): Promise<void>
}

export class FsTransaction implements Transaction {
  readonly stats = noStats()
  readonly #context: TransactionContext
  readonly #headers = new FileHeaderCache()
  readonly #metaFiles = new NewFiles()
  readonly #sinks = new Set<IncomingFileSink<BodyWriter>>()
  /** What was written. */
  readonly #places: Readonly<Record<WrittenType, Map<Checksum, Place>>> = {
    file: new Map(),
    dirtree: new Map(),
    dirmeta: new Map(),
    commit: new Map(),
  }
  readonly #adoption: Adoption
  #present: PresentObjects
  #changes = noChanges()
  #ended = false

  constructor(context: TransactionContext) {
    const { objects, reader, staging, perObjectFsync, writeBehind } = context
    this.#context = context
    this.#adoption = new Adoption(objects)
    this.#present = objects.present()
    this.#metaFiles.begin(perObjectFsync)
    reader.content.begin(perObjectFsync)
    writeBehind?.begin(perObjectFsync)
    for (const { type, checksum } of staging.inherited) {
      if (type === 'file' || type === 'dirtree' || type === 'dirmeta') this.#places[type].set(checksum, 'inherited')
    }
  }

  has(name: ObjectName): boolean {
    this.#requireOpen()
    const { type, checksum } = name
    if (isWritten(type)) return this.#exists(type, checksum, type === 'file')
    if ((type === 'commitmeta' || type === 'tombstone-commit') && this.#changes.attached[type].has(checksum)) {
      return this.#changes.attached[type].get(checksum) !== undefined
    }
    return this.#context.objects.has(name)
  }

  /** @param link the object is, or may be, a symbolic link */
  #exists(type: WrittenType, checksum: Checksum, link: boolean): boolean {
    if (this.#places[type].has(checksum)) return true
    const asLink = link && this.#context.reader.content.realLinks
    return this.#present.has(type, checksum, this.#suffix(type), asLink)
  }

  #path(type: WrittenType, checksum: Checksum): string {
    const { objects, staging } = this.#context
    switch (this.#places[type].get(checksum)) {
      case 'staged':
        return this.#stagedPath(type, checksum)
      case 'inherited':
        return staging.inheritedPath(checksum, this.#suffix(type))
      default:
        return objects.path({ type, checksum })
    }
  }

  #stagedPath(type: WrittenType, checksum: Checksum): string {
    const { staging } = this.#context
    return type === 'commit' ? staging.commitPath(checksum) : staging.objectPath(checksum, this.#suffix(type))
  }

  #suffix(type: WrittenType): string {
    return type === 'file' ? this.#context.reader.content.suffix : type
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    this.#requireOpen()
    return this.#context.reader.meta(this.#path(type, checksum), type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    this.#requireOpen()
    const changed = this.#changes.attached[type]
    return changed.has(commit) ? changed.get(commit)?.slice() : this.#context.objects.readAttached(type, commit)
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    this.#requireOpen()
    return this.#written(checksum, (path) => this.#context.reader.stat(path, checksum))
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    this.#requireOpen()
    return this.#written(checksum, (path) => this.#context.reader.file(path, checksum))
  }

  /** Reads a file, after it was written if that is still to come. */
  #written<T>(checksum: Checksum, read: (path: string) => MaybePromise<T>): MaybePromise<T> {
    const { writeBehind } = this.#context
    if (writeBehind?.pending !== true || this.#places.file.get(checksum) !== 'staged') {
      return read(this.#path('file', checksum))
    }
    return writeBehind.flush().then(() => read(this.#path('file', checksum)))
  }

  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): Checksum {
    this.#requireOpen()
    const checksum = checksumMeta(this.#context.platform, bytes)
    if (expected !== undefined && expected !== checksum) {
      throw withContext('Writing metadata object', new ChecksumMismatchError(type, expected, checksum))
    }
    if (!this.#exists(type, checksum, false)) {
      try {
        this.#metaFiles.create(this.#stagedPath(type, checksum), META_PERMISSIONS, bytes, (fd) =>
          this.#metaFiles.setPermissions(fd, META_PERMISSIONS),
        )
      } catch (error) {
        throw withContext('Writing metadata object', error)
      }
      this.#places[type].set(checksum, 'staged')
      this.stats.metadataWritten++
    }
    this.stats.metadataTotal++
    if (type === 'commit') this.#changes.attached['tombstone-commit'].set(checksum, undefined)
    return checksum
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    this.#requireOpen()
    this.#changes.attached[type].set(commit, bytes === undefined ? undefined : new Uint8Array(bytes))
  }

  writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    this.#requireOpen()
    const { header, size, body } = file
    if (body instanceof Uint8Array && body.length === size && size <= SMALL_FILE) {
      return this.#writeSmall(header, body, expected)
    }
    return this.#writeStream(file, expected)
  }

  #writeSmall(header: FileHeader, body: Uint8Array, expected: Checksum | undefined): Checksum {
    const { platform } = this.#context
    try {
      requireSoundHeader(header, body.length)
      let checksum = platform.sha256(this.#headers.encode(header), body)
      if (expected !== undefined && expected !== checksum) {
        verifyFile(platform, header, body, expected)
        checksum = expected
      }
      this.#store(checksum, header, body)
      return checksum
    } catch (error) {
      throw withContext('Writing content object', error)
    }
  }

  async #writeStream({ header, size, body }: FileObject, expected: Checksum | undefined): Promise<Checksum> {
    const sink = this.openFile(header, size, expected)
    try {
      if (body instanceof Uint8Array) sink.write(body)
      else {
        for await (const chunk of body) {
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
    this.#requireOpen()
    const { platform, reader, staging, freeSpace } = this.#context
    try {
      requireSoundHeader(header, size)
      let path: string | undefined
      let large: BodyWriter | undefined
      if (size > SMALL_FILE) {
        freeSpace?.reserve(size)
        path = staging.streamPath()
        large = reader.content.open(path, header, size)
      }
      const sink = new IncomingFileSink<BodyWriter>(platform, {
        header,
        size,
        expected,
        large,
        requireOpen: () => this.#requireOpen(),
        store: (checksum, content) =>
          content instanceof Uint8Array
            ? this.#store(checksum, header, content)
            : this.#keep(checksum, header, size, path as string, content),
        closed: () => this.#sinks.delete(sink),
      })
      this.#sinks.add(sink)
      return sink
    } catch (error) {
      throw withContext('Writing content object', error)
    }
  }

  /** Takes in content that is in memory. */
  #store(checksum: Checksum, header: FileHeader, content: Uint8Array): void {
    const { mode, freeSpace, reader, writeBehind } = this.#context
    requireHoldable(mode, header, checksum)
    const fresh = !this.#exists('file', checksum, isSymlink(header))
    if (fresh) {
      freeSpace?.reserve(content.length)
      const path = this.#stagedPath('file', checksum)
      if (isSymlink(header) || writeBehind?.take(path, header, content) !== true) {
        reader.content.create(path, header, content)
      }
      this.#places.file.set(checksum, 'staged')
    }
    this.#countFile(fresh, content.length)
  }

  /** Takes in content that was written to `path`. */
  #keep(checksum: Checksum, header: FileHeader, size: number, path: string, content: BodyWriter): MaybePromise<void> {
    requireHoldable(this.#context.mode, header, checksum)
    if (this.#exists('file', checksum, false)) {
      content.abort()
      this.#countFile(false, size)
      return
    }
    const place = (): void => {
      this.#requireOpen()
      withIo(undefined, () => renameSync(path, this.#stagedPath('file', checksum)))
      // The same content may have come another way while this was being finished.
      this.#countFile(!this.#places.file.has(checksum), size)
      this.#places.file.set(checksum, 'staged')
    }
    const finished = content.finish()
    return finished instanceof Promise ? finished.then(place) : place()
  }

  #countFile(fresh: boolean, size: number): void {
    this.stats.contentTotal++
    if (!fresh) return
    this.stats.contentWritten++
    this.stats.contentBytesWritten += size
  }

  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted {
    this.#requireOpen()
    const { type, checksum } = name
    if (!isWritten(type)) return 'unlike'
    const adopted = this.#adoption.take(from, name, trusted, () => this.#stagedPath(type, checksum))
    if (adopted === 'taken') this.#places[type].set(checksum, 'staged')
    return adopted
  }

  async linkFile(path: string, header: FileHeader): Promise<Checksum | undefined> {
    this.#requireOpen()
    const { platform, mode, staging, reader } = this.#context
    const place = staging.streamPath()
    const file = await linkInode(path, place, header, { mode, content: reader.content })
    if (file === undefined) return undefined
    const checksum = await checksumObject(platform, file)
    const fresh = !this.#exists('file', checksum, false)
    withIo(undefined, () => (fresh ? renameSync(place, this.#stagedPath('file', checksum)) : unlinkSync(place)))
    if (fresh) this.#places.file.set(checksum, 'staged')
    return checksum
  }

  drained(): Promise<void> | undefined {
    for (const sink of this.#sinks) {
      const pending = sink.drained()
      if (pending !== undefined) return pending
    }
    return undefined
  }

  setRef(path: RefPath, target: RefTarget | undefined): void {
    this.#requireOpen()
    this.#changes.refs.set(path, target)
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#requireOpen()
    this.#changes.states.set(commit, state)
  }

  async checkpoint(): Promise<void> {
    this.#requireOpen()
    const { publisher, staging, objects, writeBehind, beforePublish } = this.#context
    try {
      await writeBehind?.flush()
      beforePublish?.()
      await publisher.publish(staging, this.#changes)
    } catch (error) {
      await this.#end(false)
      throw error
    }
    this.#changes = noChanges()
    for (const places of Object.values(this.#places)) places.clear()
    this.#present = objects.present()
  }

  async commit(): Promise<TransactionStats> {
    await this.checkpoint()
    await this.#end(true)
    return this.stats
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.#end(false)
  }

  async #end(committed: boolean): Promise<void> {
    this.#ended = true
    for (const sink of [...this.#sinks]) sink.abort()
    await this.#context.writeBehind?.discard()
    try {
      this.#context.staging.remove()
    } finally {
      await this.#context.ended(committed)
    }
  }

  #requireOpen(): void {
    if (this.#ended) throw new UsageError('The transaction has ended')
  }
}
