/**
 * The contracts of a repository. A backend implements `Storage`; `Repo` (repo.ts) and every operation stand on it and
 * know no backend. One conformance suite (`ostree-ts/testing`) runs over all of them.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import type {
  AttachedType,
  FileHeader,
  FileInfo,
  FileObject,
  MetaType,
  ObjectList,
  ObjectName,
  ObjectType,
} from '../../objects/index.ts'

/** `verify`: nothing is wrong with the object. `delete`: it was there, and is gone. */
export type ObjectTask = 'verify' | 'delete'

/** Objects `from`..`to` (exclusive) of a list. */
export interface Batch {
  readonly from: number
  readonly to: number
  /** Those that are still to be done. */
  readonly left: ReadonlySet<number>
  /** That the deleted ones took in the store. */
  readonly bytes: number
}

/** As written in `core.mode`, but that `archive-z2` reads `archive`. */
export type RepoMode = 'bare' | 'bare-user' | 'bare-user-only' | 'bare-split-xattrs' | 'archive'

/**
 * Where a ref lives below `refs/`: `heads/NAME`, `remotes/REMOTE/NAME` or `mirrors/COLLECTION/NAME`. The grammar is
 * checked where a path is made (refs.ts), not where it is used.
 */
export type RefPath = string
/** A commit, or (in `heads/` only) another ref by its path. */
export type RefTarget = { readonly commit: Checksum } | { readonly alias: RefPath }

/** `partial`: its objects were not all fetched; `fsck-partial`: fsck found some missing or corrupt. */
export type CommitState = 'complete' | 'partial' | 'fsck-partial'

export interface ObjectReader {
  has(name: ObjectName): MaybePromise<boolean>
  /** @throws {ObjectNotFoundError}, as do `statFile` and `readFile` */
  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array>
  /** `undefined` when there is none; an empty array is an empty dictionary. */
  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined>
  /** Header and size, without the content. */
  statFile(checksum: Checksum): MaybePromise<FileInfo>
  /** The body is one array when the content is at most SMALL_FILE bytes, else a stream. */
  readFile(checksum: Checksum): MaybePromise<FileObject>
}

/** Takes the content of one file piece by piece; for tar bodies that come larger than a chunk. */
export interface FileSink {
  /** Copies or uses `bytes` before it returns. */
  write(bytes: Uint8Array): void
  /** @throws {ChecksumMismatchError}, {FormatError} when more or fewer bytes came than promised: nothing was stored */
  finish(): MaybePromise<Checksum>
  /** Drops what came; may be called after a throw, and twice. */
  abort(): void
}

export interface TransactionStats {
  /** Write requests, duplicates included. The commit counts as metadata. */
  metadataTotal: number
  /** Of these, the ones that were not there before. */
  metadataWritten: number
  contentTotal: number
  contentWritten: number
  /** Bytes of content written, uncompressed. */
  contentBytesWritten: number
  /** Files taken over by inode without being read (devino cache). */
  contentCacheHits: number
}

/** What became of an object that another store has; `unlike`: it has to be read and written instead. */
export type Adopted = 'taken' | 'absent' | 'unlike'

/**
 * What makes objects and refs visible together. Reads see what was written through it. Disposing without `commit`
 * aborts: no ref moves, and objects written since the last `checkpoint` are gone or unreachable staging.
 */
export interface Transaction extends ObjectReader, AsyncDisposable {
  readonly stats: TransactionStats
  /**
   * Stores the object unless it is there already; both are success. Synchronous wherever the backend can.
   * @returns the checksum of `bytes`
   * @throws {ChecksumMismatchError} when `expected` is given and wrong: nothing was stored
   */
  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum>
  /** `undefined` removes. Replaces what was there. */
  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void>
  /** As writeMeta. A body larger than SMALL_FILE should be a stream or go through `openFile`. */
  writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum>
  /** @param size bytes that will come */
  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink
  /**
   * Takes an object over as `from` keeps it, by a link or a copy of its loose file, without looking into it. To be asked
   * only for what is not there already; `stats` do not count it, and a tombstone of a commit stays, as in ostree.
   * @param trusted nobody changes it behind our back, even if `from` belongs to somebody else
   * @returns `taken` only by a store that keeps this object in the very same form
   */
  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted
  /**
   * As `writeFile`, of a regular file of the local file system that is to go anyway: where store and file system let it,
   * its inode becomes the object. Nobody may change it from then on. `stats` do not count it.
   * @returns `undefined` when it has to be read and written instead
   */
  linkFile(path: string, header: FileHeader): MaybePromise<Checksum | undefined>
  /** `undefined` while the store keeps up; else wait for it before writing more. Asked once a chunk. */
  drained(): Promise<void> | undefined
  /** Takes effect at `commit` or `checkpoint`; `undefined` deletes. */
  setRef(path: RefPath, target: RefTarget | undefined): void
  setCommitState(commit: Checksum, state: CommitState): void
  /** Makes all so far durable and visible, refs last, and goes on. */
  checkpoint(): Promise<void>
  /** As `checkpoint`, and ends the transaction. */
  commit(): Promise<TransactionStats>
}

