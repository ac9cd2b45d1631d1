/**
 * Files of a layer that come before it is known where they stand: they go into the store at once, and into the tree
 * with the first link to them.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { type FileObject, NO_XATTRS, S_IFREG } from '../../objects/index.ts'
import type { FileSink, Repo, Transaction } from '../../repo/index.ts'
import { CommitModifier, ForwardingTransaction } from '../../repo/internal.ts'
import type { TarHeader } from '../../tar/index.ts'

/** The transaction a tree builder is given, so that it can be told of files it never saw. */
export class HeldFiles extends ForwardingTransaction {
  readonly #modifier: CommitModifier
  #open: FileSink | undefined
  #placing: MaybePromise<Checksum> | undefined

  constructor(repo: Repo, tx: Transaction) {
    super(tx)
    this.#modifier = new CommitModifier(repo)
  }

  /** Takes the content of a file with the owner and mode of `header`, and no extended attributes. */
  hold({ uid, gid, mode, size }: TarHeader): FileSink {
    const inode = { uid, gid, mode: S_IFREG | mode }
    this.#modifier.apply('/', inode)
    this.#open = this.tx.openFile({ ...inode, target: '', xattrs: NO_XATTRS }, size)
    return this.#open
  }

  /** The file written next is this one, whatever it looks like. */
  place(checksum: MaybePromise<Checksum>): void {
    this.#placing = checksum
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    const placed = this.#placing
    if (placed === undefined) return this.tx.writeFile(file, expected)
    this.#placing = undefined
    return placed
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#open?.abort()
  }
}
