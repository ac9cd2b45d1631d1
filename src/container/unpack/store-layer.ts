/**
 * Keeps layers in a repository so that they can be unpacked again exactly. Each is a commit of its own:
 *
 * ```
 * index/00000000 …        the entries of the tar, in order (layer-index.ts)
 * files/9a/2125db…        the content of its files, named by the checksums of their objects
 * ```
 *
 * File objects have the owner and mode of the image and no extended attributes, those of a bare-user-only repository only
 * the mode that it can hold. So files of different layers, and of pulled images, are stored once.
 */

import { type Checksum, displayUtf8, EMPTY_BYTES, type MaybePromise, readAll, SMALL_FILE } from '../../bytes.ts'
import { FormatError, LimitError, TarFormatError, withContext } from '../../errors.ts'
import { DirMeta, type FileHeader, NO_XATTRS, S_IFDIR, S_IFREG } from '../../objects/index.ts'
import {
  type FileSink,
  MutableTree,
  type ObjectReader,
  type Repo,
  readCommit,
  readDirTree,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../repo/index.ts'
import { CommitModifier } from '../../repo/internal.ts'
import { feed, type TarHeader, type TarLimits, TarParser, type TarSink } from '../../tar/index.ts'
import { layerEntry } from './apply-layers.ts'
import { decodeEntries, ENTRIES_PER_PART, encodeEntries, type StoredEntry } from './layer-index.ts'
import type { LayerEntry } from './root-tree.ts'

/** Directories of the commit. */
const INDEX = 'index'
const FILES = 'files'
/** Mode of the index files, which every repository can hold. */
const INDEX_MODE = S_IFREG | 0o644

/** How a layer is stored. */
export interface StoreLayerOptions {
  readonly maxEntries: number
  readonly tar?: TarLimits | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Stores a layer. No ref is set.
 * @param chunks the plain tar; a chunk may be reused once the next one is asked for
 * @returns the commit
 * @throws {TarFormatError} when the tar is malformed; {LimitError}; what `chunks` and the repository throw
 */
export async function storeLayer(
  repo: Pick<Repo, 'mode' | 'settings'>,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  { maxEntries, tar, signal }: StoreLayerOptions,
): Promise<Checksum> {
  const writer = new LayerWriter(repo, tx, maxEntries)
  const parser = new TarParser(writer, { ...tar, allowMissingPadding: true })
  try {
    await feed(parser, chunks, { signal, drained: () => writer.drained() })
    return await writer.finish()
  } catch (error) {
    writer.abort()
    throw writer.located(error)
  }
}

/** Reads the entries of a stored layer. @throws {FormatError}, {ObjectNotFoundError} when it is damaged */
export async function* readStoredLayer(
  objects: ObjectReader,
  commit: Checksum,
): AsyncGenerator<StoredEntry[], void, undefined> {
  const { rootTree } = await readCommit(objects, commit)
  const index = (await readDirTree(objects, rootTree)).dirs.find(({ name }) => name === INDEX)
  if (index === undefined) throw new FormatError(`${commit}.commit`, 'The commit is not that of a stored layer')
  for (const { checksum } of (await readDirTree(objects, index.tree)).files) {
    const { body } = await objects.readFile(checksum)
    yield decodeEntries(await readAll(body))
  }
}

/** Writes the entries of one layer. */
class LayerWriter implements TarSink {
  readonly #tx: Transaction
  readonly #modifier: CommitModifier
  readonly #maxEntries: number
  readonly #tree = new MutableTree()
  /** Entries whose content may still be being written. */
  #waiting: { readonly entry: LayerEntry; readonly content: MaybePromise<Checksum> | undefined }[] = []
  #entries: StoredEntry[] = []
  #parts = 0
  #count = 0
  #path: Uint8Array | undefined
  #entry: LayerEntry | undefined
  /** The body of a small file that comes in pieces. */
  #scratch: Uint8Array = EMPTY_BYTES
  #filled = 0
  #large: FileSink | undefined
  #content: MaybePromise<Checksum> | undefined
  #last: FileHeader | undefined

  constructor(repo: Pick<Repo, 'mode' | 'settings'>, tx: Transaction, maxEntries: number) {
    this.#tx = tx
    this.#modifier = new CommitModifier(repo)
    this.#maxEntries = maxEntries
  }

  entry(header: TarHeader): void {
    this.#path = header.path
    this.#entry = undefined
    if (header.type === 'pax-global') return
    if (++this.#count > this.#maxEntries) throw new LimitError('entries of the image', this.#maxEntries)
    const entry = layerEntry(header)
    // The parser reuses the memory of a header.
    const { kind, metadata, size, major, minor } = entry
    const target = entry.target.length === 0 ? EMPTY_BYTES : entry.target.slice()
    this.#entry = { path: entry.path.slice(), kind, target, metadata, size, major, minor }
    this.#content = undefined
    this.#filled = 0
    if (kind === 'file' && size > SMALL_FILE) this.#large = this.#tx.openFile(this.#header(entry), size)
  }

  data(bytes: Uint8Array): void {
    const entry = this.#entry
    if (this.#large !== undefined) this.#large.write(bytes)
    else if (entry?.kind === 'file') this.#gather(entry, bytes)
  }

  /** Stores a small body: as it is when it comes in one piece, else joined in memory that is reused. */
  #gather(entry: LayerEntry, bytes: Uint8Array): void {
    const { size } = entry
    let body = bytes
    if (bytes.length < size) {
      if (this.#scratch.length === 0) this.#scratch = new Uint8Array(SMALL_FILE)
      this.#scratch.set(bytes, this.#filled)
      this.#filled += bytes.length
      if (this.#filled < size) return
      body = this.#scratch.subarray(0, size)
    }
    this.#content = this.#tx.writeFile({ header: this.#header(entry), size, body })
  }

  end(): void {
    const entry = this.#entry
    if (entry === undefined) return
    const content = this.#large === undefined ? this.#content : this.#large.finish()
    // Registered before it settles, so that a rejection is always handled; `drained` throws it.
    if (content instanceof Promise) content.catch(() => {})
    this.#waiting.push({ entry, content })
    this.#content = undefined
    this.#large = undefined
    this.#path = undefined
  }

  /** Waits for the store, and writes the index of the entries so far. */
  async drained(): Promise<void> {
    await this.#tx.drained()
    for (const { entry, content } of this.#waiting) {
      const checksum = content instanceof Promise ? await content : content
      if (checksum !== undefined) this.#name(FILES, checksum.slice(0, 2)).replaceFile(checksum.slice(2), checksum)
      const { path, kind, target, metadata, size, major, minor } = entry
      this.#entries.push({ path, kind, target, metadata, size, major, minor, content: checksum })
      if (this.#entries.length === ENTRIES_PER_PART) await this.#writePart()
    }
    this.#waiting = []
  }

  async finish(): Promise<Checksum> {
    await this.drained()
    if (this.#entries.length > 0 || this.#parts === 0) await this.#writePart()
    const meta = await this.#tx.writeMeta(
      'dirmeta',
      DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: NO_XATTRS }),
    )
    const directories = [this.#tree]
    for (const directory of directories) {
      directory.setMeta(meta)
      for (const child of directory.dirs.values()) directories.push(child)
    }
    return writeCommit(this.#tx, { root: await writeTree(this.#tx, this.#tree), timestamp: 0n })
  }

  abort(): void {
    this.#large?.abort()
  }

  /** Adds the path of the entry that was being read to an error. */
  located(error: unknown): unknown {
    if (this.#path === undefined || error instanceof TarFormatError) return error
    return withContext(displayUtf8(this.#path), error)
  }

  async #writePart(): Promise<void> {
    const body = encodeEntries(this.#entries)
    const header = { uid: 0, gid: 0, mode: INDEX_MODE, target: '', xattrs: NO_XATTRS }
    this.#modifier.apply('/', header)
    const sink = this.#tx.openFile(header, body.length)
    sink.write(body)
    this.#name(INDEX).replaceFile(String(this.#parts++).padStart(8, '0'), await sink.finish())
    this.#entries = []
  }

  #name(...names: string[]): MutableTree {
    let at = this.#tree
    for (const name of names) at = at.ensureDir(name)
    return at
  }

  /** Returns one and the same object for equal neighbours: stores reuse the encoded bytes of a header they have seen. */
  #header({ metadata: { uid, gid, permissions } }: LayerEntry): FileHeader {
    const inode = { uid: uid >>> 0, gid: gid >>> 0, mode: S_IFREG | permissions }
    this.#modifier.apply('/', inode)
    const last = this.#last
    if (last?.uid === inode.uid && last.gid === inode.gid && last.mode === inode.mode) return last
    this.#last = { uid: inode.uid, gid: inode.gid, mode: inode.mode, target: '', xattrs: NO_XATTRS }
    return this.#last
  }
}
