/**
 * Files of a layer that are held until their paths are known: in memory, or stored on their own and then added to the
 * tree at any number of paths.
 */

import { type Checksum, concatBytes, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import { type FileHeader, NO_XATTRS, S_IFREG } from '../../objects/index.ts'
import type { FileSink, Repo, Transaction } from '../../repo/index.ts'
import { CommitModifier, type TarTreeBuilder } from '../../repo/internal.ts'
import type { TarHeader } from '../../tar/index.ts'

export class HeldFiles {
  readonly #modifier: CommitModifier
  readonly #tx: Transaction
  readonly #tree: TarTreeBuilder
  #open: FileSink | undefined

  /** @param tree the tree that the files are added to; it writes to `tx` */
  constructor(repo: Pick<Repo, 'mode' | 'settings'>, tx: Transaction, tree: TarTreeBuilder) {
    this.#modifier = new CommitModifier(repo)
    this.#tx = tx
    this.#tree = tree
  }

  /** Opens a file with size, owner and mode of `header`, and without extended attributes, for its content. */
  hold(header: TarHeader): FileSink {
    this.#open = this.#tx.openFile(this.#fileHeader(header), header.size)
    return this.#open
  }

  /** Stores a file with size, owner and mode of `header`, and without extended attributes. */
  write(header: TarHeader, parts: readonly Uint8Array[]): MaybePromise<Checksum> {
    const { size } = header
    if (size <= SMALL_FILE) {
      return this.#tx.writeFile({ header: this.#fileHeader(header), size, body: concatBytes(parts) })
    }
    const sink = this.hold(header)
    for (const part of parts) sink.write(part)
    return sink.finish()
  }

  /** Adds a stored file to the tree, at the path of `header`. @throws as `TarTreeBuilder.placeFile` */
  place(header: TarHeader, checksum: MaybePromise<Checksum>): void {
    this.#tree.placeFile(header, checksum)
  }

  #fileHeader({ uid, gid, mode }: TarHeader): FileHeader {
    const inode = { uid: uid >>> 0, gid: gid >>> 0, mode: S_IFREG | mode }
    this.#modifier.apply('/', inode)
    return { ...inode, target: '', xattrs: NO_XATTRS }
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#open?.abort()
  }
}
