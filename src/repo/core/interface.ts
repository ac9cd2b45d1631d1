/**
 * The contracts of a repository. A backend implements `Storage`; `Repo` (repo.ts) and every operation use nothing else
 * of it. What is written here is what the conformance suite (`storageSuite` of `ostree-ts/testing`) checks, and all that
 * a backend has to do. A backend that can read and write values by key need not implement any of it: `createTableStorage`
 * makes a storage of such a table.
 *
 * Rules for every method:
 *
 * - **Answers.** A `MaybePromise` is the value itself if it is known at once, else a promise. A method that returns one
 *   may throw an error or reject with it. Methods may be called before the promises of earlier calls have settled.
 * - **Errors** are `OstreeError`s. Where `@throws` gives no condition, the name of the class says it. The class and its
 *   `data` are part of the contract; the text of a message only where it is given here, or where the constructor of the
 *   class makes it.
 * - **Buffers.** A method that is given bytes copies or uses them before it returns; the caller may overwrite them then.
 *   Bytes that a method returns belong to the caller, who may overwrite them: that changes nothing in the store.
 *   They may be a Buffer, whose `slice` does not copy: copy with `new Uint8Array(bytes)`.
 * - **Streams** (`AsyncIterable<Uint8Array>`). A chunk is valid until the next one is requested. A consumer may stop early.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import type {
  AttachedType,
  FileHeader,
  FileInfo,
  FileObject,
  MetaType,
  ObjectName,
  ObjectType,
} from '../../objects/index.ts'
import type { FastPaths, LooseFiles } from './fast-paths.ts'
import type { Scratch } from './random-access.ts'
import type { RemoteFiles, RepoFiles } from './repo-files.ts'
import type { SummaryCache } from './summary-cache.ts'

/** The value of `core.mode`; `archive` stands for `archive-z2`. */
export type RepoMode = 'bare' | 'bare-user' | 'bare-user-only' | 'bare-split-xattrs' | 'archive'

/**
 * The path of a ref below `refs/`: `heads/NAME`, `remotes/REMOTE/NAME` or `mirrors/COLLECTION/NAME`, where NAME may
 * contain slashes. refs.ts checks the grammar when it makes a path; a storage need not.
 */
export type RefPath = string
/**
 * A commit; or, in `heads/` only, another ref in `heads/`, which need not exist. A store whose aliases are symbolic links
 * may throw IoError for refs if one of them leads in a circle or to a directory of refs, as ostree does.
 */
export type RefTarget = { readonly commit: Checksum } | { readonly alias: RefPath }

/** `partial`: not all objects of the commit were fetched. `fsck-partial`: fsck found some missing or corrupt. */
export type CommitState = 'complete' | 'partial' | 'fsck-partial'

/**
 * Reads objects. What was stored is returned without comparing it with its checksum.
 *
 * Detached metadata (`commitmeta`) and tombstones (`tombstone-commit`) are objects attached to a commit: their name is
 * the checksum of that commit, which need not be stored. All others are named by their content.
 */
export interface ObjectReader {
  /** Returns whether the object is stored. Objects of one checksum and different types are different objects. */
  has(name: ObjectName): MaybePromise<boolean>
  /**
   * Reads the bytes of a metadata object.
   * @throws {ObjectNotFoundError} if it is not stored; {FormatError} if what is stored is damaged
   */
  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array>
  /** Reads an attached object. `undefined` if it is not stored; an empty array is an empty dictionary. */
  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined>
  /**
   * Reads header and size of a file, not its content.
   * @throws {ObjectNotFoundError} if it is not stored; {FormatError} if what is stored is damaged
   */
  statFile(checksum: Checksum): MaybePromise<FileInfo>
  /**
   * Reads a file. The body is one array if it has at most SMALL_FILE bytes; else a stream of chunks of at most that size,
   * which may be read once.
   * @throws {ObjectNotFoundError}, {FormatError}, {CompressionError}; the stream of a damaged file may throw them later
   */
  readFile(checksum: Checksum): MaybePromise<FileObject>
}

