/** What the repository modes implement: how a file object is stored as one loose file. */

import type { Checksum, MaybePromise } from '../../../../bytes.ts'
import type { FileHeader, FileInfo, FileObject } from '../../../../objects/index.ts'
import type { ExactDeflate } from '../../../../platform/internal.ts'

/** A loose file that is being written piece by piece, at a path in staging. */
export interface LooseBody {
  /** Copies or writes `bytes` before it returns. */
  write(bytes: Uint8Array): void
  /** As `Transaction.drained`. Absent if every `write` writes at once. */
  drained?(): Promise<void> | undefined
  /** Completes the file, with its permissions, owner and xattrs. After this `abort` does nothing. */
  finish(): MaybePromise<void>
  /** Removes the file; may be called twice. @returns a promise if that takes until a compressor has stopped */
  abort(): MaybePromise<void>
}

export interface ContentMode {
  /** Suffix of the loose file's name. */
  readonly suffix: 'file' | 'filez'
  /** Whether a symbolic link is stored as one in the file system, where its target may not exist. */
  readonly realLinks: boolean
  /** Reads the header and size. @returns `undefined` if nothing is at `path` */
  stat(path: string, checksum: Checksum): FileInfo | undefined
  /** Reads the object. @returns `undefined` if nothing is at `path` */
  read(path: string, checksum: Checksum): MaybePromise<FileObject> | undefined
  /** Creates the loose file. Nothing may be at `path`, and nothing is if it throws. @param body ignored for a link */
  create(path: string, header: FileHeader, body: Uint8Array): void
  /** Creates the loose file of a regular file whose content comes in pieces. @param size bytes that will come */
  open(path: string, header: FileHeader, size: number): LooseBody
  /**
   * Called when a transaction begins: forgets what was learned about the umask, the owner and the clock.
   * @param exact compresses the files of mode archive instead of the platform's encoder
   */
  begin(perObjectFsync: boolean, exact?: ExactDeflate): void
}
