/** Lists the commits that a prune keeps by its rules. Source: ostree-repo-prune.c, ot-builtin-prune.c. */

import type { Checksum } from '../../bytes.ts'
import type { Commit } from '../../objects/index.ts'
import { requireAbsent } from '../core/verify-object.ts'
import { readListedRef, refspecOf } from '../refs/refs.ts'
import { collectionRefsInOrder, plainRefsInOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'

/** The last three are rules for branches. With any of them only refs keep commits, and `refsOnly` has no effect. */
export interface RootRules {
  /** Keep only commits that refs reach, instead of all commits. */
  readonly refsOnly?: boolean | undefined
  /** Generations of parents to keep: 0 none, -1 (default) all. */
  readonly depth?: number | undefined
  /** Seconds since the epoch. Keeps each ref's commit, and its history up to the first commit older than this. */
  readonly keepYoungerThan?: bigint | undefined
  /** Depth for single refs, by refspec; it precedes the other rules. As in ostree, 0 means that `depth` applies. */
  readonly retainBranchDepth?: ReadonlyMap<string, number> | undefined
  /** Refspecs of existing refs. All other refs keep their whole history. */
  readonly onlyBranches?: readonly string[] | undefined
}

/** A commit that is kept with `depth` generations of parents, and the reason. */
export interface PruneRoot {
  readonly commit: Checksum
  readonly depth: number
  /** The ref that keeps the commit: a refspec or `(COLLECTION, REF)`; `undefined` when all commits are kept. */
  readonly ref: string | undefined
  readonly rule: 'commit' | 'depth' | 'retained branch' | 'other branch' | 'tip' | 'young'
}

/** Lists the commits to keep. @throws {RefNotFoundError} when one of `onlyBranches` does not exist */
export async function listRoots(repo: Repo, rules: RootRules): Promise<PruneRoot[]> {
  const { depth = -1, refsOnly, keepYoungerThan, retainBranchDepth, onlyBranches = [] } = rules
  const byBranch = keepYoungerThan !== undefined || retainBranchDepth !== undefined || onlyBranches.length > 0
  if (byBranch) return branchRoots(repo, rules)
  const roots: PruneRoot[] = []
  if (refsOnly) {
    for (const { ref, commit } of [...(await plainRefs(repo)), ...(await mirroredRefs(repo))]) {
      roots.push({ commit, depth, ref, rule: 'depth' })
    }
  } else {
    for await (const { checksum } of repo.storage.objects.list('commit')) {
      roots.push({ commit: checksum, depth, ref: undefined, rule: 'commit' })
    }
  }
  return roots
}

async function branchRoots(repo: Repo, rules: RootRules): Promise<PruneRoot[]> {
  const { depth = -1, keepYoungerThan, retainBranchDepth, onlyBranches = [] } = rules
  for (const branch of onlyBranches) await repo.resolve(branch)
  const roots: PruneRoot[] = []
  for (const { ref, commit } of await plainRefs(repo)) {
    const retained = retainBranchDepth?.get(ref)
    if (retained !== undefined && retained !== 0) {
      roots.push({ commit, depth: retained, ref, rule: 'retained branch' })
    } else if (retained === undefined && onlyBranches.length > 0 && !onlyBranches.includes(ref)) {
      roots.push({ commit, depth: -1, ref, rule: 'other branch' })
    } else if (keepYoungerThan !== undefined) {
      roots.push({ commit, depth: 0, ref, rule: 'tip' })
      for (const young of await youngCommits(repo, commit, keepYoungerThan)) {
        roots.push({ commit: young, depth: 0, ref, rule: 'young' })
      }
    } else {
      roots.push({ commit, depth, ref, rule: 'depth' })
    }
  }
  return roots
}

interface RefTip {
  readonly ref: string
  readonly commit: Checksum
}

/**
 * Lists local and remote refs in ostree's order, which matters: of two refs that share history, the first decides how
 * much of it is kept.
 */
async function plainRefs({ refs }: Repo): Promise<RefTip[]> {
  const tips: RefTip[] = []
  for (const path of await plainRefsInOrder(refs)) {
    const commit = await readListedRef(refs, path, path)
    if (commit !== undefined) tips.push({ ref: refspecOf(path) ?? path, commit })
  }
  return tips
}

async function mirroredRefs({ refs, settings }: Repo): Promise<RefTip[]> {
  const tips: RefTip[] = []
  for (const { path, collection, name } of await collectionRefsInOrder(refs, settings.collectionId)) {
    if (!path.startsWith('mirrors/')) continue
    const commit = await readListedRef(refs, path, name)
    if (commit !== undefined) tips.push({ ref: `(${collection}, ${name})`, commit })
  }
  return tips
}

/**
 * Returns the history of `tip`, itself included, up to the first commit that is older than `since` or does not exist.
 */
async function youngCommits(repo: Repo, tip: Checksum, since: bigint): Promise<Checksum[]> {
  const young = new Set<Checksum>()
  let at: Checksum | undefined = tip
  while (at !== undefined && !young.has(at)) {
    let commit: Commit
    try {
      commit = await repo.readCommit(at)
    } catch (error) {
      requireAbsent(error)
      break
    }
    if (commit.timestamp < since) break
    young.add(at)
    at = commit.parent
  }
  return [...young]
}
