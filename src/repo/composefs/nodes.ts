/**
 * Describes the tree of a commit as nodes of a composefs image.
 *
 * Source: ostree-repo-composefs.c, checkout_composefs_recurse and ensure_lcfs_dir.
 */

import { type Checksum, encodeUtf8 } from '../../bytes.ts'
import { checkXattrs, type DirectoryNode, type ImageNode, type NodeEntry, verityDigest } from '../../composefs/index.ts'
import { LimitError, withContext } from '../../errors.ts'
import { isSymlink, S_IFDIR } from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { DirMetaReader, readDirTree } from '../core/read-metadata.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from '../core/tree.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'

/** Directories that every root gets, since a deployment mounts something there. */
const ROOT_DIRECTORIES = ['usr', 'etc', 'boot', 'var', 'sysroot']
const ROOT_DIRECTORY_MODE = S_IFDIR | 0o755

/** Bytes of memory of a file and its inode, without its name. Measured for 200,000 files: 1,260. */
const NODE_MEMORY = 1280

/**
 * Maximum memory of an image's nodes in bytes, as estimated; enough for 1.6 million files. It limits malicious input: a
 * repository can refer to one directory from many places.
 */
export const MAX_IMAGE_MEMORY = 2 ** 31
const CONTEXT = 'Checking out composefs'

/** How to describe a tree. */
export interface NodeOptions {
  /** Bind the content of the files by their fs-verity digests, for which all of it is read. */
  readonly verity: boolean
  readonly signal?: AbortSignal | undefined
  /** Estimated bytes of memory. Default MAX_IMAGE_MEMORY. */
  readonly maxMemory?: number | undefined
}

/**
 * Reads a tree.
 * @throws {ObjectNotFoundError} or {FormatError} when an object is missing or malformed
 * @throws {UsageError} or {LimitError} when libcomposefs would refuse the attributes of a node
 * @throws {LimitError} when directories nest deeper than MAX_TREE_DEPTH, or the nodes take more memory than
 *   `maxMemory`
 */
export function readNodes(
  reader: ObjectReader,
  platform: Platform,
  root: TreeRoot,
  options: NodeOptions,
): Promise<DirectoryNode> {
  return new NodeReader(reader, platform, options).readRoot(root)
}

class NodeReader {
  readonly #reader: ObjectReader
  readonly #platform: Platform
  readonly #options: NodeOptions
  readonly #metas: DirMetaReader
  readonly #pauses: Pauses
  /** Nodes of files by their objects, which a tree often has under several names. */
  readonly #files = new Map<Checksum, ImageNode>()
  #memory = 0

  constructor(reader: ObjectReader, platform: Platform, options: NodeOptions) {
    this.#reader = reader
    this.#platform = platform
    this.#options = options
    this.#metas = new DirMetaReader(reader)
    this.#pauses = new Pauses(options.signal)
  }

  async readRoot(root: TreeRoot): Promise<DirectoryNode> {
    const node = await this.#directory(root, 0)
    const names = new Set(node.entries.map(({ name }) => name.join()))
    const added: NodeEntry[] = ROOT_DIRECTORIES.map((name) => ({
      name: encodeUtf8(name),
      node: { kind: 'directory' as const, mode: ROOT_DIRECTORY_MODE, uid: 0, gid: 0, xattrs: [], entries: [] },
    })).filter(({ name }) => !names.has(name.join()))
    return { ...node, entries: [...node.entries, ...added] }
  }

  async #directory({ tree, meta }: TreeRoot, depth: number): Promise<DirectoryNode> {
    const pause = this.#pauses.next()
    if (pause !== undefined) await pause
    if (depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH)
    const { files, dirs } = await readDirTree(this.#reader, tree)
    const { mode, uid, gid, xattrs } = await this.#metas.read(meta)
    const checked = inContext(CONTEXT, () => checkXattrs(xattrs))
    const entries: NodeEntry[] = []
    for (const { name, checksum } of files) {
      this.#count(name)
      const known = this.#files.get(checksum)
      entries.push({ name: encodeUtf8(name), node: known ?? (await this.#file(checksum)) })
    }
    for (const { name, ...below } of dirs) {
      this.#count(name)
      entries.push({ name: encodeUtf8(name), node: await this.#directory(below, depth + 1) })
    }
    return { kind: 'directory', mode, uid, gid, xattrs: checked, entries }
  }

  async #file(checksum: Checksum): Promise<ImageNode> {
    const pause = this.#pauses.next()
    if (pause !== undefined) await pause
    try {
      const node = await this.#readFile(checksum)
      this.#files.set(checksum, node)
      return node
    } catch (error) {
      throw withContext(`${CONTEXT}: Processing ${checksum}`, error)
    }
  }

  async #readFile(checksum: Checksum): Promise<ImageNode> {
    const { header, size } = await this.#reader.statFile(checksum)
    const { mode, uid, gid } = header
    const attributes = { mode, uid, gid, xattrs: checkXattrs(header.xattrs) }
    if (isSymlink(header)) return { kind: 'link', ...attributes, target: encodeUtf8(header.target) }
    const backing = `${checksum.slice(0, 2)}/${checksum.slice(2)}.file`
    const digest = size > 0 && this.#options.verity ? await this.#digest(checksum) : undefined
    return { kind: 'file', ...attributes, size, backing, digest }
  }

  async #digest(checksum: Checksum): Promise<Checksum> {
    return verityDigest(this.#platform, (await this.#reader.readFile(checksum)).body)
  }

  #count(name: string): void {
    this.#memory += NODE_MEMORY + name.length
    const { maxMemory = MAX_IMAGE_MEMORY } = this.#options
    if (this.#memory > maxMemory) throw new LimitError('memory of a composefs image in bytes', maxMemory)
  }
}

function inContext<T>(context: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw withContext(context, error)
  }
}
