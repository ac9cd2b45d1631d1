/** The contract of the files that a storage keeps beside objects and refs. Rules for every method: interface.ts. */

import type { MaybePromise } from '../../bytes.ts'

/** How a file beside the objects is created. */
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
  /** The directory, for messages. */
  readonly location: string
  /** Reads a file. `undefined` if there is no regular file at `path`; symbolic links are not followed. */
  read(path: string): MaybePromise<Uint8Array | undefined>
  /** Lists the names in a directory, sorted by their UTF-8 bytes; empty if there is none. @param path `''` is the topmost */
  list(path: string): MaybePromise<string[]>
  /** Replaces the file in one step, and creates the directories it needs. */
  write(path: string, bytes: Uint8Array, options?: WriteFileOptions): MaybePromise<void>
  /** Deletes a file. @returns whether there was one */
  delete(path: string): MaybePromise<boolean>
}
