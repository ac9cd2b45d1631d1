/**
 * Looks up paths in a commit, for `ls`, `cat`, `checkout --subpath` and `export --subpath`. Names are taken literally:
 * `.`, `..` and the empty name behind a trailing slash are not found, and symlinks on the way are not followed. As in
 * libostree, two slashes in a row start again at the root: `a//b` is `/b`.
 *
 * Source: ostree-repo-file.c, ostree_repo_file_resolve_relative_path and ostree_repo_file_ensure_resolved.
 */

import type { Checksum } from '../../bytes.ts'
import { IoError, LimitError, PathNotFoundError } from '../../errors.ts'
import { type FileInfo, isSymlink } from '../../objects/index.ts'
import type { DirTreeEntries } from '../../objects/internal.ts'
import type { ObjectReader } from './interface.ts'
import { type DirTreeBytes, readCommit, readDirMeta, readDirTreeChecksums } from './read-metadata.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from './tree.ts'
import { Pauses } from './yield-to-event-loop.ts'

/** Symlinks followed for one path. More are taken for a loop. */
export const MAX_SYMLINKS = 40

/** A directory in a commit. */
export interface DirectoryEntry extends TreeRoot {
  readonly kind: 'directory'
  /** Absolute: `/`, `/usr/bin`. */
  readonly path: string
}

/** A regular file or a symlink, which `statFile` distinguishes. */
export interface FileEntry {
  readonly kind: 'file'
  readonly path: string
  readonly checksum: Checksum
}

/** An entry of a commit. */
export type TreeEntry = DirectoryEntry | FileEntry

/**
 * Returns the root directory of a commit.
 * @throws {ObjectNotFoundError} when the commit, its dirtree or its dirmeta is missing
 * @throws {FormatError} when one of them is malformed
 */
export async function commitRoot(reader: ObjectReader, commit: Checksum): Promise<DirectoryEntry> {
  const { rootTree, rootMeta } = await readCommit(reader, commit)
  const root = { tree: rootTree, meta: rootMeta }
  await readDirectory(reader, root)
  return { kind: 'directory', path: '/', ...root }
}

/** Reads the dirtree of a directory. Its dirmeta must exist too. */
async function readDirectory(reader: ObjectReader, { tree, meta }: TreeRoot): Promise<DirTreeBytes> {
  const content = await readDirTreeChecksums(reader, tree)
  await readDirMeta(reader, meta)
  return content
}

/** Splits a path into the names from the root. @param base names of the directory that the path is relative to */
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
 * Finds the entry at a path. A symlink is returned, not followed.
 * @throws {PathNotFoundError} with the first part of the path that does not exist
 * @throws {IoError} `Not a directory` when the path leads through a file
 */
export function lookupPath(reader: ObjectReader, root: TreeRoot, path: string): Promise<TreeEntry> {
  return lookupNames(reader, root, pathNames(path))
}

async function lookupNames(reader: ObjectReader, root: TreeRoot, names: readonly string[]): Promise<TreeEntry> {
  let at: TreeEntry = { kind: 'directory', path: '/', tree: root.tree, meta: root.meta }
  let content = names.length === 0 ? undefined : await readDirTreeChecksums(reader, root.tree)
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

function findChild({ files, dirs }: DirTreeBytes, name: string): { checksum: Checksum } | TreeRoot | undefined {
  const file = files.indexOf(name)
  if (file >= 0) return { checksum: files.checksum(file) }
  const dir = dirs.indexOf(name)
  return dir < 0 ? undefined : dirs.directory(dir)
}

/**
 * Finds the entry at a path, and follows it while it is a symlink. A relative target is relative to the directory of
 * its link, an absolute one to the root of the tree.
 * @throws {PathNotFoundError} when the path or a target does not exist
 * @throws {IoError} `Not a directory`, or `Too many levels of symbolic links` after MAX_SYMLINKS
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

/**
 * Finds the regular file at a path, following symlinks, as `ostree cat` does.
 * @throws {IoError} `Can't open directory` when it is a directory; and as `followPath` does
 */
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

/** How far to walk down a tree. */
export interface WalkOptions {
  /** Levels of directories whose entries are listed: 0 none, 1 those of the start itself, and so on. Default: all. */
  readonly depth?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Yields an entry and everything below it, in the order of `ostree ls -R`: a directory, its files, then its
 * directories, each followed by its content.
 * @throws {LimitError} when directories nest deeper than MAX_TREE_DEPTH
 * @throws {ObjectNotFoundError} or {FormatError} when a dirtree is missing or malformed
 */
export async function* walkTree(
  reader: ObjectReader,
  start: TreeEntry,
  { depth = Number.POSITIVE_INFINITY, signal }: WalkOptions = {},
): AsyncGenerator<TreeEntry, void> {
  const pauses = new Pauses(signal)
  /** The directories on the way to the current one: what is left of their subdirectories. */
  const open: { path: string; dirs: DirTreeEntries; next: number }[] = []
  for (let entry: TreeEntry | undefined = start; entry !== undefined; entry = nextDirectory(open)) {
    const level = open.length
    const pause = pauses.next()
    if (pause !== undefined) await pause
    // Read before the directory is yielded, so that one that cannot be read is not listed.
    const content: DirTreeBytes | undefined =
      entry.kind === 'file' ? undefined : await readDirTreeChecksums(reader, entry.tree)
    yield entry
    if (content === undefined || level >= depth) continue
    if (level > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, entry.path)
    const { files, dirs } = content
    for (let i = 0; i < files.length; i++) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      yield { kind: 'file', path: childPath(entry.path, files.name(i)), checksum: files.checksum(i) }
    }
    open.push({ path: entry.path, dirs: dirs.detached(), next: 0 })
  }
}

/** Returns the next subdirectory of the innermost directory that has one left. The others are removed from the list. */
function nextDirectory(open: { path: string; dirs: DirTreeEntries; next: number }[]): DirectoryEntry | undefined {
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const { path, dirs, next } = at
    if (next < dirs.length) {
      at.next++
      return { kind: 'directory', path: childPath(path, dirs.name(next)), ...dirs.directory(next) }
    }
    open.pop()
  }
  return undefined
}

/** Joins the path of a directory and a name. */
export function childPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}
