/**
 * Finds the objects that commits reach in a repository that may be corrupt. Metadata is not validated here, because
 * fsck verifies every object later. A missing dirtree is an error.
 *
 * Source: ostree-repo-traverse.c, ostree_repo_traverse_commit_union_with_parents and
 * ostree_repo_traverse_parents_get_commits.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import {
  Commit,
  DirTree,
  formatObjectName,
  isChecksum,
  type ObjectList,
  type ObjectName,
  objectTypeNumber,
} from '../../objects/index.ts'
import { directoryAt, locateChecksums } from '../../objects/internal.ts'
import type { TreeRoot } from '../core/tree.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import { inTableOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { ObjectTable } from './object-table.ts'

const FILE = objectTypeNumber('file')

/**
 * Lists all objects that the commits reach, without their parents, in the order in which ostree verifies them.
 * @throws {ObjectNotFoundError} `No such metadata object …` when a commit or dirtree does not exist
 * @throws {FormatError} when a checksum in a commit or dirtree does not have 32 bytes
 */
export async function reachLeniently(
  repo: Repo,
  commits: readonly Checksum[],
  signal: AbortSignal | undefined,
): Promise<ObjectList> {
  const reached = new ObjectTable()
  await visit(repo, commits, signal, reached)
  return reached.list()
}

/**
 * Adds all objects that the commits reach to a table. A dirtree is added after everything below it, as in ostree, since
 * that decides its position in the table.
 * @param onEdge called for each reference from one object to another
 */
async function visit(
  repo: Repo,
  commits: readonly Checksum[],
  signal: AbortSignal | undefined,
  reached: ObjectTable,
  onEdge?: (parent: ObjectName, child: ObjectName) => void,
): Promise<void> {
  const pauses = new Pauses(signal)
  /** The directories that the walk is in. Only a corrupt one can contain itself: fsck reports it, and a walk must end. */
  const open = new Set<Checksum>()
  for (const checksum of commits) {
    const commit: ObjectName = { type: 'commit', checksum }
    reached.add(commit)
    const { rootTree, rootMeta } = Commit.decode(await repo.objects.readMeta('commit', checksum))
    const stack: (PendingDirectory | { readonly leave: ObjectName })[] = [
      { parent: commit, tree: rootTree, meta: rootMeta },
    ]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      if ('leave' in next) {
        reached.add(next.leave)
        open.delete(next.leave.checksum)
        continue
      }
      const { parent } = next
      const tree: ObjectName = { type: 'dirtree', checksum: requireChecksum(next.tree, parent) }
      const meta: ObjectName = { type: 'dirmeta', checksum: requireChecksum(next.meta, parent) }
      reached.add(meta)
      onEdge?.(parent, meta)
      onEdge?.(parent, tree)
      if (reached.has(tree) || open.has(tree.checksum)) continue
      const bytes = await repo.objects.readMeta('dirtree', tree.checksum)
      const dirs = visitFiles(tree, bytes, reached, onEdge)
      stack.push({ leave: tree })
      open.add(tree.checksum)
      // Pushed in reverse, so that they are popped in order.
      for (const { tree: below, meta } of dirs.toReversed()) stack.push({ parent: tree, tree: below, meta })
    }
  }
}

/** Adds the files of a dirtree. @returns its subdirectories */
function visitFiles(
  tree: ObjectName,
  bytes: Uint8Array,
  reached: ObjectTable,
  onEdge: ((parent: ObjectName, child: ObjectName) => void) | undefined,
): readonly TreeRoot[] {
  // The dirtree is decoded only when `onEdge` needs names, or when it is malformed, so that locateChecksums gives up.
  const located = onEdge === undefined ? locateChecksums(bytes) : undefined
  if (located === undefined) {
    const { files, dirs } = DirTree.decode(bytes)
    for (const { checksum } of files) {
      const file: ObjectName = { type: 'file', checksum: requireChecksum(checksum, tree) }
      reached.add(file)
      onEdge?.(tree, file)
    }
    return dirs
  }
  for (const at of located.files) reached.addAt(FILE, bytes, at)
  return Array.from(located.dirs, (at) => directoryAt(bytes, at))
}

/** A directory still to be visited, and the commit or dirtree that refers to it. */
interface PendingDirectory extends TreeRoot {
  readonly parent: ObjectName
}

function requireChecksum(checksum: Checksum, where: ObjectName): Checksum {
  if (isChecksum(checksum)) return checksum
  const length = (checksum as string).length / 2
  throw new FormatError(formatObjectName(where), `Invalid checksum of length ${length} expected 32`)
}

/**
 * Finds the commits that reach an object. The first call of `find` builds an index of all objects, so that the cost
 * arises only when a damaged object has been found.
 */
export class ReachingCommits {
  readonly #repo: Repo
  readonly #commits: readonly Checksum[]
  /** Names of the objects that refer to an object, by its name. */
  #parents: Map<string, Set<string>> | undefined

  constructor(repo: Repo, commits: readonly Checksum[]) {
    this.#repo = repo
    this.#commits = commits
  }

  /** Returns the commits that reach an object, in the order in which ostree prints them. */
  async find(name: ObjectName): Promise<Checksum[]> {
    this.#parents ??= await this.#indexParents()
    const found = new Set<Checksum>()
    const seen = new Set<string>()
    const stack = [formatObjectName(name)]
    for (let key = stack.pop(); key !== undefined; key = stack.pop()) {
      if (seen.has(key)) continue
      seen.add(key)
      if (key.endsWith('.commit')) found.add(key.slice(0, -'.commit'.length) as Checksum)
      for (const parent of [...(this.#parents.get(key) ?? [])].reverse()) stack.push(parent)
    }
    return inTableOrder(found)
  }

  async #indexParents(): Promise<Map<string, Set<string>>> {
    const index = new Map<string, Set<string>>()
    await visit(this.#repo, this.#commits, undefined, new ObjectTable(), (parent, child) => {
      const key = formatObjectName(child)
      const parents = index.get(key)
      if (parents === undefined) index.set(key, new Set([formatObjectName(parent)]))
      else parents.add(formatObjectName(parent))
    })
    return index
  }
}
