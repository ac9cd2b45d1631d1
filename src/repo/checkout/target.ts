/**
 * Where a checkout goes. A target hands out open directories, and everything is done by name in one of them: no path is
 * ever joined, so that a directory which somebody swaps for a link meanwhile leads nowhere else. Names are single,
 * valid file names; the caller has checked them.
 *
 * Failures of the file system are `IoError`s with the wording of libostree: the call, a colon, the reason.
 */

import type { Checksum, Content, MaybePromise } from '../../bytes.ts'
import type { FileObject, Xattrs } from '../../objects/index.ts'
import type { Storage } from '../core/interface.ts'

/** `user`: owner of the process, no xattrs, no set-id bits. `none`: all as committed. */
export type CheckoutMode = 'none' | 'user'

export interface FileOwner {
  readonly uid: number
  readonly gid: number
}

export interface TargetStat extends FileOwner {
  /** st_mode: type and permissions. */
  readonly mode: number
  /** Bytes. */
  readonly size: number
  /** `device:inode`: two names with the same one are one file. */
  readonly identity: string
}

/** What to make of a name that is taken already. */
export type OnExisting = 'fail' | 'keep' | 'replace'

/** A regular file to be made: nobody sees it before it is complete. */
export interface NewFile {
  readonly body: Content
  /** All of st_mode's 07777. */
  readonly permissions: number
  /** `undefined` leaves it to the process. */
  readonly owner: FileOwner | undefined
  readonly xattrs: Xattrs
  readonly fsync: boolean
}

/** A file that may be linked. */
export interface FilePlace {
  /** Absolute path of a directory: the same string each time, so that it is opened once. */
  readonly folder: string
  /** Relative to it. */
  readonly path: string
}

/** `linked`, or why not; other reasons are thrown. */
export type HardLinkResult = 'linked' | 'EEXIST' | 'ENOENT' | 'EMLINK' | 'EXDEV' | 'EPERM'

/** An open directory. None of these follows a symbolic link of that name. */
export interface TargetDirectory {
  /** For the file system it is on; `undefined` where that cannot be told. */
  readonly device: number | undefined
  /** Accessible to the owner only. @returns false when something of that name is there */
  makeDirectory(name: string): MaybePromise<boolean>
  /**
   * A symbolic link to a directory inside the checkout is followed, to any other it is not.
   * @throws {IoError} `opendir(NAME): …`; {DeniedError} when the link leads out of the checkout
   */
  openDirectory(name: string): MaybePromise<TargetDirectory>
  stat(name: string): MaybePromise<TargetStat | undefined>
  /** Sorted. */
  readXattrs(name: string): MaybePromise<Xattrs>
  /** The file as an object: its header as on disk. @throws {FormatError} when it is neither regular nor a link */
  readFile(name: string, withXattrs: boolean): MaybePromise<FileObject>
  /** @returns false when it was kept. @throws {IoError} `linkat: File exists`, `renameat(TMP, NAME): …` */
  writeFile(name: string, file: NewFile, existing: OnExisting): MaybePromise<boolean>
  /** @returns false when something of that name is there */
  makeSymlink(name: string, target: string): MaybePromise<boolean>
  /** Of a symbolic link. @throws {IoError} `fchownat: …` */
  setSymlinkMeta(name: string, owner: FileOwner, xattrs: Xattrs): MaybePromise<void>
  /** A symbolic link is linked itself. */
  hardLink(name: string, from: FilePlace): MaybePromise<HardLinkResult>
  /** As `hardLink`, in place of a file that is there. @throws {IoError} `renameat(TMP, NAME): …` */
  replaceByHardLink(name: string, from: FilePlace): MaybePromise<void>
  /** Character device 0:0, as overlayfs marks what it hides. @returns false when something of that name is there */
  makeWhiteoutDevice(name: string, permissions: number): MaybePromise<boolean>
  setWhiteoutMeta(name: string, owner: FileOwner, permissions: number, xattrs: Xattrs): MaybePromise<void>
  /** A file or link; nothing there is success. @throws {IoError} `unlinkat(NAME): Is a directory` */
  remove(name: string): MaybePromise<void>
  /** Whatever is there, with all below. */
  removeTree(name: string): MaybePromise<void>
  /** Of the directory itself. */
  setXattrs(xattrs: Xattrs): MaybePromise<void>
  setPermissions(permissions: number): MaybePromise<void>
  setOwner(owner: FileOwner): MaybePromise<void>
  /** Modified at the epoch; the time of access stays. */
  setTimeZero(): MaybePromise<void>
  sync(): MaybePromise<void>
  close(): MaybePromise<void>
}

/** A file to be made in a directory that this checkout has made. */
export interface FileToMake {
  readonly directory: TargetDirectory
  readonly name: string
  readonly checksum: Checksum
}

/** Files that came back from a thread. */
export interface ReturnedFiles {
  readonly files: readonly FileToMake[]
  /** Indices of those that are still to be made: what is not common, and what went wrong. */
  readonly left: ReadonlySet<number>
}

/** Regular files made in threads. A directory stays open until all of its files have come back. */
export interface CheckoutThreads {
  /** @returns false when the caller had better make it */
  take(file: FileToMake): boolean
  /** Those that have come back since the last call. */
  returned(): ReturnedFiles[]
  /** Until some more have come back; `undefined` when none are away. */
  next(): Promise<void> | undefined
  /** Takes no more, and waits for all. */
  end(): Promise<void>
}

export interface CheckoutTarget {
  /** As the caller named it; also how messages do. `.` when the checkout goes into the directory itself. */
  readonly name: string
  /** The directory in which `name` is made or found. */
  open(): MaybePromise<TargetDirectory>
  /** Device of a directory elsewhere, to tell whether links can be made. */
  deviceOf(path: string): MaybePromise<number | undefined>
  /** Of a file that may be linked; `undefined` when there is none. */
  statPlace(place: FilePlace): MaybePromise<Omit<TargetStat, 'identity'> | undefined>
  /** Its `Inode.identity`. */
  identify(place: FilePlace): MaybePromise<string>
  /** @returns `undefined` where there are none for this target and store; targets that never have any omit it */
  threads?(
    storage: Storage,
    how: 'copy' | 'link',
    options: { readonly mode?: CheckoutMode | undefined; readonly fsync?: boolean | undefined },
  ): CheckoutThreads | undefined
}

/**
 * Unpacked content of an archive repository, kept to be linked by the checkouts of a user: what `checkout -U` of an
 * archive leaves in `uncompressed-objects-cache`.
 */
export interface UncompressedCache {
  /** Where the file is, or would be. */
  place(checksum: Checksum): FilePlace
  /** Nothing happens when it is there already. */
  add(checksum: Checksum, body: Content, permissions: number): MaybePromise<void>
}
