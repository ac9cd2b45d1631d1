/**
 * The destination of a checkout. All operations take a name in an open directory, never a path, so that a directory
 * which another process replaces by a symlink meanwhile cannot redirect them. The caller passes valid file names only.
 *
 * File system errors are thrown as `IoError` with libostree's wording: the system call, a colon, the reason.
 */

import type { Checksum, Content, MaybePromise } from '../../bytes.ts'
import type { FileObject, Xattrs } from '../../objects/index.ts'
import type { Storage } from '../core/interface.ts'

/** `none`: files have the committed metadata. `user`: owner of the process, no xattrs, no setuid and setgid bits. */
export type CheckoutMode = 'none' | 'user'

/** The owner of a file by numeric IDs. */
export interface FileOwner {
  readonly uid: number
  readonly gid: number
}

/** Metadata of a file on disk. */
export interface TargetStat extends FileOwner {
  /** `st_mode`: type and permissions. */
  readonly mode: number
  /** Size in bytes. */
  readonly size: number
  /** `DEVICE:INODE`, equal for hard links to one file. */
  readonly identity: string
}

/** What to do when a file of that name exists. */
export type OnExisting = 'fail' | 'keep' | 'replace'

/** A regular file to create. It becomes visible only when it is complete. */
export interface NewFile {
  readonly body: Content
  /** The bits 07777 of `st_mode`. */
  readonly permissions: number
  /** `undefined` for the user and group of the process. */
  readonly owner: FileOwner | undefined
  readonly xattrs: Xattrs
  readonly fsync: boolean
}

/** The location of a file to hard-link. */
export interface FilePlace {
  /** Absolute path of a directory. The target keeps it open, so callers pass the same string each time. */
  readonly folder: string
  /** Path relative to `folder`. */
  readonly path: string
}

/** `linked`, or the expected reasons why not. Other errors are thrown. */
export type HardLinkResult = 'linked' | 'EEXIST' | 'ENOENT' | 'EMLINK' | 'EXDEV' | 'EPERM'

/** An open directory. A symlink with the given name is not followed, except by `openDirectory`. */
export interface TargetDirectory {
  /** Device number of its file system; `undefined` when unknown. */
  readonly device: number | undefined
  /** Creates a directory with mode 0700. @returns false when the name exists */
  makeDirectory(name: string): MaybePromise<boolean>
  /**
   * Opens a directory, or a symlink to a directory inside the checkout.
   * @throws {IoError} `opendir(NAME): …` when it cannot be opened
   * @throws {DeniedError} when a symlink leads out of the checkout
   */
  openDirectory(name: string): MaybePromise<TargetDirectory>
  /** Returns the metadata of a file, or `undefined` when it does not exist. */
  stat(name: string): MaybePromise<TargetStat | undefined>
  /** Returns the extended attributes of a file, sorted by name. */
  readXattrs(name: string): MaybePromise<Xattrs>
  /**
   * Reads a file or symlink as a file object, with its metadata on disk as header.
   * @throws {FormatError} when it is neither a regular file nor a symlink
   */
  readFile(name: string, withXattrs: boolean): MaybePromise<FileObject>
  /**
   * Creates a regular file.
   * @returns false when an existing file was kept
   * @throws {IoError} `linkat: File exists` when the name exists and `existing` is `fail`; `renameat(TMP, NAME): …`
   *   when an existing file cannot be replaced
   */
  writeFile(name: string, file: NewFile, existing: OnExisting): MaybePromise<boolean>
  /** Creates a symlink. @returns false when the name exists */
  makeSymlink(name: string, target: string): MaybePromise<boolean>
  /** Sets owner and xattrs of a symlink. @throws {IoError} `fchownat: …` when the owner cannot be set */
  setSymlinkMeta(name: string, owner: FileOwner, xattrs: Xattrs): MaybePromise<void>
  /** Creates a hard link to a file, or to a symlink itself. */
  hardLink(name: string, from: FilePlace): MaybePromise<HardLinkResult>
  /** Replaces a file with a hard link. @throws {IoError} `renameat(TMP, NAME): …` when it cannot be replaced */
  replaceByHardLink(name: string, from: FilePlace): MaybePromise<void>
  /** Creates the character device 0:0, the whiteout of overlayfs. @returns false when the name exists */
  makeWhiteoutDevice(name: string, permissions: number): MaybePromise<boolean>
  /** Sets owner, permissions and xattrs of a whiteout device. */
  setWhiteoutMeta(name: string, owner: FileOwner, permissions: number, xattrs: Xattrs): MaybePromise<void>
  /** Deletes a file or symlink, if it exists. @throws {IoError} `unlinkat(NAME): Is a directory` for a directory */
  remove(name: string): MaybePromise<void>
  /** Deletes a file, or a directory with all its content, if it exists. */
  removeTree(name: string): MaybePromise<void>
  /** Sets the extended attributes of this directory. */
  setXattrs(xattrs: Xattrs): MaybePromise<void>
  /** Sets the permissions of this directory, the bits 07777. */
  setPermissions(permissions: number): MaybePromise<void>
  /** Sets the owner of this directory. */
  setOwner(owner: FileOwner): MaybePromise<void>
  /** Sets the modification time of this directory to the epoch, and keeps the access time. */
  setTimeZero(): MaybePromise<void>
  /** Syncs this directory to disk. */
  sync(): MaybePromise<void>
  close(): MaybePromise<void>
}

