/**
 * What commits reach, when nothing may be taken for granted: metadata is decoded as far as it can be, for whether it is
 * right is found out later, object by object. As in ostree a directory that is missing ends the search; but not one that
 * only a corrupt object names.
 *
 * Source: ostree-repo-traverse.c, ostree_repo_traverse_commit_union_with_parents.
 */

import type { Checksum } from '../bytes.ts'
import { Commit, DirTree, formatObjectName, isChecksum, type ObjectName } from '../objects/index.ts'
import { isMissing, verifyObject } from './fsck-object.ts'
import type { Repo } from './repo.ts'
import { ReachableSet } from './traverse.ts'

/** @throws {ObjectNotFoundError} `No such metadata object …` for a dirtree that is not there */
export async function reachLeniently(
  repo: Repo,
  commits: readonly Checksum[],
  signal: AbortSignal | undefined,
): Promise<ReachableSet> {
  const reached = new ReachableSet()
  await visit(repo, commits, signal, (_, child) => reached.add(child.type, child.checksum))
  return reached
}

type Reachable = ObjectName & { readonly type: 'commit' | 'dirtree' | 'dirmeta' | 'file' }

/** @param meet told of each object below another; whether it is new, and so to be looked into */
async function visit(
  repo: Repo,
  commits: readonly Checksum[],
  signal: AbortSignal | undefined,
  meet: (parent: Reachable | undefined, child: Reachable) => boolean,
): Promise<void> {
  for (const checksum of commits) {
    const waiting: { parent: Reachable | undefined; child: Reachable }[] = []
    const add = (parent: Reachable | undefined, child: Reachable): void => {
      // Of another length it names nothing; whoever says so is found corrupt.
      if (!isChecksum(child.checksum) || !meet(parent, child)) return
      if (child.type === 'commit' || child.type === 'dirtree') waiting.push({ parent, child })
    }
    add(undefined, { type: 'commit', checksum })
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      signal?.throwIfAborted()
      const { parent, child } = next
      try {
        for (const grandchild of await childrenOf(repo, child)) add(child, grandchild)
      } catch (error) {
        if (parent === undefined || !isMissing(error, child) || (await isWhatItSays(repo, parent))) throw error
      }
    }
  }
}

async function isWhatItSays(repo: Repo, name: Reachable): Promise<boolean> {
  try {
    await verifyObject(repo, name)
    return true
  } catch {
    return false
  }
}

async function childrenOf(repo: Repo, { type, checksum }: Reachable): Promise<Reachable[]> {
  if (type === 'commit') {
    const { rootTree, rootMeta } = Commit.decode(await repo.objects.readMeta('commit', checksum))
    return [
      { type: 'dirmeta', checksum: rootMeta },
      { type: 'dirtree', checksum: rootTree },
    ]
  }
  if (type !== 'dirtree') return []
  const { files, dirs } = DirTree.decode(await repo.objects.readMeta('dirtree', checksum))
  const children: Reachable[] = files.map((file) => ({ type: 'file', checksum: file.checksum }))
  for (const { tree, meta } of dirs) {
    children.push({ type: 'dirmeta', checksum: meta }, { type: 'dirtree', checksum: tree })
  }
  return children
}

/**
 * What is above an object: which commits reach it. The answer needs that of every object; it is gathered with the first question,
 * so that a sound repository never pays for it.
 */
export class Above {
  readonly #repo: Repo
  readonly #commits: readonly Checksum[]
  #above: Map<string, Set<string>> | undefined

  constructor(repo: Repo, commits: readonly Checksum[]) {
    this.#repo = repo
    this.#commits = commits
  }

  /** Sorted. */
  async find(name: ObjectName): Promise<Checksum[]> {
    this.#above ??= await this.#gather()
    const found = new Set<Checksum>()
    const seen = new Set<string>()
    const waiting = [formatObjectName(name)]
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      if (seen.has(key)) continue
      seen.add(key)
      if (key.endsWith('.commit')) found.add(key.slice(0, -'.commit'.length) as Checksum)
      waiting.push(...(this.#above.get(key) ?? []))
    }
    return [...found].sort()
  }

  /** Names, as `formatObjectName` gives them, of the objects that name this one. */
  async directlyAbove(name: ObjectName): Promise<ReadonlySet<string>> {
    this.#above ??= await this.#gather()
    return this.#above.get(formatObjectName(name)) ?? new Set()
  }

  async #gather(): Promise<Map<string, Set<string>>> {
    const above = new Map<string, Set<string>>()
    await visit(this.#repo, this.#commits, undefined, (parent, child) => {
      const key = formatObjectName(child)
      const known = above.get(key)
      const parents = known ?? new Set()
      if (known === undefined) above.set(key, parents)
      if (parent !== undefined) parents.add(formatObjectName(parent))
      return known === undefined
    })
    return above
  }
}
