/** The contract of the files that a storage keeps beside objects and refs. Rules for every method: interface.ts. */

import type { MaybePromise } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'

/** How a file beside the objects is created. A store that is not a directory ignores both: its files have no attributes. */
export interface WriteFileOptions {
  /** Permission bits. Default 0644. */
  readonly mode?: number | undefined
  /** Time of the last change that the file gets, in seconds since the epoch. Default: now. */
  readonly modified?: number | undefined
}

/**
 * Files beside objects and refs, by their path: `summary`, `deltas/Ab/REST/superblock`, `NAME.cookies.txt`.
 * Each method throws InvalidNameError if a part of the path is empty, `.` or `..`.
 */
export interface RepoFiles {
  /** The directory or the store, for messages. */
  readonly location: string
  /**
   * Reads a file. `undefined` if there is no regular file at `path`; symbolic links are not followed.
   * @throws {IoError} `EISDIR` when it is a directory, in a store that has some
   */
  read(path: string): MaybePromise<Uint8Array | undefined>
  /** Lists the names in a directory, sorted by their UTF-8 bytes; empty if there is none. @param path `''` is the topmost */
  list(path: string): MaybePromise<string[]>
  /**
   * Replaces the file in one step, and creates the directories it needs.
   * @throws {IoError} `ENOTDIR` when a directory of the path is a file, `EISDIR` when the path is a directory
   */
  write(path: string, bytes: Uint8Array, options?: WriteFileOptions): MaybePromise<void>
  /** Deletes a file. @returns whether there was one */
  delete(path: string): MaybePromise<boolean>
}

/** Files that configure remotes. */
export interface RemoteFiles extends RepoFiles {
  /** Whether each new remote gets a file, unless `core.add-remotes-config-dir` is false. Default true. */
  readonly takesNew?: boolean | undefined
}

/** @throws {InvalidNameError} unless every part of the path is a name, and its text can be encoded as UTF-8 */
export function requireFilePath(path: string): void {
  if (!/[\0\p{Surrogate}]/u.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part))) return
  throw new InvalidNameError(path, `Invalid file name ${path}`)
}
