/**
 * Files of a layer that are held until their paths are known: in memory, or stored on their own and then added to the
 * tree at any number of paths.
 */

import { type Checksum, concatBytes, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import { type FileHeader, NO_XATTRS, S_IFREG } from '../../objects/index.ts'
import type { FileSink, Repo, Transaction } from '../../repo/index.ts'
import { CommitModifier, type TarTreeBuilder } from '../../repo/internal.ts'
import type { TarHeader } from '../../tar/index.ts'

/** Owner, mode and size of a file. */
type HeldFacts = Pick<TarHeader, 'uid' | 'gid' | 'mode' | 'size'>

export class HeldFiles {
  readonly #modifier: CommitModifier
  readonly #tx: Transaction
  readonly #tree: TarTreeBuilder
  /** The header of the last file. Transactions remember facts of a header, and equal ones often follow each other. */
  #header: FileHeader | undefined
  #open: FileSink | undefined

  /** @param tree the tree that the files are added to; it writes to `tx` */
  constructor(repo: Pick<Repo, 'mode' | 'settings'>, tx: Transaction, tree: TarTreeBuilder) {
    this.#modifier = new CommitModifier(repo)
    this.#tx = tx
    this.#tree = tree
  }

  /** Opens a file with these facts, and without extended attributes, for its content. */
  hold(facts: HeldFacts): FileSink {
    this.#open = this.#tx.openFile(this.#fileHeader(facts), facts.size)
    return this.#open
  }

  /** Stores a file with these facts, and without extended attributes. */
  write(facts: HeldFacts, parts: readonly Uint8Array[]): MaybePromise<Checksum> {
    const { size } = facts
    if (size <= SMALL_FILE) {
      return this.#tx.writeFile({ header: this.#fileHeader(facts), size, body: concatBytes(parts) })
    }
    const sink = this.hold(facts)
    for (const part of parts) sink.write(part)
    return sink.finish()
  }

  /** Adds a stored file to the tree, at the path of `header`. @throws as `TarTreeBuilder.placeFile` */
  place(header: TarHeader, checksum: MaybePromise<Checksum>): void {
    this.#tree.placeFile(header, checksum)
  }

  #fileHeader({ uid, gid, mode }: HeldFacts): FileHeader {
    const inode = { uid: uid >>> 0, gid: gid >>> 0, mode: S_IFREG | mode }
    this.#modifier.apply('/', inode)
    const last = this.#header
    if (last?.uid === inode.uid && last.gid === inode.gid && last.mode === inode.mode) return last
    this.#header = { ...inode, target: '', xattrs: NO_XATTRS }
    return this.#header
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#open?.abort()
  }
}