/** A file to be created in a directory that this checkout has created. */
export interface FileToMake {
  readonly directory: TargetDirectory
  readonly name: string
  readonly checksum: Checksum
}

/** A batch of files returned by a thread. */
export interface ReturnedFiles {
  readonly files: readonly FileToMake[]
  /** Indices of the files that the caller has to create: unusual ones, and those that failed. */
  readonly left: ReadonlySet<number>
}

/** Threads that create files. A directory must stay open until all of its files have been returned. */
export interface CheckoutThreads {
  /** Hands a file to a thread. @returns false when the caller should create it */
  take(file: FileToMake): boolean
  /** Returns the batches that threads have returned since the last call. */
  returned(): ReturnedFiles[]
  /** Returns a promise for the next returned batch; `undefined` when threads have no files. */
  next(): Promise<void> | undefined
  /** Accepts no more files, and waits for the threads. */
  end(): Promise<void>
}

/** A destination of a checkout. */
export interface CheckoutTarget {
  /** Name of the destination in the directory of `open`, and in messages. `.` for that directory itself. */
  readonly name: string
  /** Opens the directory that has, or gets, the destination. */
  open(): MaybePromise<TargetDirectory>
  /** Returns the device number of another directory, to tell whether files there can be hard-linked. */
  deviceOf(path: string): MaybePromise<number | undefined>
  /** Returns the metadata of a file to link; `undefined` when it does not exist. */
  statPlace(place: FilePlace): MaybePromise<Omit<TargetStat, 'identity'> | undefined>
  /** Returns the `TargetStat.identity` of a file to link. */
  identify(place: FilePlace): MaybePromise<string>
  /**
   * Starts threads that create files.
   * @param how whether they copy or link
   * @returns `undefined` when this target cannot use threads for that storage. Targets that never use any omit the
   *   method
   */
  threads?(
    storage: Storage,
    how: 'copy' | 'link',
    options: { readonly mode?: CheckoutMode | undefined; readonly fsync?: boolean | undefined },
  ): CheckoutThreads | undefined
}

/**
 * Uncompressed files of an archive repository, in `uncompressed-objects-cache`, which user checkouts (`checkout -U`)
 * link to.
 */
export interface UncompressedCache {
  /** Returns the location of a file, which need not exist. */
  place(checksum: Checksum): FilePlace
  /** Adds a file, unless it exists. */
  add(checksum: Checksum, body: Content, permissions: number): MaybePromise<void>
}
