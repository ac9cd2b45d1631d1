/**
 * A transaction of a repository directory: objects are written into staging as they arrive, and published together.
 *
 * Source: ostree-repo-commit.c, ostree_repo_prepare_transaction to ostree_repo_abort_transaction.
 */

import { renameSync, unlinkSync } from 'node:fs'
import type { Checksum, MaybePromise } from '../../../bytes.ts'
import { UsageError } from '../../../errors.ts'
import {
  type AttachedType,
  checksumObject,
  type FileHeader,
  type FileInfo,
  type FileObject,
  isSymlink,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../../objects/index.ts'
import type { Platform } from '../../../platform/index.ts'
import type { ExactDeflate } from '../../../platform/internal.ts'
import { withIo } from '../../../system/errno.ts'
import type { Adopted, LanePlace, LooseLayout, ObjectStore } from '../../core/interface.ts'
import type { Changes } from '../changes.ts'
import type { LargeBody } from '../incoming-file.ts'
import type { BackendLane, TransactionBackend } from '../open-transaction.ts'
import { Adoption } from './adopt.ts'
import { linkInode } from './content/link-inode.ts'
import { NewFiles } from './content/new-file.ts'
import type { FreeSpace } from './free-space.ts'
import { dropFromLane, lanePath } from './lane-place.ts'
import type { LooseObjects } from './loose/loose.ts'
import type { LooseReader } from './loose/loose-reader.ts'
import type { PresentObjects } from './loose/present.ts'
import type { Publisher } from './publish.ts'
import { StagedObjects } from './staged-objects.ts'
import type { Staging } from './staging.ts'
import type { WriteBehind } from './threads/write-behind.ts'

const META_PERMISSIONS = 0o644

/** The types of object that a transaction writes into staging. */
type StagedType = MetaType | 'file'

function isStagedType(type: ObjectType): type is StagedType {
  return type === 'file' || type === 'dirtree' || type === 'dirmeta' || type === 'commit'
}

/** What a transaction needs of its storage. */
export interface FsTransactionContext {
  readonly platform: Platform
  readonly objects: LooseObjects
  readonly reader: LooseReader
  readonly staging: Staging
  readonly publisher: Publisher
  readonly freeSpace: FreeSpace | undefined
  readonly perObjectFsync: boolean
  /** Compresses files of mode archive with the bytes of zlib; `undefined` when their bytes are free. */
  readonly exact: ExactDeflate | undefined
  /** Threads that write small files. */
  readonly writeBehind: WriteBehind | undefined
  readonly beforePublish: (() => void) | undefined
  /** As a thread needs it that writes for the transaction; `undefined` if a thread would not write what this one does. */
  readonly layout: LooseLayout | undefined
  /** Called once, after staging is removed. @param committed files that dead processes left may be removed too */
  ended(committed: boolean): Promise<void>
}

/** Large files that may end at the same time: each holds a few MiB until its compressor has stopped. */
const MAX_ENDING = 8

export class FsTransactionBackend implements TransactionBackend {
  readonly #context: FsTransactionContext
  readonly #metaFiles = new NewFiles()
  /** Large files that are being written. */
  readonly #bodies = new Set<LargeBody>()
  /** Large files whose content has all come, or was given up, and whose compressors have not stopped. */
  readonly #ending = new Set<Promise<void>>()
  readonly #staged: Readonly<Record<StagedType, StagedObjects>> = {
    file: new StagedObjects(),
    dirtree: new StagedObjects(),
    dirmeta: new StagedObjects(),
    commit: new StagedObjects(),
  }
  readonly #adoption: Adoption
  readonly #present: PresentObjects
  #lanes = 0

  constructor(context: FsTransactionContext) {
    const { objects, reader, staging, perObjectFsync, exact, writeBehind } = context
    this.#context = context
    this.#adoption = new Adoption(objects)
    this.#present = objects.present()
    this.#metaFiles.begin(perObjectFsync)
    reader.content.begin(perObjectFsync, exact)
    writeBehind?.begin(perObjectFsync, exact !== undefined)
    for (const { type, checksum } of staging.inherited) {
      if (isStagedType(type)) this.#staged[type].set(checksum, 'earlier')
    }
  }

  has({ type, checksum }: ObjectName): boolean {
    if (isStagedType(type)) return this.#exists(type, checksum, type === 'file')
    return this.#context.objects.has({ type, checksum })
  }

  /** @param link whether the object may be a symbolic link */
  #exists(type: StagedType, checksum: Checksum, link: boolean): boolean {
    if (this.#staged[type].has(checksum)) return true
    const asLink = link && this.#context.reader.content.realLinks
    return this.#present.has(type, checksum, this.#suffix(type), asLink)
  }

  #path(type: StagedType, checksum: Checksum): string {
    const { objects, staging } = this.#context
    const by = this.#staged[type].get(checksum)
    switch (by) {
      case undefined:
        return objects.path({ type, checksum })
      case 'this':
        return this.#stagedPath(type, checksum)
      case 'earlier':
        return staging.inheritedPath(checksum, this.#suffix(type))
      default:
        return lanePath(by, checksum, this.#suffix(type))
    }
  }

  #stagedPath(type: StagedType, checksum: Checksum): string {
    const { staging } = this.#context
    return type === 'commit' ? staging.commitPath(checksum) : staging.objectPath(checksum, this.#suffix(type))
  }

  #suffix(type: StagedType): string {
    return type === 'file' ? this.#context.reader.content.suffix : type
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#context.reader.meta(this.#path(type, checksum), type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#context.objects.readAttached(type, commit)
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    return this.#whenWritten(checksum, (path) => this.#context.reader.stat(path, checksum))
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.#whenWritten(checksum, (path) => this.#context.reader.file(path, checksum))
  }

  /** Reads a file object; waits for the writer threads first if one of them may still have to write it. */
  #whenWritten<T>(checksum: Checksum, read: (path: string) => MaybePromise<T>): MaybePromise<T> {
    const { writeBehind } = this.#context
    if (writeBehind?.pending !== true || this.#staged.file.get(checksum) !== 'this') {
      return read(this.#path('file', checksum))
    }
    return writeBehind.flush().then(() => read(this.#path('file', checksum)))
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    if (this.#exists(type, checksum, false)) return false
    this.#metaFiles.create(this.#stagedPath(type, checksum), META_PERMISSIONS, bytes, (fd) =>
      this.#metaFiles.setPermissions(fd, META_PERMISSIONS),
    )
    this.#staged[type].set(checksum, 'this')
    return true
  }

  insertFile(checksum: Checksum, header: FileHeader, _framedHeader: Uint8Array, body: Uint8Array): boolean {
    const link = isSymlink(header)
    const { freeSpace, reader, writeBehind } = this.#context
    freeSpace?.reserve(body.length)
    if (this.#exists('file', checksum, link)) {
      freeSpace?.giveBack(body.length)
      return false
    }
    const path = this.#stagedPath('file', checksum)
    if (link || writeBehind?.take(path, header, body) !== true) reader.content.create(path, header, body)
    this.#staged.file.set(checksum, 'this')
    return true
  }

  openBody(header: FileHeader, _framedHeader: Uint8Array, size: number): LargeBody {
    const { freeSpace, reader, staging } = this.#context
    freeSpace?.reserve(size)
    const path = staging.streamPath()
    const file = reader.content.open(path, header, size)
    const body: LargeBody = {
      write: (bytes) => file.write(bytes),
      drained: () => file.drained?.(),
      finish: () => this.#end(file.finish()),
      keep: (checksum) => {
        if (!this.#bodies.delete(body)) throw new UsageError('The file was aborted')
        // An equal file may have been stored while this one was being completed: they replace each other.
        const isNew = !this.#staged.file.has(checksum)
        withIo(undefined, () => renameSync(path, this.#stagedPath('file', checksum)))
        this.#staged.file.set(checksum, 'this')
        return isNew
      },
      abort: () => {
        if (this.#bodies.delete(body)) freeSpace?.giveBack(size)
        this.#end(file.abort())
      },
    }
    this.#bodies.add(body)
    return body
  }

  /** Counts a large file until it is written or removed. */
  #end(ended: MaybePromise<void>): MaybePromise<void> {
    if (!(ended instanceof Promise)) return
    const settled = ended.then(
      () => void this.#ending.delete(settled),
      () => void this.#ending.delete(settled),
    )
    this.#ending.add(settled)
    return ended
  }

  openLane(): BackendLane | undefined {
    const { objects, staging, freeSpace, perObjectFsync, layout, exact } = this.#context
    if (layout === undefined || exact !== undefined) return undefined
    const place: LanePlace = {
      root: objects.root,
      path: staging.makeLane(),
      // A whole directory moves in one call if `objects/` does not have it: that of the first thread.
      fanOut: this.#lanes++ === 0 && objects.isEmpty(),
      layout,
      perObjectFsync,
      freeSpace: freeSpace?.shared,
    }
    return {
      place,
      take: ({ type, checksum, size, header, stored }) => {
        const link = header !== undefined && isSymlink(header)
        if (stored) return false
        if (this.#exists(type, checksum, link)) {
          dropFromLane(place, checksum, this.#suffix(type))
          if (type === 'file') freeSpace?.giveBack(size)
          return false
        }
        this.#staged[type].set(checksum, place)
        return true
      },
      finish: () => staging.lanes.push(place),
    }
  }

  drained(): Promise<void> | undefined {
    if (this.#ending.size >= MAX_ENDING) return Promise.all(this.#ending).then(() => {})
    for (const body of this.#bodies) {
      const pending = body.drained?.()
      if (pending !== undefined) return pending
    }
    return undefined
  }

  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted {
    const { type, checksum } = name
    if (!isStagedType(type)) return 'unlike'
    const adopted = this.#adoption.take(from, name, trusted, () => this.#stagedPath(type, checksum))
    if (adopted === 'taken') this.#staged[type].set(checksum, 'this')
    return adopted
  }

  async linkFile(path: string, header: FileHeader): Promise<Checksum | undefined> {
    const { platform, objects, staging, reader } = this.#context
    const place = staging.streamPath()
    const file = await linkInode(path, place, header, { mode: objects.mode, content: reader.content })
    if (file === undefined) return undefined
    const checksum = await checksumObject(platform, file)
    const isNew = !this.#exists('file', checksum, false)
    withIo(undefined, () => (isNew ? renameSync(place, this.#stagedPath('file', checksum)) : unlinkSync(place)))
    if (isNew) this.#staged.file.set(checksum, 'this')
    return checksum
  }

  async publish(changes: Changes): Promise<void> {
    const { publisher, staging, writeBehind, beforePublish } = this.#context
    await writeBehind?.flush()
    beforePublish?.()
    await publisher.publish(staging, changes)
  }

  resume(): void {
    for (const type of ['file', 'dirtree', 'dirmeta', 'commit'] as const) {
      for (const checksum of this.#staged[type].keys()) this.#present.add(checksum, this.#suffix(type))
      this.#staged[type].clear()
    }
  }

  async end(committed: boolean): Promise<void> {
    for (const body of [...this.#bodies]) body.abort()
    await Promise.all(this.#ending)
    await this.#context.writeBehind?.discard()
    try {
      this.#context.staging.remove()
    } finally {
      await this.#context.ended(committed)
    }
  }
}
