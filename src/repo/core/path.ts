/**
 * Paths inside a commit, as `ls`, `cat`, `checkout --subpath` and `export --subpath` take them. Names are looked up as
 * they stand: `.`, `..` and a slash at the end name nothing, links on the way are not followed. Two slashes in a row
 * start over from the root, as they do in libostree: `a//b` is `/b`.
 *
 * Source: ostree-repo-file.c, ostree_repo_file_resolve_relative_path and ostree_repo_file_ensure_resolved.
 */

import type { Checksum } from '../../bytes.ts'
import { IoError, LimitError, PathNotFoundError } from '../../errors.ts'
import { type DirTree, type FileInfo, isSymlink } from '../../objects/index.ts'
import type { ObjectReader } from './interface.ts'
import { readCommit, readDirMeta, readDirTree } from './read-metadata.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from './tree.ts'

/** Symbolic links followed before they are taken for a ring. */
export const MAX_SYMLINKS = 40

export interface DirectoryEntry extends TreeRoot {
  readonly kind: 'directory'
  /** Absolute: `/`, `/usr/bin`. */
  readonly path: string
}

/** A regular file or a symbolic link: `statFile` tells which. */
export interface FileEntry {
  readonly kind: 'file'
  readonly path: string
  readonly checksum: Checksum
}

export type TreeEntry = DirectoryEntry | FileEntry

/** @throws {ObjectNotFoundError}, {FormatError}, for the directory as for the commit */
export async function commitRoot(reader: ObjectReader, commit: Checksum): Promise<DirectoryEntry> {
  const { rootTree, rootMeta } = await readCommit(reader, commit)
  const root = { tree: rootTree, meta: rootMeta }
  await readDirectory(reader, root)
  return { kind: 'directory', path: '/', ...root }
}

/** What is in a directory; one without its dirmeta is none. */
async function readDirectory(reader: ObjectReader, { tree, meta }: TreeRoot): Promise<DirTree> {
  const content = await readDirTree(reader, tree)
  await readDirMeta(reader, meta)
  return content
}

/** The names from the root that `path` stands for when it is taken relative to `base`. */
export function pathNames(path: string, base: readonly string[] = []): string[] {
  let names = [...base]
  let rest = path
  for (;;) {
    if (rest === '/') return []
    if (rest.startsWith('/')) {
      rest = rest.slice(1)
      if (names.length > 0) {
        names = []
        continue
      }
    }
    const slash = rest.indexOf('/')
    if (slash < 0) return [...names, rest]
    names.push(rest.slice(0, slash))
    rest = rest.slice(slash + 1)
  }
}

/**
 * @returns the entry itself, also when it is a symbolic link
 * @throws {PathNotFoundError} naming the first name that is not there; {IoError} `Not a directory`
 */
export function lookupPath(reader: ObjectReader, root: TreeRoot, path: string): Promise<TreeEntry> {
  return lookupNames(reader, root, pathNames(path))
}

async function lookupNames(reader: ObjectReader, root: TreeRoot, names: readonly string[]): Promise<TreeEntry> {
  let at: TreeEntry = { kind: 'directory', path: '/', tree: root.tree, meta: root.meta }
  let content = names.length === 0 ? undefined : await readDirTree(reader, root.tree)
  for (const name of names) {
    if (content === undefined) throw new IoError('Not a directory', 'ENOTDIR', at.path)
    const path: string = childPath(at.path, name)
    const child = findChild(content, name)
    if (child === undefined) throw new PathNotFoundError(path)
    at = 'checksum' in child ? { kind: 'file', path, ...child } : { kind: 'directory', path, ...child }
    content = at.kind === 'file' ? undefined : await readDirectory(reader, at)
  }
  return at
}

function findChild({ files, dirs }: DirTree, name: string): { checksum: Checksum } | TreeRoot | undefined {
  const file = files.find((entry) => entry.name === name)
  if (file !== undefined) return { checksum: file.checksum }
  const dir = dirs.find((entry) => entry.name === name)
  return dir === undefined ? undefined : { tree: dir.tree, meta: dir.meta }
}

/**
 * As `lookupPath`, and follows the entry while it is a symbolic link: a target is relative to the directory of its link,
 * or to the root of the tree.
 * @throws {IoError} also `Too many levels of symbolic links`
 */
export async function followPath(reader: ObjectReader, root: TreeRoot, path: string): Promise<TreeEntry> {
  let names = pathNames(path)
  for (let links = 0; links <= MAX_SYMLINKS; links++) {
    const entry = await lookupNames(reader, root, names)
    if (entry.kind === 'directory') return entry
    const { header } = await reader.statFile(entry.checksum)
    if (!isSymlink(header)) return entry
    names = pathNames(header.target, names.slice(0, -1))
  }
  throw new IoError('Too many levels of symbolic links', 'ELOOP', path)
}

/** The regular file at `path`, links followed, as `ostree cat` prints it. @throws {IoError} `Can't open directory` */
export async function lookupFile(
  reader: ObjectReader,
  root: TreeRoot,
  path: string,
): Promise<FileEntry & Pick<FileInfo, 'size'>> {
  const entry = await followPath(reader, root, path)
  if (entry.kind === 'directory') throw new IoError("Can't open directory", 'EISDIR', entry.path)
  const { size } = await reader.statFile(entry.checksum)
  return { ...entry, size }
}

export interface WalkOptions {
  /** Directories below the start that are entered: 0 none, 1 the start itself, … Default: all. */
  readonly depth?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * An entry and what is below it, in the order `ostree ls -R` shows: a directory, its files, then its directories, each
 * followed at once by what is in it.
 * @throws {LimitError} when directories nest deeper than MAX_TREE_DEPTH
 */
export async function* walkTree(
  reader: ObjectReader,
  start: TreeEntry,
  { depth = Number.POSITIVE_INFINITY, signal }: WalkOptions = {},
): AsyncGenerator<TreeEntry, void> {
  const waiting: { entry: TreeEntry; level: number }[] = [{ entry: start, level: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { entry, level } = next
    // What cannot be read is not told of.
    const content = entry.kind === 'file' ? undefined : await readDirTree(reader, entry.tree)
    yield entry
    if (content === undefined || level >= depth) continue
    if (level > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, entry.path)
    signal?.throwIfAborted()
    const { files, dirs } = content
    for (const { name, checksum } of files) yield { kind: 'file', path: childPath(entry.path, name), checksum }
    // Backwards, so that they come off the stack in their order.
    for (const { name, tree, meta } of dirs.toReversed()) {
      const path = childPath(entry.path, name)
      waiting.push({ entry: { kind: 'directory', path, tree, meta }, level: level + 1 })
    }
  }
}

export function childPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}
