/**
 * The transaction of a thread that writes loose files for the transaction of another one, in a directory of its own
 * (lane-place.ts). What it has written is sent in batches without contents.
 */

import { mkdirSync, renameSync } from 'node:fs'
import type { Checksum } from '../../../bytes.ts'
import { type FileHeader, isSymlink, type MetaType } from '../../../objects/index.ts'
import { nodePlatform } from '../../../platform/node.ts'
import { withIo } from '../../../system/errno.ts'
import { removeFile } from '../../../system/file-io.ts'
import { loadNative } from '../../../system/native.ts'
import type { RepoSettings } from '../../core/config.ts'
import type { LanePlace, LooseLayout, RepoMode } from '../../core/interface.ts'
import type { LargeBody } from '../incoming-file.ts'
import { type BatchSender, LaneBackend, type LaneTransaction } from '../lane-backend.ts'
import { OpenTransaction } from '../open-transaction.ts'
import { contentModeOf, needsNative } from './content/content-modes.ts'
import { NewFiles } from './content/new-file.ts'
import { FreeSpace } from './free-space.ts'
import { lanePath } from './lane-place.ts'
import { LooseObjects } from './loose/loose.ts'
import { LooseReader } from './loose/loose-reader.ts'
import type { PresentObjects } from './loose/present.ts'

const META_PERMISSIONS = 0o644
/** Large files that may end at the same time: each holds a few MiB until its compressor has stopped. */
const MOST_ENDING = 4

/** Loads what threads need for repositories of that mode. To be called when a thread starts. */
export function loadForLanes(mode: RepoMode): void {
  if (needsNative(mode)) loadNative()
}

/** Begins the transaction of a thread that writes loose files. Batches have no contents. */
export function stagingTransaction(place: LanePlace, settings: RepoSettings, sender: BatchSender): LaneTransaction {
  const backend = new StagingBackend(place, sender)
  return {
    tx: new OpenTransaction(backend, nodePlatform, settings),
    flush: () => backend.flush(),
    reuse: (bytes) => backend.reuse(bytes),
  }
}

let known: { readonly root: string; readonly present: PresentObjects } | undefined

/**
 * Returns the objects that a repository had when the thread wrote its first layer: threads end with their transaction.
 * Objects that came later are written again, and dropped by the transaction.
 */
function presentIn(root: string, layout: LooseLayout): PresentObjects {
  if (known?.root !== root) {
    const reader = new LooseReader(contentModeOf(layout, nodePlatform, loadNative))
    const objects = new LooseObjects(root, layout.mode, reader, { requireWritable() {}, fsync: () => false })
    known = { root, present: objects.present() }
  }
  return known.present
}

