/**
 * What commits reach, when nothing may be taken for granted: metadata is decoded as far as it can be, for whether it is
 * right is found out later, object by object. A directory that is missing ends the search.
 *
 * Source: ostree-repo-traverse.c, ostree_repo_traverse_commit_union_with_parents and
 * ostree_repo_traverse_parents_get_commits.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import {
  Commit,
  DirTree,
  directoryAt,
  formatObjectName,
  isChecksum,
  locateChecksums,
  type ObjectList,
  type ObjectName,
  objectTypeNumber,
} from '../../objects/index.ts'
import type { TreeRoot } from '../core/tree.ts'
import { inTableOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { ObjectTable } from './object-table.ts'

const FILE = objectTypeNumber('file')

/**
 * In the order in which ostree would verify them.
 * @throws {ObjectNotFoundError} `No such metadata object …` for a dirtree that is not there; {FormatError} for a checksum
 *   that is none
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
 * A dirtree counts as reached when all below it is, for that is its place in the table.
 * @param tell of each object, and of one that names it
 */
async function visit(
  repo: Repo,
  commits: readonly Checksum[],
  signal: AbortSignal | undefined,
  reached: ObjectTable,
  tell?: (parent: ObjectName, child: ObjectName) => void,
): Promise<void> {
  for (const checksum of commits) {
    const commit: ObjectName = { type: 'commit', checksum }
    reached.add(commit)
    const { rootTree, rootMeta } = Commit.decode(await repo.objects.readMeta('commit', checksum))
    const waiting: (Entrance | { readonly leave: ObjectName })[] = [{ parent: commit, tree: rootTree, meta: rootMeta }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      signal?.throwIfAborted()
      if ('leave' in next) {
        reached.add(next.leave)
        continue
      }
      const { parent } = next
      const tree: ObjectName = { type: 'dirtree', checksum: requireChecksum(next.tree, parent) }
      const meta: ObjectName = { type: 'dirmeta', checksum: requireChecksum(next.meta, parent) }
      reached.add(meta)
      tell?.(parent, meta)
      tell?.(parent, tree)
      if (reached.has(tree)) continue
      const bytes = await repo.objects.readMeta('dirtree', tree.checksum)
      const dirs = visitFiles(tree, bytes, reached, tell)
      waiting.push({ leave: tree })
      // Backwards, so that they come off the stack in their order.
      for (const { tree: below, meta } of dirs.toReversed()) waiting.push({ parent: tree, tree: below, meta })
    }
  }
}

/** @returns the directories in it */
function visitFiles(
  tree: ObjectName,
  bytes: Uint8Array,
  reached: ObjectTable,
  tell: ((parent: ObjectName, child: ObjectName) => void) | undefined,
): readonly TreeRoot[] {
  // What is not sound has to be gone through with care, and what is told of needs names.
  const located = tell === undefined ? locateChecksums(bytes) : undefined
  if (located === undefined) {
    const { files, dirs } = DirTree.decode(bytes)
    for (const { checksum } of files) {
      const file: ObjectName = { type: 'file', checksum: requireChecksum(checksum, tree) }
      reached.add(file)
      tell?.(tree, file)
    }
    return dirs
  }
  for (const at of located.files) reached.addAt(FILE, bytes, at)
  return located.dirs.map((at) => directoryAt(bytes, at))
}

interface Entrance extends TreeRoot {
  readonly parent: ObjectName
}

function requireChecksum(checksum: Checksum, where: ObjectName): Checksum {
  if (isChecksum(checksum)) return checksum
  const length = (checksum as string).length / 2
  throw new FormatError(formatObjectName(where), `Invalid checksum of length ${length} expected 32`)
}

/**
 * What is above an object: which commits reach it. The answer needs that of every object; it is gathered with the first
 * question, so that a sound repository never pays for it.
 */
export class Above {
  readonly #repo: Repo
  readonly #commits: readonly Checksum[]
  #above: Map<string, Set<string>> | undefined

  constructor(repo: Repo, commits: readonly Checksum[]) {
    this.#repo = repo
    this.#commits = commits
  }

  /** In the order in which ostree tells of them. */
  async find(name: ObjectName): Promise<Checksum[]> {
    this.#above ??= await this.#gather()
    const found = new Set<Checksum>()
    const seen = new Set<string>()
    const waiting = [formatObjectName(name)]
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      if (seen.has(key)) continue
      seen.add(key)
      if (key.endsWith('.commit')) found.add(key.slice(0, -'.commit'.length) as Checksum)
      waiting.push(...[...(this.#above.get(key) ?? [])].reverse())
    }
    return inTableOrder(found)
  }

  async #gather(): Promise<Map<string, Set<string>>> {
    const above = new Map<string, Set<string>>()
    await visit(this.#repo, this.#commits, undefined, new ObjectTable(), (parent, child) => {
      const key = formatObjectName(child)
      const parents = above.get(key)
      if (parents === undefined) above.set(key, new Set([formatObjectName(parent)]))
      else parents.add(formatObjectName(parent))
    })
    return above
  }
}
