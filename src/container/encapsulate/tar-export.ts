/**
 * Exports a commit as a tar stream, which any program can unpack and from which the commit can be restored bit by bit.
 * layer-tar.ts describes the entries; this file decides which of them are written, and in what order:
 *
 * ```
 * exportCommit       root, repository, commit, commitmeta, root dirmeta, the tree: each object where it first occurs
 * exportFinalChunk   the same without files, then the files of the remainder
 * exportChunk        repository, then the files of the chunk
 * exportTree         the tree alone, as an ordinary archive
 * ```
 *
 * Source: ostree-ext, tar/export.rs.
 */

import { type Checksum, joinPath } from '../../bytes.ts'
import { LimitError, withContext } from '../../errors.ts'
import { type FileInfo, type FileObject, isSymlink, type ObjectName } from '../../objects/index.ts'
import { ChecksumSet } from '../../objects/internal.ts'
import type { ProgressOptions } from '../../progress.ts'
import { lookupPath, MAX_TREE_DEPTH, type Repo, type TreeRoot } from '../../repo/index.ts'
import { dirTreeEntries, Pauses } from '../../repo/internal.ts'
import type { HeaderBlock } from '../../tar/index.ts'
import { SlabBuffer } from '../../tar/internal.ts'
import type { Chunk } from './chunk.ts'
import { headerOf, LayerTar, mapPath, unmapPath } from './layer-tar.ts'

/** Default of `ExportCommitOptions.maxEntries`: 2^26 files and directories. Ten small objects can name a billion. */
export const MAX_EXPORT_ENTRIES = 1 << 26
/** Entries between two events. */
const ENTRIES_PER_REPORT = 1000

/** Limits of an exported stream. */
export interface ExportCommitOptions extends ProgressOptions {
  /** Files and directories of the commit. Default MAX_EXPORT_ENTRIES. */
  readonly maxEntries?: number | undefined
}

export interface ChunkExportOptions extends ExportCommitOptions {
  /** Write the parent directories of a file before it, with owner and mode, once for each layer. Default false. */
  readonly createParentDirs?: boolean | undefined
}

type Stream = AsyncGenerator<Uint8Array, void, undefined>

/**
 * Exports a commit with all its objects and its detached metadata as a tar stream, which `importOstreeTar` reads. The
 * same commit and detached metadata give the same bytes. Chunks are about 1 MiB; each may be reused once the next is
 * asked for.
 * @param rev anything that resolves to a commit
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {ObjectNotFoundError} when an object of the commit is missing
 * @throws {FormatError} when an object of the commit is malformed
 * @throws {LimitError} when the commit has more than `maxEntries` files and directories
 */
export async function* exportCommit(
  repo: Repo,
  rev: string,
  options: ExportCommitOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const commit = await repo.resolve(rev)
  yield* inContext('Exporting commit', commitStream(repo, commit, options))
}

async function* commitStream(repo: Repo, commit: Checksum, options: ExportCommitOptions): Stream {
  const writer = new ObjectWriter(repo, options)
  const root = await writer.prelude(commit)
  yield* writer.walk(root, true)
  yield* writer.end()
}

/** Exports the layer of a chunk: its files only. @param root tree of the commit, for parent directories */
export async function* exportChunk(
  repo: Repo,
  chunk: Chunk,
  options: ChunkExportOptions & { readonly root?: TreeRoot | undefined } = {},
): Stream {
  const writer = new ObjectWriter(repo, options)
  writer.tar.structure()
  yield* writer.chunk(chunk, parentsOf(repo, options.root, options))
  yield* writer.end()
}

/** Exports the layer with the commit itself, and the files that are in no other chunk. */
export async function* exportFinalChunk(
  repo: Repo,
  commit: Checksum,
  remainder: Chunk,
  options: ChunkExportOptions = {},
): Stream {
  const writer = new ObjectWriter(repo, options)
  const root = await writer.prelude(commit)
  yield* writer.walk(root, false)
  yield* writer.chunk(remainder, parentsOf(repo, root, options))
  yield* writer.end()
}

/**
 * Exports a tree as an ordinary archive without objects, hard links and times. Xattrs of files are kept, except those of
 * SELinux; xattrs of directories are not.
 */