export interface ObjectStore extends ObjectReader {
  /** Objects of this store, not of a parent, in no particular order. @param type all types when absent */
  list(type?: ObjectType): AsyncIterable<ObjectName>
  /**
   * As `list`, many at a time (batches.ts, `listMany`), each list good until the next is asked for: a name and a promise
   * for each object is most of what listing takes.
   */
  listMany?(type?: ObjectType): Iterable<ObjectList>
  /** @throws {ObjectNotFoundError} */
  delete(name: ObjectName): MaybePromise<void>
  /** Bytes the object takes in the store, as prune and fsck report them. @throws {ObjectNotFoundError} */
  storageSize(name: ObjectName): MaybePromise<number>
  commitState(commit: Checksum): MaybePromise<CommitState>
  setCommitState(commit: Checksum, state: CommitState): MaybePromise<void>
  /** Writes outside a transaction: detached metadata and tombstones. */
  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void>
  /** The file whose content a payload link stands for; stores without such links omit it. */
  payloadTarget?(payload: Checksum): MaybePromise<Checksum | undefined>
  /** Absolute path of the loose file, in stores that have one: what a checkout may hard-link. */
  loosePath?(name: ObjectName): string | undefined
  /**
   * Works off a list in threads (batches.ts, `workOff`): batches in its order, together all of it.
   * @returns `undefined` when there are no threads, or the list is not worth them
   */
  workAhead?(task: ObjectTask, names: ObjectList): AsyncIterable<Batch> | undefined
}

export interface RefStore {
  /** @throws {InvalidNameError} when what is stored is no checksum */
  read(path: RefPath): MaybePromise<RefTarget | undefined>
  /**
   * The refs at or below `prefix` (`heads`, `remotes/origin`, `heads/a/b`), sorted in byte order. Targets are not read.
   * A ref and a directory of that name exclude each other.
   */
  list(prefix: RefPath): MaybePromise<RefPath[]>
  /**
   * Outside a transaction. `undefined` deletes; deleting what is not there is success.
   * @throws {ConflictError} `Conflict: X exists under Y when attempting write`
   */
  write(path: RefPath, target: RefTarget | undefined): MaybePromise<void>
}

export interface BeginOptions {
  /** Overrides `core.fsync`. */
  readonly fsync?: boolean | undefined
  /** Overrides `core.per-object-fsync`. */
  readonly perObjectFsync?: boolean | undefined
}

export interface LockOptions {
  /** Seconds to wait; 0 not at all, -1 forever. Default `core.lock-timeout-secs`. */
  readonly timeout?: number | undefined
}

/** A static delta by the commits between which it leads; `from` is absent when it starts from nothing. */
export interface DeltaName {
  readonly from: Checksum | undefined
  readonly to: Checksum
}

export interface DeltaStore {
  list(): MaybePromise<DeltaName[]>
  /** Deleting what is not there is success. */
  delete(delta: DeltaName): MaybePromise<void>
}

/** Summaries as remotes gave them, by remote: `NAME` and `NAME.sig`. */
export interface SummaryCache {
  list(): MaybePromise<string[]>
  /** Deleting what is not there is success. */
  delete(name: string): MaybePromise<void>
}

export interface WriteFileOptions {
  /** Permission bits. Default 0644. */
  readonly mode?: number | undefined
}

/**
 * What lies beside objects and refs, by its path: `summary`, `deltas/Ab/REST/superblock`, `NAME.cookies.txt`. No part of
 * a path may be empty, `.` or `..`.
 */
export interface RepoFiles {
  /** For messages: the directory. */
  readonly location: string
  /** `undefined` when there is no such file; links count as none. */
  read(path: string): MaybePromise<Uint8Array | undefined>
  /** Names in a directory, sorted in byte order; empty when there is none. @param path empty for the topmost */
  list(path: string): MaybePromise<string[]>
  /** Replaces the file at once and makes the directories it needs. */
  write(path: string, bytes: Uint8Array, options?: WriteFileOptions): MaybePromise<void>
  /** @returns whether it was there */
  delete(path: string): MaybePromise<boolean>
}

/** A backend: objects, refs and configuration that live and move together. */
export interface Storage extends AsyncDisposable {
  /** For messages: a path, or `memory`. */
  readonly location: string
  readonly mode: RepoMode
  readonly writable: boolean
  readonly objects: ObjectStore
  readonly refs: RefStore
  /** Backends that keep none omit it, as they do the next. */
  readonly deltas?: DeltaStore
  readonly summaryCache?: SummaryCache
  readonly files?: RepoFiles
  /** Where remotes may be configured too, one `*.conf` each: `/etc/ostree/remotes.d` for the repository of a system. */
  readonly remoteFiles?: RepoFiles | undefined
  /** Text of the configuration key file. */
  readConfig(): MaybePromise<string>
  writeConfig(text: string): MaybePromise<void>
  /** @throws {RepoLockedError}, {ReadOnlyError}, {ConflictError} when one is open already */
  begin(options?: BeginOptions): Promise<Transaction>
  /** Recursive within one storage; an exclusive holder may take it shared. @throws {RepoLockedError} */
  lock(kind: 'shared' | 'exclusive', options?: LockOptions): Promise<AsyncDisposable>
  /** A small named note beside the objects (`tmp/cache` of a directory). Optional: backends without one omit it. */
  readonly path?: string
}
