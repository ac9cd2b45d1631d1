/**
 * A repository directory, as libostree lays it out:
 *
 *   config                                  key file
 *   objects/ab/cdef….TYPE                   loose/, content/
 *   refs/{heads,remotes/R,mirrors/C}/NAME   refs.ts
 *   state/CHECKSUM.commitpartial            loose/loose.ts
 *   deltas/…  tmp/cache/summaries/          deltas.ts
 *   summary  NAME.cookies.txt  …            files.ts
 *   tmp/staging-…  tmp/cache                staging.ts
 *   .lock  .refs.lock                       lock.ts
 *
 * Source: ostree-repo.c, ostree_repo_open, reload_core_config.
 */

import { accessSync, closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { encodeUtf8 } from '../../../bytes.ts'
import { ConflictError, FormatError, ReadOnlyError, UsageError, withContext } from '../../../errors.ts'
import { KeyFile } from '../../../keyfile/index.ts'
import type { ObjectList } from '../../../objects/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { loadExactDeflate } from '../../../platform/internal.ts'
import { errnoOf, errnoText, ioError, withIo } from '../../../system/errno.ts'
import { removeFile, replaceFile } from '../../../system/file-io.ts'
import type { NativeSource } from '../../../system/native.ts'
import { ScratchFile } from '../../../system/scratch-file.ts'
import type { Threads } from '../../../system/threads/thread.ts'
import { type RepoSettings, readSettings } from '../../core/config.ts'
import type { Batch, ObjectTask } from '../../core/fast-paths.ts'
import type { BeginOptions, LockOptions, RepoDirectory, RepoMode, Storage, Transaction } from '../../core/interface.ts'
import { OpenTransaction } from '../open-transaction.ts'
import { contentModeOf } from './content/content-modes.ts'
import { FsDeltas, FsSummaryCache } from './deltas.ts'
import { fileText } from './file-text.ts'
import { FsFiles, FsRemoteFiles } from './files.ts'
import { FreeSpace } from './free-space.ts'
import { fileLocker, type Locker, noLocker, processLocker, RepoLock } from './lock.ts'
import { LooseObjects } from './loose/loose.ts'
import { LooseReader } from './loose/loose-reader.ts'
import { Publisher } from './publish.ts'
import { FsRefs } from './refs.ts'
import { cleanTmp, readBootId, Staging, type StagingPlace } from './staging.ts'
import { WriteBehind } from './threads/write-behind.ts'
import { FsTransactionBackend } from './transaction.ts'

/** Objects in a list below which this thread is done before another one has started. */
const OBJECTS_BEFORE_START = { verify: 4000, delete: 100_000 } as const
/** Objects to delete below which the plain way is done before object-threads.ts is loaded. */
const OBJECTS_BEFORE_LOADING = 100

export interface FsStorageContext {
  /** Absolute path of the repository. */
  readonly path: string
  readonly platform: Platform
  readonly native: NativeSource
  /** Returns the threads that write small files in a repository of that mode; `undefined` for none. */
  readonly writers: (mode: RepoMode) => Threads | undefined
  /** Returns the threads that process long lists of objects; `undefined` for none. */
  readonly objectThreads: () => Threads | undefined
  /** Whether threads may write loose files for a transaction: they use the platform and the native calls of Node. */
  readonly lanes: boolean
  /** As in `OpenFsStorageOptions`. */
  readonly remotesDirectory: string | undefined
  /** Whether each new remote gets a file in that directory. */
  readonly addsRemoteFiles: boolean
  /** As in `RepoDirectoryOptions`. */
  readonly bootId: string | undefined
  readonly beforePublish: (() => void) | undefined
  readonly writeSplitXattrs: boolean
}

export class FsStorage implements Storage {
  readonly location: string
  readonly mode: RepoMode
  readonly writable: boolean
  readonly objects: LooseObjects
  readonly refs: FsRefs
  readonly deltas: FsDeltas
  readonly summaryCache: FsSummaryCache
  readonly files: FsFiles
  readonly remoteFiles: FsRemoteFiles | undefined
  readonly #context: FsStorageContext
  readonly #reader: LooseReader
  readonly #lock: RepoLock
  readonly #refsLock: RepoLock
  readonly #notWritable: ReadOnlyError | undefined
  #settings: RepoSettings
  #transaction: Transaction | 'beginning' | undefined
  #writeBehind: WriteBehind | undefined
  #closed = false

  /** @throws {FormatError}, {UnsupportedError} if the configuration is not valid */
  constructor(context: FsStorageContext) {
    const { path } = context
    this.#context = context
    this.location = path
    this.#settings = parseSettings(this.readConfig())
    this.mode = this.#settings.mode
    this.#notWritable = whyNotWritable(path)
    this.writable = this.#notWritable === undefined
    this.#reader = new LooseReader(contentModeOf(this.#settings, context.platform, context.native))
    const requireWritable = (call?: string) => this.#requireWritable(call)
    const fsync = () => this.#settings.fsync
    this.objects = new LooseObjects(path, this.mode, this.#reader, {
      requireWritable,
      fsync,
      workAhead: (task, names) => this.#workAhead(task, names),
    })
    this.refs = new FsRefs(path, requireWritable, fsync)
    this.deltas = new FsDeltas(path, requireWritable)
    this.summaryCache = new FsSummaryCache(`${path}/tmp/cache/summaries`, requireWritable, context.native)
    this.files = new FsFiles(path, `${path}/tmp`, requireWritable, fsync)
    if (context.remotesDirectory !== undefined) {
      this.remoteFiles = new FsRemoteFiles(context.remotesDirectory, context.addsRemoteFiles, requireWritable, fsync)
    }
    this.#lock = new RepoLock(() => this.#makeLocker('.lock'))
    this.#refsLock = new RepoLock(() => this.#makeLocker('.refs.lock'))
  }

  /** Returns the writer threads: those of the last transaction, unless settings have changed since. */
  async #makeWriteBehind(): Promise<WriteBehind | undefined> {
    if (this.#writeBehind?.settings !== this.#settings) {
      await this.#writeBehind?.close()
      const writers = this.#context.writers(this.mode)
      this.#writeBehind = writers && new WriteBehind(writers, this.#settings, this.#reader.content)
    }
    return this.#writeBehind
  }

  #workAhead(task: ObjectTask, names: ObjectList): AsyncIterable<Batch> | undefined {
    const threads = this.#context.objectThreads()
    if (threads === undefined || names.length === 0) return undefined
    if (names.length >= (threads.after ?? OBJECTS_BEFORE_START[task])) return this.#workInThreads(threads, task, names)
    // Even alone, this thread deletes faster that way: it looks names up in one open directory after another.
    const alone = task === 'delete' && names.length >= OBJECTS_BEFORE_LOADING
    return alone ? this.#workInThreads({ ...threads, count: 0 }, task, names) : undefined
  }

  async *#workInThreads(threads: Threads, task: ObjectTask, names: ObjectList): AsyncGenerator<Batch> {
    const { workInThreads } = await import('./threads/object-threads.ts')
    const { path, platform } = this.#context
    const data = { root: path, settings: this.directory.layout, task }
    yield* workInThreads(threads, data, this.objects, platform, names)
  }

  get directory(): RepoDirectory {
    const { mode, zlibLevel, disableXattrs } = this.#settings
    return { path: this.location, layout: { mode, zlibLevel, disableXattrs } }
  }

  #makeLocker(name: string): Locker {
    const { path, native } = this.#context
    if (!this.#settings.locking || !this.writable) return noLocker
    const provider = native()
    return provider === undefined ? processLocker(`${realpathSync(path)}/${name}`) : fileLocker(path, name, provider)
  }

  readConfig(): string {
    const { path } = this.#context
    const bytes = withIo('config', () => {
      // Links are followed here: the owner of the repository may keep the file elsewhere.
      const fd = openSync(`${path}/config`, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        // A device can be without an end.
        const stat = fstatSync(fd)
        if (!stat.isFile() && !stat.isDirectory())
          throw new FormatError('config', 'Not a regular file or symlink: config')
        return readFileSync(fd)
      } finally {
        closeSync(fd)
      }
    })
    return fileText(bytes, 'config')
  }

  writeConfig(text: string): void {
    // ostree does not ask whether it may write before it creates the new file.
    this.#requireWritable('open(O_TMPFILE)')
    const settings = parseSettings(text)
    const { path } = this.#context
    const mode = withIo('config', () => lstatSync(`${path}/config`)).mode & 0o777
    replaceFile(`${path}/config`, encodeUtf8(text), {
      tmp: `${path}/tmp`,
      mode,
      fsync: this.#settings.fsync,
      shown: 'config',
    })
    this.#settings = settings
    this.#reader.content = contentModeOf(settings, this.#context.platform, this.#context.native)
  }

  /** The file lies in `tmp`, and leaves free what `core.min-free-space-percent` or `-size` keeps free. */
  createScratch(): ScratchFile {
    const { path } = this.#context
    const freeSpace = FreeSpace.measure(path, this.#settings)
    return new ScratchFile(`${path}/tmp`, (bytes) => freeSpace?.reserve(bytes))
  }

  async begin(options: BeginOptions = {}): Promise<Transaction> {
    const { fsync = this.#settings.fsync, perObjectFsync = this.#settings.perObjectFsync, exactCompression } = options
    if (this.#closed) throw new UsageError('The repository is closed')
    if (this.#transaction !== undefined) {
      throw new ConflictError(this.location, 'Failed to prepare transaction, another transaction is in progress')
    }
    this.#requireWritable()
    this.#transaction = 'beginning'
    let lock: AsyncDisposable | undefined
    let staging: Staging | undefined
    try {
      lock = await this.#lock.acquire('shared', this.#settings.lockTimeout)
      const held = lock
      const { path, platform, native, beforePublish } = this.#context
      const freeSpace = FreeSpace.measure(path, this.#settings)
      const exact = exactCompression && this.mode === 'archive' ? await loadExactDeflate() : undefined
      const writeBehind = await this.#makeWriteBehind()
      staging = Staging.begin(this.#stagingPlace())
      const backend = new FsTransactionBackend({
        platform,
        objects: this.objects,
        reader: this.#reader,
        staging,
        publisher: new Publisher(path, this.objects, this.refs, native(), fsync),
        freeSpace,
        perObjectFsync: fsync && perObjectFsync,
        exact,
        writeBehind,
        beforePublish: beforePublish && keepOnFailure(staging, beforePublish),
        layout: this.#context.lanes ? this.directory.layout : undefined,
        ended: (committed) => this.#ended(held, committed),
      })
      const writeSplitXattrs = this.mode === 'bare-split-xattrs' && this.#context.writeSplitXattrs
      this.#transaction = new OpenTransaction(backend, platform, { ...this.#settings, writeSplitXattrs })
      return this.#transaction
    } catch (error) {
      this.#transaction = undefined
      staging?.remove()
      await lock?.[Symbol.asyncDispose]()
      throw error
    }
  }

  async #ended(lock: AsyncDisposable, committed: boolean): Promise<void> {
    this.#transaction = undefined
    try {
      const { path } = this.#context
      cleanTmp(this.#stagingPlace(), this.#settings.tmpExpiry, Math.floor(Date.now() / 1000))
      // Old versions of libostree left this file.
      if (committed) removeFile(`${path}/transaction`, 'transaction')
    } finally {
      await lock[Symbol.asyncDispose]()
    }
  }

  #stagingPlace(): StagingPlace {
    const { path, native, bootId = readBootId() } = this.#context
    return { tmp: `${path}/tmp`, bootId, native: native() }
  }

  async lock(kind: 'shared' | 'exclusive', options: LockOptions = {}): Promise<AsyncDisposable> {
    const timeout = options.timeout ?? this.#settings.lockTimeout
    // A transaction relies on the objects it has found: even its own storage must not delete any meanwhile.
    const mayTake = () => kind === 'shared' || this.#transaction === undefined || this.#lock.exclusive
    return this.#lock.acquire(kind, timeout, mayTake)
  }

  async lockRefs({ timeout = this.#settings.lockTimeout }: LockOptions = {}): Promise<AsyncDisposable> {
    return this.#refsLock.acquire('exclusive', timeout, () => !this.#refsLock.exclusive)
  }

  /** @param call replaces the first words of the message. @throws {ReadOnlyError} `Cannot write to repository: …` */
  #requireWritable(call?: string): void {
    const why = this.#notWritable
    if (why === undefined) return
    throw call === undefined ? why : why.withMessage(why.message.replace(/^[^:]*/, call), { cause: why.cause })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#transaction !== 'beginning') await this.#transaction?.[Symbol.asyncDispose]()
    this.#lock.close()
    this.#refsLock.close()
    await this.#writeBehind?.close()
  }
}

/** When `beforePublish` throws, staging stays as if the process had ended there. */
function keepOnFailure(staging: Staging, beforePublish: () => void): () => void {
  return () => {
    try {
      beforePublish()
    } catch (error) {
      staging.keep()
      throw error
    }
  }
}

/** Parses the configuration. @throws {FormatError}, {UnsupportedError} if it is not valid */
export function parseSettings(text: string): RepoSettings {
  let config: KeyFile
  try {
    config = KeyFile.parse(text, 'config')
  } catch (error) {
    throw withContext("Couldn't parse config file", error)
  }
  return readSettings(config)
}

function whyNotWritable(path: string): ReadOnlyError | undefined {
  try {
    accessSync(`${path}/objects`, constants.W_OK)
    return undefined
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    return new ReadOnlyError(path, `Cannot write to repository: ${errnoText(errno)}`, { cause: ioError(error) })
  }
}
