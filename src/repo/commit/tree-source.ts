/** Provides a stored tree as a directory to commit, for `--tree=ref=REV` with a modifier that applies to every file. */

import { type Checksum, type Content, EMPTY_BYTES, joinPath, readAll, SMALL_FILE } from '../../bytes.ts'
import { S_IFDIR, S_IFMT, type Xattrs } from '../../objects/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { readDirMeta, readDirTree } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'
import type { DirectorySource, SourceEntry } from './directory.ts'

/** A file or a directory. */
type Node = { readonly file: Checksum } | TreeRoot

/** Creates a source that reads a stored tree. @param location name of the tree in messages */
export function createTreeSource(reader: ObjectReader, root: TreeRoot, location: string): DirectorySource {
  return new TreeSource(reader, root, location)
}

class TreeSource implements DirectorySource {
  readonly location: string
  readonly #reader: ObjectReader
  /** All directories listed so far, by path. */
  readonly #dirs = new Map<string, TreeRoot>()
  /** Files of the directory listed last, by path; files are read before the next directory is listed. */
  #files = new Map<string, Checksum>()

  constructor(reader: ObjectReader, root: TreeRoot, location: string) {
    this.location = location
    this.#reader = reader
    this.#dirs.set('', root)
  }

  stat(): Promise<SourceEntry> {
    return this.#statDir('', this.#dir(''))
  }

  async list(path: string): Promise<SourceEntry[]> {
    const { files, dirs } = await readDirTree(this.#reader, this.#dir(path).tree)
    const entries: SourceEntry[] = []
    this.#files = new Map()
    for (const { name, checksum } of files) {
      const { header, size } = await this.#reader.statFile(checksum)
      entries.push({ name, uid: header.uid, gid: header.gid, mode: header.mode, size })
      this.#files.set(joinPath(path, name), checksum)
    }
    for (const { name, tree, meta } of dirs) {
      entries.push(await this.#statDir(name, { tree, meta }))
      this.#dirs.set(joinPath(path, name), { tree, meta })
    }
    return entries
  }

  async xattrs(path: string): Promise<Xattrs> {
    const node = this.#node(path)
    if ('file' in node) return (await this.#reader.statFile(node.file)).header.xattrs
    return (await readDirMeta(this.#reader, node.meta)).xattrs
  }

  async readLink(path: string): Promise<string> {
    const node = this.#node(path)
    return 'file' in node ? (await this.#reader.statFile(node.file)).header.target : ''
  }

  async read(path: string, size: number): Promise<Content> {
    const node = this.#node(path)
    if (!('file' in node)) return EMPTY_BYTES
    const { body } = await this.#reader.readFile(node.file)
    return size <= SMALL_FILE ? readAll(body) : body
  }

  async #statDir(name: string, { meta }: TreeRoot): Promise<SourceEntry> {
    const { uid, gid, mode } = await readDirMeta(this.#reader, meta)
    return { name, uid, gid, mode: (mode & ~S_IFMT) | S_IFDIR, size: 0 }
  }

  #node(path: string): Node {
    const file = this.#files.get(path)
    return file === undefined ? this.#dir(path) : { file }
  }

  #dir(path: string): TreeRoot {
    const dir = this.#dirs.get(path)
    if (dir === undefined) throw new RangeError(`${path} was not listed`)
    return dir
  }
}