/** Takes the content of one file piece by piece. Several sinks of a transaction may be open at the same time. */
export interface FileSink {
  /** Takes the next bytes. @throws {FormatError} if these are more than promised; {UsageError} as `Transaction` */
  write(bytes: Uint8Array): void
  /**
   * Stores the file, as `Transaction.writeFile` does.
   * @throws {ChecksumMismatchError}, {FormatError} if fewer bytes came than promised; nothing is stored
   */
  finish(): MaybePromise<Checksum>
  /** Drops the content unless `finish` has stored it. May be called at any time, and twice. */
  abort(): void
}

/** Counts of one transaction since it began; a checkpoint does not reset them. A write that fails is not counted. */
export interface TransactionStats {
  /** Metadata objects given to `writeMeta`, also those that were stored already. The commit is one of them. */
  metadataTotal: number
  /** Of these, the objects that were new. */
  metadataWritten: number
  /** Files given to `writeFile` or a sink that finished, also those that were stored already. */
  contentTotal: number
  /** Of these, the objects that were new. */
  contentWritten: number
  /** Bytes of content in the new files, uncompressed. */
  contentBytesWritten: number
  /** Files whose object was found by inode, without reading them (devino cache). The committing operation counts them. */
  contentCacheHits: number
}

/** The result of `Transaction.adopt`. `unlike`: the object has to be read and written. */
export type Adopted = 'taken' | 'absent' | 'unlike'

/**
 * Collects objects and changes, and makes them visible together. Other readers of the storage see none of it before
 * `checkpoint` or `commit`, and then all of it. Reads through the transaction see its own writes at once, and otherwise
 * what the storage holds at that moment, also what `ObjectStore` has written meanwhile. Of several writes of one attached
 * object or state, the last one counts; those of the transaction replace those of `ObjectStore` when it commits.
 *
 * After `commit` or dispose, and while `checkpoint` or `commit` is under way, every method throws UsageError, except
 * dispose and, during a checkpoint, `openLane`.
 * Disposing without `commit` aborts: what was written since the last checkpoint leaves no trace. It may be done twice,
 * and waits for a commit that is under way. Every promise of a write must have settled before `checkpoint` or `commit`
 * is called; sinks may stay open over a checkpoint.
 */
