/** From which commits reachability starts. Source: ostree-repo-prune.c, ot-builtin-prune.c. */

import type { Checksum } from '../../bytes.ts'
import { ObjectNotFoundError } from '../../errors.ts'
import type { Commit } from '../../objects/index.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import { collectionRefsInOrder, plainRefsInOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'

export interface RootRules {
  /** Start from refs, not from every commit there is. */
  readonly refsOnly?: boolean | undefined
  /** Parents that stay with each: 0 none, -1 (default) all. */
  readonly depth?: number | undefined
  /** Seconds since the epoch: of each ref the tip stays, and its history as far back as no commit is older. */
  readonly keepYoungerThan?: bigint | undefined
  /** Depth by refspec, before any other rule. As in ostree 0 is as if it were not said. */
  readonly retainBranchDepth?: ReadonlyMap<string, number> | undefined
  /** Refspecs; whatever other refs reach stays. Each must be there. */
  readonly onlyBranches?: readonly string[] | undefined
}

export interface PruneRoot {
  readonly commit: Checksum
  readonly depth: number
  /** The ref it is for, as a refspec, or `(COLLECTION, REF)`; `undefined` where every commit stays. */
  readonly ref: string | undefined
  readonly rule: 'commit' | 'depth' | 'retained branch' | 'other branch' | 'tip' | 'young'
}

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

/** In the order of ostree, for of two refs with one history the first decides how much of it stays. */
async function plainRefs({ refs }: Repo): Promise<RefTip[]> {
  const tips: RefTip[] = []
  for (const path of await plainRefsInOrder(refs)) {
    const commit = await readRef(refs, path)
    if (commit !== undefined) tips.push({ ref: refspecOf(path) ?? path, commit })
  }
  return tips
}

async function mirroredRefs({ refs, settings }: Repo): Promise<RefTip[]> {
  const tips: RefTip[] = []
  for (const { path, collection, name } of await collectionRefsInOrder(refs, settings.collectionId)) {
    const commit = path.startsWith('mirrors/') ? await readRef(refs, path) : undefined
    if (commit !== undefined) tips.push({ ref: `(${collection}, ${name})`, commit })
  }
  return tips
}

/** From the tip back to the first commit that is older, or missing; the tip included when it is young itself. */
async function youngCommits(repo: Repo, tip: Checksum, since: bigint): Promise<Checksum[]> {
  const young = new Set<Checksum>()
  let at: Checksum | undefined = tip
  while (at !== undefined && !young.has(at)) {
    let commit: Commit
    try {
      commit = await repo.readCommit(at)
    } catch (error) {
      if (error instanceof ObjectNotFoundError) break
      throw error
    }
    if (commit.timestamp < since) break
    young.add(at)
    at = commit.parent
  }
  return [...young]
}