export async function* exportTree(repo: Repo, root: TreeRoot, options: ExportCommitOptions = {}): Stream {
  const pauses = new Pauses(options.signal)
  const count = new EntryCount(options)
  const out = new SlabBuffer()
  const tar = new LayerTar(out)
  const waiting: Directory[] = [{ ...root, path: '', depth: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    const { path, depth, meta } = next
    count.next(path)
    if (path !== '') tar.directory(mapPath(path), await repo.readDirMeta(meta))
    const { files, dirs } = await readDirectory(repo, next)
    for (let i = 0; i < files.length; i++) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      const file = await repo.objects.readFile(files.checksum(i))
      const to = joinPath(path, files.name(i))
      count.next(to)
      tar.plainFile(mapPath(to), file)
      yield* body(out, tar, file)
    }
    for (let i = dirs.length - 1; i >= 0; i--) {
      waiting.push({ ...dirs.directory(i), path: joinPath(path, dirs.name(i)), depth: depth + 1 })
    }
  }
  tar.end()
  yield* out.full()
  yield out.rest()
}

class EntryCount {
  readonly #most: number
  readonly #onProgress: ProgressOptions['onProgress']
  #count = 0

  constructor({ maxEntries = MAX_EXPORT_ENTRIES, onProgress }: ExportCommitOptions) {
    this.#most = maxEntries
    this.#onProgress = onProgress
  }