export interface Transaction extends ObjectReader, AsyncDisposable {
  readonly stats: TransactionStats
  /**
   * Stores a metadata object. If it is stored already this changes nothing, and succeeds. Storing a commit, also
   * one that is stored already, deletes its tombstone when the transaction commits; the transaction does not find it from
   * then on.
   * @returns the checksum of `bytes`
   * @throws {ChecksumMismatchError} if `expected` is another checksum, with the checksum of `bytes` as `actual`; the
   *   message begins `Writing metadata object: `, and nothing is stored
   */
  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum>
  /** Replaces an attached object; `undefined` deletes it. Takes effect at `commit` or `checkpoint`. */
  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void>
  /**
   * Stores a regular file or symbolic link. If it is stored already this changes nothing, and succeeds. Array, stream and
   * sink give the same object; content of more than SMALL_FILE bytes must not be gathered in memory. Xattrs keep the
   * order they have in `file` (except in mode bare, where inodes hold them), and the object has the checksum of that order; but if `expected` is the checksum of the
   * same file with its xattrs sorted by name, it is stored under that one.
   * @returns the checksum of header and content
   * @throws {ChecksumMismatchError} if `expected` is none of these checksums, with the checksum of `file` as `actual`
   * @throws {FormatError} if the body has not `file.size` bytes, if a symbolic link has content, or if the mode is not
   *   that of a regular file or symbolic link
   * @throws {FormatError}, {UnsupportedError} if a bare-user-only repository cannot hold the file (mode-rules.ts). In all
   *   cases nothing is stored, and the message begins `Writing content object: `; errors of the stream pass unchanged
   */
  writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum>
  /**
   * Stores a file under a checksum that is not verified, because the caller trusts where the file comes from. What is not
   * right about it is found by `fsck`. Otherwise like `writeFile`.
   * @returns `checksum`
   */
  writeTrustedFile(file: FileObject, checksum: Checksum): MaybePromise<Checksum>
  /** Returns a sink that stores a file as `writeFile` does. @param size bytes of content that will come */
  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink
  /**
   * Stores an object of another store without looking into it: by a hard link or a copy of its loose file. To be called
   * only for objects that are not stored yet. `stats` do not count it, and a tombstone of a commit stays, as in ostree.
   * @param trusted whether the file may be used even if another user owns it, who could change it later
   * @returns `taken` only if this store keeps the object in exactly the same form; a store may always return `unlike`
   */
  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted
  /**
   * Makes a regular file of the local file system a file object by hard-linking it. Its content must not change from then
   * on: the caller is about to delete it. `stats` do not count it.
   * @returns `undefined` if the file has to be read and written instead; a store may always return that
   */
  linkFile(path: string, header: FileHeader): MaybePromise<Checksum | undefined>
  /**
   * Makes a directory in which a thread of this process writes loose files, for objects that `StagedLane.take` adds. May
   * be called during a checkpoint.
   * @returns `undefined` if objects are not files, or a thread cannot write them
   */
  openLane(): StagedLane | undefined
  /**
   * Returns a promise if the store lags behind: the caller awaits it before it writes more. `undefined` if not. Called
   * about once per MiB, so that writes of small files need no promise.
   */
  drained(): Promise<void> | undefined
  /**
   * Sets a ref; `undefined` deletes it. Takes effect at `commit` or `checkpoint`. The last call for a path counts, and
   * only the refs that result from all calls together may not conflict (`RefStore.write`), among themselves and with
   * those that the storage has when the transaction commits.
   */
  setRef(path: RefPath, target: RefTarget | undefined): void
  /** Sets the state of a commit. Takes effect at `commit` or `checkpoint`. */
  setCommitState(commit: Checksum, state: CommitState): void
  /**
   * Makes everything written so far durable and visible, refs after all else; the transaction goes on.
   * @throws {ConflictError} if refs conflict; none of them has changed, and nothing else has become visible. After an
   *   error the transaction has ended.
   */
  checkpoint(): Promise<void>
  /** Does what `checkpoint` does, and ends the transaction; so does an error. @returns `stats` */
  commit(): Promise<TransactionStats>
}

/** How a thread writes loose files. These are plain values, which can be sent to a thread. */
export interface LanePlace {
  /** Absolute path of the repository, in which the thread looks for objects. */
  readonly root: string
  /** Absolute path of the directory. */
  readonly path: string
  /** Whether the directory has a directory for each first byte of a checksum, as `objects/` has. */
  readonly fanOut: boolean
  readonly layout: LooseLayout
  /** Whether each file is written to the disk by itself. */
  readonly perObjectFsync: boolean
  /** Counts the space that files take, with the threads and the transaction. Absent if none has to be kept free. */
  readonly freeSpace: SharedFreeSpace | undefined
}

/** Space that threads share. */
export interface SharedFreeSpace {
  /** Bytes. */
  readonly blockSize: number
  /** One element: the blocks that content may still take. */
  readonly blocks: Int32Array
  readonly settings: { readonly minFreeSpaceBytes: number; readonly minFreeSpacePercent: number }
}

/** An object that a thread has written. */
export interface LaneObject {
  readonly type: MetaType | 'file'
  readonly checksum: Checksum
  /** Bytes of content. */
  readonly size: number
  /** Present if it is a file. */
  readonly header?: FileHeader | undefined
  /** Whether the repository had the object, so that the thread wrote no file. */
  readonly stored: boolean
}

