/**
 * Large files of a layer whose path is not yet known: each is stored at once, and added to the tree by the first hard
 * link to it.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { NO_XATTRS, S_IFREG } from '../../objects/index.ts'
import type { FileSink, Repo, Transaction } from '../../repo/index.ts'
import { CommitModifier, type TarTreeBuilder } from '../../repo/internal.ts'
import type { TarHeader } from '../../tar/index.ts'

export class HeldFiles {
  readonly #modifier: CommitModifier
  readonly #tx: Transaction
  readonly #tree: TarTreeBuilder
  #open: FileSink | undefined

  /** @param tree the tree that the files are added to; it writes to `tx` */
  constructor(repo: Repo, tx: Transaction, tree: TarTreeBuilder) {
    this.#modifier = new CommitModifier(repo)
    this.#tx = tx
    this.#tree = tree
  }

  /** Opens a file with size, owner and mode of `header`, and without extended attributes, for its content. */
  hold({ uid, gid, mode, size }: TarHeader): FileSink {
    const inode = { uid: uid >>> 0, gid: gid >>> 0, mode: S_IFREG | mode }
    this.#modifier.apply('/', inode)
    this.#open = this.#tx.openFile({ ...inode, target: '', xattrs: NO_XATTRS }, size)
    return this.#open
  }

  /** Adds a stored file to the tree, at the path of `header`. @throws as `TarTreeBuilder.placeFile` */
  place(header: TarHeader, checksum: MaybePromise<Checksum>): void {
    this.#tree.placeFile(header, checksum)
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#open?.abort()
  }
}
