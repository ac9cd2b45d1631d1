/** What the repository modes have in common: how the content of one file lies in one loose file. */

import type { Checksum, MaybePromise } from '../../../../bytes.ts'
import type { FileHeader, FileInfo, FileObject } from '../../../../objects/index.ts'
import type { LargeBody } from '../../incoming-file.ts'

/** Takes content piece by piece into a loose file that nobody sees yet. */
export interface BodyWriter extends LargeBody {
  /** The file is complete, with all that belongs to it; after this `abort` does nothing. */
  finish(): MaybePromise<void>
}

export interface ContentMode {
  /** Of the loose file. */
  readonly suffix: 'file' | 'filez'
  /** The object may be a symbolic link in the file system, perhaps one that leads nowhere. */
  readonly realLinks: boolean
  /** @returns `undefined` when nothing is at `path` */
  stat(path: string, checksum: Checksum): FileInfo | undefined
  read(path: string, checksum: Checksum): MaybePromise<FileObject> | undefined
  /** Makes the loose file; nothing may be at `path`, and nothing is when it throws. @param body ignored for a link */
  create(path: string, header: FileHeader, body: Uint8Array): void
  /** The same for a regular file that comes in pieces. @param size bytes that will come */
  open(path: string, header: FileHeader, size: number): BodyWriter
  /** A transaction begins: what was learned about the process and the clock may have changed. */
  begin(perObjectFsync: boolean): void
}