class StagingBackend extends LaneBackend {
  readonly #place: LanePlace
  readonly #content: ReturnType<typeof contentModeOf>
  readonly #metaFiles = new NewFiles()
  readonly #present: PresentObjects
  readonly #freeSpace: FreeSpace | undefined
  /** The objects of this thread, by type. */
  readonly #known: Readonly<Record<MetaType | 'file', Set<Checksum>>> = {
    file: new Set(),
    dirtree: new Set(),
    dirmeta: new Set(),
    commit: new Set(),
  }
  readonly #directories = new Set<string>()
  /** Large files that are being completed or dropped. */
  readonly #ending = new Set<Promise<void>>()
  readonly #bodies = new Set<LargeBody>()
  #streams = 0

  constructor(place: LanePlace, sender: BatchSender) {
    super(sender)
    this.#place = place
    const { root, layout, perObjectFsync, freeSpace } = place
    this.#content = contentModeOf(layout, nodePlatform, loadNative)
    this.#content.begin(perObjectFsync)
    this.#metaFiles.begin(perObjectFsync)
    this.#present = presentIn(root, layout)
    this.#freeSpace = freeSpace && new FreeSpace(freeSpace)
  }

  #newPath(checksum: Checksum, suffix: string): string {
    const head = checksum.slice(0, 2)
    if (this.#place.fanOut && !this.#directories.has(head)) {
      withIo('tmp', () => mkdirSync(`${this.#place.path}/${head}`, 0o777))
      this.#directories.add(head)
    }
    return lanePath(this.#place, checksum, suffix)
  }

  override insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    const known = this.#known[type]
    if (known.has(checksum)) {
      this.batches.note('repeated-meta', '', 0)
      return false
    }
    const stored = this.#present.has(type, checksum, type, false)
    if (!stored) {
      this.#metaFiles.create(this.#newPath(checksum, type), META_PERMISSIONS, bytes, (fd) =>
        this.#metaFiles.setPermissions(fd, META_PERMISSIONS),
      )
    }
    known.add(checksum)
    this.batches.note(stored ? `stored-${type}` : type, checksum, bytes.length)
    return !stored
  }

  override insertFile(checksum: Checksum, header: FileHeader, _framed: Uint8Array, body: Uint8Array): boolean {
    this.#freeSpace?.reserve(body.length)
    const isNew = !this.#isThere(checksum, body.length, header)
    if (isNew) {
      this.#content.create(this.#newPath(checksum, this.#content.suffix), header, body)
      this.#added('file', checksum, body.length, header)
    } else this.#freeSpace?.giveBack(body.length)
    return isNew
  }

  /** Whether a file is in the repository, or was written by this thread. Then it is noted, but not written. */
  #isThere(checksum: Checksum, size: number, header: FileHeader): boolean {
    if (this.#known.file.has(checksum)) {
      this.batches.note('repeated-file', '', 0)
      return true
    }
    const asLink = this.#content.realLinks && isSymlink(header)
    if (!this.#present.has('file', checksum, this.#content.suffix, asLink)) return false
    this.#added('stored-file', checksum, size, header)
    return true
  }

  #added(kind: 'file' | 'stored-file', checksum: Checksum, size: number, header: FileHeader): void {
    this.#known.file.add(checksum)
    this.batches.note(kind, checksum, size, header)
  }

  override openBody(header: FileHeader, _framed: Uint8Array, size: number): LargeBody {
    this.#freeSpace?.reserve(size)
    const path = `${this.#place.path}/stream-${this.#streams++}`
    const file = this.#content.open(path, header, size)
    const body: LargeBody = {
      write: (bytes) => file.write(bytes),
      drained: () => file.drained?.(),
      finish: () => this.#end(file.finish()),
      keep: (checksum) => {
        this.#bodies.delete(body)
        if (this.#isThere(checksum, size, header)) {
          this.#freeSpace?.giveBack(size)
          removeFile(path, path)
          return false
        }
        withIo(undefined, () => renameSync(path, this.#newPath(checksum, this.#content.suffix)))
        this.#added('file', checksum, size, header)
        return true
      },
      abort: () => {
        if (this.#bodies.delete(body)) this.#freeSpace?.giveBack(size)
        this.#end(file.abort())
      },
    }
    this.#bodies.add(body)
    return body
  }

  #end(ended: void | Promise<void>): void | Promise<void> {
    if (!(ended instanceof Promise)) return
    const settled: Promise<void> = ended.then(
      () => void this.#ending.delete(settled),
      () => void this.#ending.delete(settled),
    )
    this.#ending.add(settled)
    return ended
  }

  override drained(): Promise<void> | undefined {
    if (this.#ending.size >= MOST_ENDING) return Promise.all(this.#ending).then(() => {})
    for (const body of this.#bodies) {
      const pending = body.drained?.()
      if (pending !== undefined) return pending
    }
    return super.drained()
  }

  /** Waits until nothing is written any more. */
  override async end(): Promise<void> {
    for (const body of [...this.#bodies]) body.abort()
    await Promise.all(this.#ending)
  }
}
