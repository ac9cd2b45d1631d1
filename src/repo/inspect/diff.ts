/**
 * Compares two directories: of commits, on disk, or of anything else that lists entries with checksums.
 *
 * The dirmetas of the two roots are not compared. A removed directory is one entry; an added one is listed with all its
 * content. For a directory on both sides the dirmetas are compared, and then the content, unless both have the same
 * dirtree.
 *
 * Source: ostree-diff.c, ostree_diff_dirs_with_options.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { IoError, LimitError, ObjectNotFoundError } from '../../errors.ts'
import { formatObjectName, type MetaType, type ObjectName } from '../../objects/index.ts'
import { childPath, type DirectoryEntry } from '../core/path.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from '../core/tree.ts'
import { collectReachable } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'

/** An entry of a directory. */
export interface DiffEntry {
  /** Entries of the two sides correspond if their names are equal. */
  readonly name: string
  /** The path to print. */
  readonly path: string
  /** The directory; `undefined` for anything else. */
  readonly directory: DiffDirectory | undefined
  /** Returns the checksum of the file, or of a directory's dirmeta. */
  checksum(ignoreXattrs: boolean): MaybePromise<Checksum>
}

/** One side of a comparison. */
export interface DiffDirectory {
  /** Checksum of the dirtree if it is known. Directories with equal ones have the same content. */
  readonly tree: Checksum | undefined
  /** Its checksums were computed without xattrs, so those of the other side must be too. */
  readonly withoutXattrs: boolean
  /** Lists the entries, in the order in which differences are reported. */
  list(): MaybePromise<DiffEntry[]>
}

/** Paths that differ, in the order found. */
export interface Difference {
  /** Paths as the first side prints them, like those of `removed`. */
  readonly modified: readonly string[]
  readonly removed: readonly string[]
  readonly added: readonly string[]
}

/** How to compare two directories. */
export interface DiffOptions {
  /** Compute the checksums of files on disk without xattrs. Those of commits are stored, and include xattrs. */
  readonly noXattrs?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Compares two directories recursively.
 * @throws {LimitError} when directories nest deeper than MAX_TREE_DEPTH
 * @throws {IoError}, {ObjectNotFoundError} or {FormatError} when a side cannot be read
 */
export async function diffDirectories(
  from: DiffDirectory,
  to: DiffDirectory,
  { noXattrs = false, signal }: DiffOptions = {},
): Promise<Difference> {
  const modified: string[] = []
  const removed: string[] = []
  const added: string[] = []
  const ignoreXattrs = noXattrs || from.withoutXattrs || to.withoutXattrs

  async function compare(a: DiffDirectory, b: DiffDirectory, depth: number): Promise<void> {
    if (a.tree !== undefined && a.tree === b.tree) return
    enter(depth)
    const before = await a.list()
    const after = await b.list()
    const byName = new Map(after.map((entry) => [entry.name, entry]))
    const names = new Set<string>()
    for (const entry of before) {
      names.add(entry.name)
      const other = byName.get(entry.name)
      if (other === undefined) removed.push(entry.path)
      else await compareEntries(entry, other, depth)
    }
    for (const entry of after) {
      if (!names.has(entry.name)) await addAll(entry, depth)
    }
  }

  async function compareEntries(a: DiffEntry, b: DiffEntry, depth: number): Promise<void> {
    if ((a.directory === undefined) !== (b.directory === undefined)) {
      modified.push(a.path)
      return
    }
    const before = await a.checksum(ignoreXattrs)
    if (before !== (await b.checksum(ignoreXattrs))) modified.push(a.path)
    if (a.directory !== undefined && b.directory !== undefined) await compare(a.directory, b.directory, depth + 1)
  }

  async function addAll({ path, directory }: DiffEntry, depth: number): Promise<void> {
    added.push(path)
    if (directory === undefined) return
    enter(depth)
    for (const entry of await directory.list()) await addAll(entry, depth + 1)
  }

  function enter(depth: number): void {
    signal?.throwIfAborted()
    if (depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH)
  }

  await compare(from, to, 0)
  return { modified, removed, added }
}

/** Returns a directory of a commit as one side of a comparison. */
export function treeToDiff(repo: Repo, { tree, path }: DirectoryEntry): DiffDirectory {
  return {
    tree,
    withoutXattrs: repo.settings.disableXattrs || repo.mode === 'bare-user-only',
    async list() {
      const { files, dirs } = await repo.readDirTree(tree)
      for (const { checksum } of files) await requireObject(repo, { checksum, type: 'file' })
      for (const { tree, meta } of dirs) {
        await requireObject(repo, { checksum: tree, type: 'dirtree' })
        await requireObject(repo, { checksum: meta, type: 'dirmeta' })
      }
      const below = (name: string, root: TreeRoot): DirectoryEntry => {
        return { kind: 'directory', path: childPath(path, name), ...root }
      }
      return [
        ...files.map(({ name, checksum }) => {
          return { name, path: childPath(path, name), directory: undefined, checksum: () => checksum }
        }),
        ...dirs.map(({ name, tree: inner, meta }) => {
          const directory = treeToDiff(repo, below(name, { tree: inner, meta }))
          return { name, path: childPath(path, name), directory, checksum: () => meta }
        }),
      ]
    },
  }
}

/**
 * Requires that an object exists, although comparing needs only its checksum. A missing object is then read, to throw
 * the error of the store.
 */
async function requireObject({ objects }: Repo, { checksum, type }: { checksum: Checksum; type: MetaType | 'file' }) {
  const isHere = objects.has({ checksum, type })
  if (isHere instanceof Promise ? await isHere : isHere) return
  await (type === 'file' ? objects.statFile(checksum) : objects.readMeta(type, checksum))
}

/** Formats a difference as `ostree diff` does: lines `M    PATH`, then `D    PATH` for removed, then `A    PATH`. */
export function formatDifference({ modified, removed, added }: Difference): string {
  const lines = (letter: string, paths: readonly string[]) => paths.map((path) => `${letter}    ${path}\n`)
  return [...lines('M', modified), ...lines('D', removed), ...lines('A', added)].join('')
}

/** Numbers of objects that two commits reach, without their parents. */
export interface DiffStats {
  readonly from: number
  readonly to: number
  readonly common: number
  /** Bytes that the common objects take in the store. */
  readonly commonSize: number
}

/**
 * Counts the objects of two commits and those they have in common.
 * @param onCounts called with the numbers before the sizes are determined
 * @throws {ObjectNotFoundError} or {FormatError} when a commit or a dirtree is missing or malformed
 * @throws {IoError} `Querying object …` when an object in common is missing
 */
export async function diffStats(
  repo: Repo,
  from: Checksum,
  to: Checksum,
  onCounts?: (counts: Omit<DiffStats, 'commonSize'>) => void,
): Promise<DiffStats> {
  const a = await collectReachable(repo, from)
  const b = await collectReachable(repo, to)
  const common = [...a].filter((name) => b.has(name))
  const counts = { from: a.size, to: b.size, common: common.length }
  onCounts?.(counts)
  let commonSize = 0
  for (const name of common) commonSize += await storageSize(repo, name)
  return { ...counts, commonSize }
}

/** Returns the bytes an object takes, here or in a parent repository. */
async function storageSize(repo: Repo, name: ObjectName): Promise<number> {
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    try {
      return await at.storage.objects.storageSize(name)
    } catch (error) {
      if (!(error instanceof ObjectNotFoundError)) throw error
    }
  }
  const object = formatObjectName(name)
  throw new IoError(`Querying object ${object}: No such file or directory`, 'ENOENT', object)
}
