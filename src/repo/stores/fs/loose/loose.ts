/**
 * The objects of a repository directory, one file each: `objects/ab/cdef….TYPE`; and the marks of commits that are not
 * complete: `state/CHECKSUM.commitpartial`, empty, or `f` for those that fsck found incomplete.
 *
 * Source: ostree-repo.c (_ostree_loose_path, list_loose_objects, ostree_repo_delete_object), ostree-repo-commit.c
 * (ostree_repo_mark_commit_partial_reason), ostree-repo-pull.c (commitpartial).
 */

import { lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { type Checksum, EMPTY_BYTES, encodeUtf8, type MaybePromise } from '../../../../bytes.ts'
import { IoError, ObjectNotFoundError, withContext } from '../../../../errors.ts'
import {
  type AttachedType,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  ObjectList,
  type ObjectName,
  type ObjectType,
  parseLoosePath,
} from '../../../../objects/index.ts'
import { errnoOf, errnoText, unless, withIo } from '../../../../system/errno.ts'
import { READ_FLAGS, readWhole, removeFile, replaceFile, syncDirectory } from '../../../../system/file-io.ts'
import { FileAccess } from '../../../../system/scratch-file.ts'
import type { Batch, FastPaths, LooseFiles, ObjectTask } from '../../../core/fast-paths.ts'
import type { CommitState, ObjectStore, RepoMode } from '../../../core/interface.ts'
import { LooseNames } from './loose-names.ts'
import type { LooseReader } from './loose-reader.ts'
import { PresentObjects } from './present.ts'

/** Names of the 256 directories in `objects/`, the first byte of checksums. */
const FAN_OUT = /^[0-9a-f]{2}$/
const FSCK_PARTIAL = 'f'.charCodeAt(0)
const NOTHING_THERE = ['ENOENT', 'ENOTDIR']

/** What the storage decides for its objects. */
export interface LooseObjectsContext {
  readonly requireWritable: () => void
  readonly fsync: () => boolean
  readonly workAhead?: FastPaths['workAhead']
}

export class LooseObjects implements ObjectStore {
  /** Path of the repository. */
  readonly root: string
  readonly mode: RepoMode
  readonly fast: FastPaths = {
    listMany: (type) => this.#listMany(type),
    workAhead: (task, names) => this.#workAhead(task, names),
  }
  readonly loose: LooseFiles = {
    path: (name) => (this.has(name) ? this.path(name) : undefined),
    payloadTarget: (payload) => this.#payloadTarget(payload),
    open: (checksum) => this.#open(checksum),
  }
  readonly #reader: LooseReader
  readonly #context: LooseObjectsContext

  constructor(root: string, mode: RepoMode, reader: LooseReader, context: LooseObjectsContext) {
    this.root = root
    this.mode = mode
    this.#reader = reader
    this.#context = context
  }

  /** Returns the path of an object, which need not exist. */
  path(name: ObjectName): string {
    return `${this.root}/${this.#reader.relativePath(name)}`
  }

  /** Returns the name of an object's file in its directory. */
  fileName({ checksum, type }: ObjectName): string {
    return `${checksum.slice(2)}.${type === 'file' ? this.#reader.content.suffix : type}`
  }

  has(name: ObjectName): boolean {
    return this.#reader.exists(this.path(name), name.type)
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return this.#reader.meta(this.path({ checksum, type }), type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    return this.#reader.attached(this.path({ checksum: commit, type }))
  }

  statFile(checksum: Checksum): FileInfo {
    return this.#reader.stat(this.path({ checksum, type: 'file' }), checksum)
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.#reader.file(this.path({ checksum, type: 'file' }), checksum)
  }

  async *list(type?: ObjectType): AsyncGenerator<ObjectName, void, undefined> {
    for (const names of this.#listMany(type)) yield* names
  }

  /** @throws {IoError} `opendirat: …` if one of the 256 is not a directory, or cannot be read */
  *#listMany(type?: ObjectType): Generator<ObjectList, void, undefined> {
    const names = ObjectList.empty()
    const looseNames = new LooseNames(this.#reader.archive, type)
    for (const head of this.#fanOut()) {
      names.clear()
      for (const file of this.#filesIn(head)) looseNames.read(head, file, names)
      yield names
    }
  }

  /** Lists a directory; empty if it was removed meanwhile, or is a link without a target. */
  #filesIn(head: string): string[] {
    try {
      return readdirSync(`${this.root}/objects/${head}`)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      if (errno === 'ENOENT') return []
      throw new IoError(`opendirat: ${errnoText(errno)}`, errno, `objects/${head}`, { cause: error })
    }
  }

  /** Returns the names of the existing directories, sorted. */
  #fanOut(): string[] {
    const entries = withIo('objects', () => readdirSync(`${this.root}/objects`))
    return entries.filter((name) => FAN_OUT.test(name)).sort()
  }

  /** Returns the set of present objects, for use in one transaction. */
  present(): PresentObjects {
    return new PresentObjects(`${this.root}/objects`, this.#fanOut(), this.#reader)
  }

  /** Whether none of the 256 directories exists. */
  isEmpty(): boolean {
    return this.#fanOut().length === 0
  }

  delete(name: ObjectName): void {
    this.#context.requireWritable()
    const shown = this.#reader.relativePath(name)
    let removed: boolean
    try {
      removed = removeFile(this.path(name), shown)
    } catch (error) {
      throw withContext(`Deleting object ${formatObjectName(name)}`, error)
    }
    if (!removed) throw new ObjectNotFoundError(formatObjectName(name))
  }

  #workAhead(task: ObjectTask, names: ObjectList): AsyncIterable<Batch> | undefined {
    if (task === 'delete') this.#context.requireWritable()
    return this.#context.workAhead?.(task, names)
  }

  /** Reads the target of the symbolic link: `../ab/cdef….file`, relative to its own directory. */
  #payloadTarget(payload: Checksum): Checksum | undefined {
    const path = this.path({ checksum: payload, type: 'payload-link' })
    const target = unless([...NOTHING_THERE, 'EINVAL'], path, () => readlinkSync(path))
    return target === undefined ? undefined : parseLoosePath(target.replace(/^\.\.\//, ''))?.checksum
  }

  /** Opens the loose file of a regular file, if it has nothing but the content. */
  #open(checksum: Checksum): FileAccess | undefined {
    if (this.#reader.archive) return undefined
    const path = this.path({ checksum, type: 'file' })
    const fd = unless([...NOTHING_THERE, 'ELOOP'], path, () => openSync(path, READ_FLAGS))
    return fd === undefined ? undefined : new FileAccess(fd, path)
  }

  storageSize(name: ObjectName): number {
    const path = this.path(name)
    const stat = unless(NOTHING_THERE, path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    return stat.size
  }

  commitState(commit: Checksum): CommitState {
    const path = this.#statePath(commit)
    const bytes = readWhole(path)
    if (bytes === undefined) {
      // `state` may be missing, but if it is not a directory, whether the commit is partial is unknown.
      const state = withIo('state', () => statSync(`${this.root}/state`, { throwIfNoEntry: false }))
      if (state === undefined || state.isDirectory()) return 'complete'
      throw new IoError(`openat(state/${commit}.commitpartial): Not a directory`, 'ENOTDIR', path)
    }
    return bytes[0] === FSCK_PARTIAL ? 'fsck-partial' : 'partial'
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#context.requireWritable()
    const shown = `state/${commit}.commitpartial`
    if (state === 'complete') {
      removeFile(this.#statePath(commit), shown)
      return
    }
    const bytes = state === 'partial' ? EMPTY_BYTES : encodeUtf8('f')
    replaceFile(this.#statePath(commit), bytes, { tmp: this.#tmp, shown })
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    this.#context.requireWritable()
    const name: ObjectName = { checksum: commit, type }
    const path = this.path(name)
    const shown = this.#reader.relativePath(name)
    if (bytes === undefined) {
      removeFile(path, shown)
      return
    }
    try {
      const directory = this.makeFanOut(commit.slice(0, 2))
      replaceFile(path, bytes, { tmp: this.#tmp, fsync: this.#context.fsync(), shown })
      if (this.#context.fsync()) withIo(shown, () => syncDirectory(directory))
    } catch (error) {
      throw type === 'commitmeta' ? withContext('Unable to write detached metadata', error) : error
    }
  }

  /** Creates one of the 256 directories if it is missing. @returns its path. @throws {IoError} if a link is in its place */
  makeFanOut(head: string): string {
    const shown = `objects/${head}`
    const path = `${this.root}/${shown}`
    unless(['EEXIST'], shown, () => mkdirSync(path, 0o777))
    const stat = withIo(shown, () => lstatSync(path))
    if (!stat.isDirectory()) throw new IoError(`opendir(${shown}): Not a directory`, 'ENOTDIR', path)
    return path
  }

  get #tmp(): string {
    return `${this.root}/tmp`
  }

  #statePath(commit: Checksum): string {
    return `${this.root}/state/${commit}.commitpartial`
  }
}