  /** Counts an entry. @throws {LimitError} */
  next(path: string): void {
    if (++this.#count > this.#most) throw new LimitError('entries to export', this.#most, undefined, path)
    if (this.#count % ENTRIES_PER_REPORT === 0) this.#onProgress?.({ kind: 'entries', done: this.#count })
  }
}

interface Directory extends TreeRoot {
  readonly path: string
  readonly depth: number
}

/** Writes the content of a file. It waits for the reader only when the file is larger than a slab or two. */
async function* body(out: SlabBuffer, tar: LayerTar, { header, size, body: content }: FileObject): Stream {
  if (!isSymlink(header)) {
    if (content instanceof Uint8Array) out.put(content)
    else {
      for await (const piece of content) {
        out.put(piece)
        if (out.hasFull) yield* out.full()
      }
    }
    tar.padding(size)
  }
  if (out.hasFull) yield* out.full()
}

/** A dirtree, and the bytes that are stored. */
async function readDirectory(repo: Repo, { tree, path, depth }: Directory) {
  if (depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, path)
  const bytes = await repo.objects.readMeta('dirtree', tree)
  const { files, dirs } = dirTreeEntries(bytes, tree)
  return { bytes, files, dirs }
}

/** What is written of a directory: everything, everything except files, or objects without their paths. */
type WalkMode = 'full' | 'structure' | 'objects' | 'metadata'

/** Writes one stream, with every object in it once. */
class ObjectWriter {
  readonly tar: LayerTar
  readonly #out = new SlabBuffer()
  readonly #repo: Repo
  readonly #pauses: Pauses
  readonly #count: EntryCount
  readonly #written = new ChecksumSet()
  /** Directories that are not written with the files. */
  readonly #passed: Directory[] = []
  #hasVarTmp = false

  constructor(repo: Repo, options: ExportCommitOptions) {
    this.#repo = repo
    this.#pauses = new Pauses(options.signal)
    this.#count = new EntryCount(options)
    this.tar = new LayerTar(this.#out)
  }

  /** Writes everything before the tree. @returns the root of the commit */
  async prelude(commit: Checksum): Promise<TreeRoot> {
    const { objects } = this.#repo
    const { rootTree, rootMeta } = await this.#repo.readCommit(commit)
    this.tar.directory('./', await this.#repo.readDirMeta(rootMeta))
    this.tar.structure()
    this.tar.metadata({ checksum: commit, type: 'commit' }, await objects.readMeta('commit', commit))
    const attached = await objects.readAttached('commitmeta', commit)
    if (attached !== undefined) this.tar.metadata({ checksum: commit, type: 'commitmeta' }, attached)
    await this.#dirMeta(rootMeta)
    return { tree: rootTree, meta: rootMeta }
  }

  /** Writes the tree, and the directory for temporary files if it has none. */
  async *walk(root: TreeRoot, withFiles: boolean): Stream {
    yield* this.#descend({ ...root, path: '.', depth: 0 }, withFiles ? 'full' : 'structure')
    // Files below `sysroot` get no paths, but their objects belong to the commit.
    for (const directory of this.#passed) yield* this.#descend(directory, withFiles ? 'objects' : 'metadata')
    if (!this.#hasVarTmp) this.tar.varTmp()
  }

  /** Writes the files of a chunk, by checksum, each with all its paths. */
  async *chunk(chunk: Chunk, parents: ParentDirs | undefined): Stream {
    for (const [checksum, { paths }] of chunk.sorted()) {
      const pause = this.#pauses.next()
      if (pause !== undefined) await pause
      const file = await this.#repo.objects.readFile(checksum)
      const header = this.tar.content(checksum, file)
      yield* body(this.#out, this.tar, file)
      for (const path of paths) {
        const to = mapPath(path.replace(/^\//, ''))
        await parents?.write(this.tar, to)
        this.tar.link(header, to, checksum, file)
      }
      yield* this.#out.full()
    }
  }

  *end(): Generator<Uint8Array, void, undefined> {
    this.tar.end()
    yield* this.#out.full()
    yield this.#out.rest()
  }

  /** Writes a directory and everything below it, as `mode` says. */
  async *#descend(start: Directory, mode: WalkMode): Stream {
    const named = mode === 'full' || mode === 'structure'
    const waiting = [start]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const pause = this.#pauses.next()
      if (pause !== undefined) await pause
      const { path, depth, tree, meta } = next
      this.#count.next(path)
      await this.#dirMeta(meta)
      if (named && path === './sysroot') {
        this.#passed.push(next)
        continue
      }
      if (named && depth > 0) this.tar.directory(mapPath(path), await this.#repo.readDirMeta(meta))
      // Its children were already written.
      if (!named && this.#written.has(tree)) continue
      this.#hasVarTmp ||= path === './var/tmp'
      const { bytes, files, dirs } = await readDirectory(this.#repo, next)
      this.#metadata({ checksum: tree, type: 'dirtree' }, bytes)
      if (mode === 'full' || mode === 'objects') {
        for (let i = 0; i < files.length; i++) {
          this.#count.next(path)
          const pause = this.#pauses.next()
          if (pause !== undefined) await pause
          yield* this.#file(files.checksum(i), named ? `${path}/${files.name(i)}` : undefined)
        }
      }
      for (let i = dirs.length - 1; i >= 0; i--) {
        waiting.push({ ...dirs.directory(i), path: `${path}/${dirs.name(i)}`, depth: depth + 1 })
      }
      if (this.#out.hasFull) yield* this.#out.full()
    }
  }

  /** Writes an object unless it was written, and a link to it. @param path path of the link; without it no link */
  async *#file(checksum: Checksum, path: string | undefined): Stream {
    let info: FileInfo
    let header: HeaderBlock
    if (this.#written.has(checksum)) {
      if (path === undefined) return
      info = await this.#repo.objects.statFile(checksum)
      header = headerOf(info.header)
    } else {
      this.#written.add(checksum)
      const file = await this.#repo.objects.readFile(checksum)
      info = file
      header = this.tar.content(checksum, file)
      yield* body(this.#out, this.tar, file)
    }
    if (path !== undefined) this.tar.link(header, mapPath(path), checksum, info)
  }

  async #dirMeta(checksum: Checksum): Promise<void> {
    if (this.#written.has(checksum)) return
    this.#metadata({ checksum, type: 'dirmeta' }, await this.#repo.objects.readMeta('dirmeta', checksum))
  }

  #metadata(name: ObjectName, bytes: Uint8Array): void {
    if (this.#written.has(name.checksum)) return
    this.#written.add(name.checksum)
    this.tar.metadata(name, bytes)
  }
}

/** Writes each directory of a commit before the first file in it. */
class ParentDirs {
  readonly #repo: Repo
  readonly #root: TreeRoot
  readonly #written = new Set<string>()

  constructor(repo: Repo, root: TreeRoot) {
    this.#repo = repo
    this.#root = root
  }

  /** Writes the directories of a path that were not written. @param path path of a file in the layer */
  async write(tar: LayerTar, path: string): Promise<void> {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const directory = path.slice(0, slash)
      if (this.#written.has(directory)) continue
      this.#written.add(directory)
      const entry = await lookupPath(this.#repo.objects, this.#root, unmapPath(directory))
      if (entry.kind === 'directory') tar.directory(directory, await this.#repo.readDirMeta(entry.meta))
    }
  }
}

function parentsOf(
  repo: Repo,
  root: TreeRoot | undefined,
  { createParentDirs = false }: ChunkExportOptions,
): ParentDirs | undefined {
  return createParentDirs && root !== undefined ? new ParentDirs(repo, root) : undefined
}

/** Adds to an error the name of what was being written. */
async function* inContext(context: string, stream: Stream): Stream {
  try {
    yield* stream
  } catch (error) {
    throw withContext(context, error)
  }
}
