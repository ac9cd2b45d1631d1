/**
 * What differs between two directories: of commits, of a disk, of anything that lists entries and knows their checksums.
 *
 * The two roots are not compared. A directory that is gone is one entry, one that is new is told with all that is in it.
 * Of a directory that both have its own dirmeta is compared, and then what is in it; of two trees of commits with one
 * checksum nothing is looked at.
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

export interface DiffEntry {
  /** The same for entries that correspond. */
  readonly name: string
  /** As it is shown. */
  readonly path: string
  /** Of a directory; `undefined` for anything else. */
  readonly directory: DiffDirectory | undefined
  /** Of the file, or of the dirmeta of a directory. */
  checksum(ignoreXattrs: boolean): MaybePromise<Checksum>
}

export interface DiffDirectory {
  /** Checksum of the dirtree, where there is one: equal means that nothing in it differs. */
  readonly tree: Checksum | undefined
  /** Checksums of the other side must be without xattrs too. */
  readonly withoutXattrs: boolean
  /** In the order in which differences are told. */
  list(): MaybePromise<DiffEntry[]>
}

/** Paths, in the order found. */
export interface Difference {
  /** As the first side shows them, as are those removed. */
  readonly modified: readonly string[]
  readonly removed: readonly string[]
  readonly added: readonly string[]
}

export interface DiffOptions {
  /** Leave xattrs out of what is computed from files on a disk. Checksums of commits have them in any case. */
  readonly noXattrs?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** @throws {LimitError} when directories nest deeper than MAX_TREE_DEPTH; what the sides throw when they are read */
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

/** A directory of a commit, as one side of a difference. */
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

/** Checksums alone would do, but what is compared is to be there. Reading what is not says so as the store says it. */
async function requireObject({ objects }: Repo, { checksum, type }: { checksum: Checksum; type: MetaType | 'file' }) {
  const isHere = objects.has({ checksum, type })
  if (isHere instanceof Promise ? await isHere : isHere) return
  await (type === 'file' ? objects.statFile(checksum) : objects.readMeta(type, checksum))
}

/** `M    /path` for what is modified, then `D`, then `A`; one line each. */
export function formatDifference({ modified, removed, added }: Difference): string {
  const lines = (letter: string, paths: readonly string[]) => paths.map((path) => `${letter}    ${path}\n`)
  return [...lines('M', modified), ...lines('D', removed), ...lines('A', added)].join('')
}

/** Objects of two commits, their parents not counted. */
export interface DiffStats {
  readonly from: number
  readonly to: number
  readonly common: number
  /** Bytes the common ones take in the store. */
  readonly commonSize: number
}

/**
 * @param onCounts told how many there are, before their sizes are asked for
 * @throws {ObjectNotFoundError}, {FormatError}; {IoError} `Querying object …` for a common one that is not there
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

/** Wherever it is stored. */
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