/** A directory of a transaction in which a thread writes. What was not taken when the transaction ends is dropped. */
export interface StagedLane {
  readonly place: LanePlace
  /** Adds an object that the thread has completed, and counts it. Reads through the transaction find it. */
  take(object: LaneObject): void
  /** Ends the work of the thread: the next checkpoint publishes what was taken. */
  finish(): void
}

/**
 * The objects of a storage. Its writes belong to no transaction: they are visible at once, and stay if a transaction that
 * is open is aborted. Objects named by their content are written by transactions only.
 */
export interface ObjectStore extends ObjectReader {
  /**
   * Lists the names of all stored objects, attached ones included, or of one type, in no particular order; not those of a
   * parent repository.
   * Objects may be deleted while the list is read.
   */
  list(type?: ObjectType): AsyncIterable<ObjectName>
  /**
   * Deletes one object; what is attached to a commit stays. The caller holds an exclusive lock and has no transaction
   * open. The next transaction may store the object again.
   * @throws {ObjectNotFoundError} if it is not stored
   */
  delete(name: ObjectName): MaybePromise<void>
  /**
   * Returns the bytes that the object takes, as prune and fsck report them.
   * @throws {ObjectNotFoundError} if it is not stored
   */
  storageSize(name: ObjectName): MaybePromise<number>
  /** Returns the state of a commit, which need not be stored. `complete` unless another was set. */
  commitState(commit: Checksum): MaybePromise<CommitState>
  setCommitState(commit: Checksum, state: CommitState): MaybePromise<void>
  /** Replaces an attached object; `undefined` deletes it, also if it is not stored. */
  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void>
  /** Absent if the store has no faster ways. */
  readonly fast?: FastPaths | undefined
  /** Absent if objects are not files. */
  readonly loose?: LooseFiles | undefined
}

/** The refs of a storage. Its writes belong to no transaction, as those of `ObjectStore`. */
export interface RefStore {
  /**
   * Reads a ref, without following an alias. `undefined` if there is no such ref, also if refs lie below `path`.
   * @throws {InvalidNameError} if what is stored is not a checksum, {FormatError} if it is not text
   */
  read(path: RefPath): MaybePromise<RefTarget | undefined>
  /**
   * Lists the paths of the refs at or below `prefix` (`heads`, `remotes/origin`, `heads/a/b`), sorted by their UTF-8
   * bytes. `heads/a` is a prefix of `heads/a` and `heads/a/b`, not of `heads/ab`. Targets are not read.
   */
  list(prefix: RefPath): MaybePromise<RefPath[]>
  /**
   * Sets a ref; `undefined` deletes it, also if there is none. As in a directory of files, a ref and refs below its path
   * exclude each other.
   * @throws {ConflictError} `Conflict: X exists under Y when attempting write`, `openat(refs/PATH): Not a directory`
   *   (ref-conflicts.ts); nothing has changed
   */
  write(path: RefPath, target: RefTarget | undefined): MaybePromise<void>
}

/** How durable the writes of a transaction are. */
export interface BeginOptions {
  /** Whether what a commit makes visible is on the disk before. Default: `core.fsync`. */
  readonly fsync?: boolean | undefined
  /** Whether each object is written to the disk by itself. Default: `core.per-object-fsync`. */
  readonly perObjectFsync?: boolean | undefined
  /**
   * Compress the files of a directory in mode archive to exactly the bytes that zlib, and so ostree, writes. This takes
   * about three times as long. Other repositories ignore it. Default false.
   */
  readonly exactCompression?: boolean | undefined
}

/** How long to wait for a lock. */
export interface LockOptions {
  /** Seconds to wait; 0 does not wait, -1 waits forever. Default: `core.lock-timeout-secs`. */
  readonly timeout?: number | undefined
}

/** The commits between which a static delta leads. `from` is absent if it starts from nothing. */
export interface DeltaName {
  readonly from: Checksum | undefined
  readonly to: Checksum
}

/** The static deltas that a storage keeps. */
export interface DeltaStore {
  list(): MaybePromise<DeltaName[]>
  /** Deletes a delta; succeeds if there is none. */
  delete(delta: DeltaName): MaybePromise<void>
}

/** How the files of a repository directory are read and written. */
export interface LooseLayout {
  readonly mode: RepoMode
  /** Compression level of new files in mode archive, 1 to 9. */
  readonly zlibLevel: number
  /** Whether extended attributes are neither written nor read (`core.disable-xattrs`). */
  readonly disableXattrs: boolean
}

/** A repository directory, as libostree lays it out: what another thread has to know to read the same objects. */
export interface RepoDirectory {
  /** Absolute path; objects lie in `objects/` below it. */
  readonly path: string
  readonly layout: LooseLayout
}

/**
 * A backend: objects, refs and configuration that belong together. Disposing closes it, and may be done twice. Storages of
 * the same repository, also in other processes, see at once what one of them has committed, and everything that was
 * committed is there when the repository is opened again.
 */
export interface Storage extends AsyncDisposable {
  /** For messages: a path, or `memory`. Not empty. */
  readonly location: string
  readonly mode: RepoMode
  /** If false, every write and `begin` throw ReadOnlyError. */
  readonly writable: boolean
  readonly objects: ObjectStore
  readonly refs: RefStore
  /** Absent if the storage is not a repository directory. */
  readonly directory?: RepoDirectory | undefined
  /** Absent if the storage keeps no static deltas. */
  readonly deltas?: DeltaStore
  /** Absent if the storage keeps no summaries of remotes. */
  readonly summaryCache?: SummaryCache
  /** Absent if the storage keeps nothing but objects, refs and configuration. */
  readonly files?: RepoFiles
  /** More configuration of remotes, one `*.conf` each: `/etc/ostree/remotes.d` for the repository of the running system. */
  readonly remoteFiles?: RemoteFiles | undefined
  /** Creates a place for bytes that do not fit into memory. Absent if the storage is in memory itself. */
  createScratch?(): Scratch
  /** Returns the text of the configuration key file, exactly as it was written; that of a new storage: `initialConfig`. */
  readConfig(): MaybePromise<string>
  /** @throws {FormatError}, {UnsupportedError} if the storage cannot work with that configuration; nothing is written */
  writeConfig(text: string): MaybePromise<void>
  /**
   * Begins a transaction and takes the shared lock for it. Disposing the storage aborts it.
   * @throws {ConflictError} `Failed to prepare transaction, another transaction is in progress`: a storage has one at a time
   * @throws {RepoLockedError} after `core.lock-timeout-secs`, {ReadOnlyError}, {UsageError} if the storage is closed
   */
  begin(options?: BeginOptions): Promise<Transaction>
  /**
   * Takes the lock of the repository; disposing the result, which may be done twice, releases it. Storages of the same
   * repository, also in other processes, share a shared lock and exclude each other from an exclusive one. One storage
   * may take it again and again, also shared while it holds it exclusively, and may write and begin a transaction
   * meanwhile. While it has a transaction open, an exclusive lock may be refused. What was written under an exclusive
   * lock is durable when that is released.
   * @throws {RepoLockedError} `Locking repo KIND failed: Resource temporarily unavailable`
   */
  lock(kind: 'shared' | 'exclusive', options?: LockOptions): Promise<AsyncDisposable>
  /**
   * Takes a lock that has one holder at a time, whatever other locks are held: a program takes it before it reads refs to
   * choose the value of one, and disposes of the result after the transaction that sets it was committed. The end of the
   * process releases it. Absent if the storage has one transaction at a time, over all processes.
   * @throws {RepoLockedError} when another holder keeps it longer than the timeout
   */
  lockRefs?(options?: LockOptions): Promise<AsyncDisposable>
}
