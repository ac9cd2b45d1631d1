/**
 * Deleting what nothing needs. First is found out what stays: commits, each for a reason, and all they reach. Of the rest
 * commits go first and files last, so that a prune which is interrupted leaves objects over, and no commit without its
 * tree. The repository is held exclusively meanwhile: nobody may come to rely on what is about to go.
 *
 *   refsOnly        what stays
 *   no              what any commit reaches (so that only leftovers go)
 *   yes             what refs reach, each with `depth` parents
 *   branch rules    per ref: a depth of its own; else commits of a certain age; else `depth`. Mirrored refs do not count.
 *
 * Source: ostree-repo-prune.c, ot-builtin-prune.c.
 */

import type { Checksum } from '../../bytes.ts'
import { ObjectNotFoundError } from '../../errors.ts'
import { type Commit, ObjectList, type ObjectName, type ObjectType, objectTypeNumber } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { listMany, workOff } from '../core/batches.ts'
import { Above } from '../reach/lenient.ts'
import { collectReachable, ReachableSet } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'
import { deleteObject, requireWritable } from './delete.ts'
import { pruneDeltas, pruneSummaryCache } from './extras.ts'
import { listRoots, type PruneRoot, type RootRules } from './roots.ts'

export interface PruneOptions extends RootRules, Pick<ProgressOptions, 'signal' | 'onProgress'> {
  /** Look at commits alone, and delete no other objects. */
  readonly commitOnly?: boolean | undefined
  /** Change nothing; tell what would be deleted, and why the rest stays. */
  readonly dryRun?: boolean | undefined
}

/** A commit that stays, by the first reason found. */
export interface KeptCommit {
  readonly commit: Checksum
  readonly because: PruneRoot
  /** 0 is the commit of the root itself, 1 its parent, … */
  readonly generation: number
}

export interface PruneResult {
  /** Objects looked at. */
  readonly total: number
  /** Of these, what nothing needs; deleted, unless it was a dry run. In the order of deletion. */
  readonly unreachable: ObjectList
  /** Bytes these take in the store. */
  readonly bytes: number
  readonly kept: readonly KeptCommit[]
}

/**
 * Objects of parent repositories are neither counted nor deleted, nor is what is attached to commits counted. When it
 * deletes, static deltas to commits that are gone go too, and cached summaries of remotes nobody knows.
 * @throws {ReadOnlyError} even when there is nothing to delete; {RepoLockedError}; {RefNotFoundError} for a branch that is none; {ObjectNotFoundError} when a commit that is not
 *   marked partial lacks a directory: then nothing was deleted
 */
export async function prune(repo: Repo, options: PruneOptions = {}): Promise<PruneResult> {
  if (!options.dryRun) await requireWritable(repo)
  const lock = await repo.storage.lock('exclusive')
  try {
    const { total, unreachable, roots } = await plan(repo, options)
    const bytes = options.dryRun ? await sizeOf(repo, unreachable) : await remove(repo, unreachable, options)
    const kept = await keptBy(repo, roots)
    if (!options.dryRun) {
      await pruneDeltas(repo)
      await pruneSummaryCache(repo)
    }
    return { total, unreachable, bytes, kept }
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

interface Plan extends Pick<PruneResult, 'total' | 'unreachable'> {
  readonly roots: readonly PruneRoot[]
}

async function plan(repo: Repo, options: PruneOptions): Promise<Plan> {
  const { commitOnly, signal } = options
  const roots = await listRoots(repo, options)
  const reached = new ReachableSet()
  for (const { commit, depth } of roots) await collectReachable(repo, commit, { depth, commitOnly, signal }, reached)
  const byType: (ObjectList | undefined)[] = []
  for (const type of ORDER) byType[objectTypeNumber(type)] = ObjectList.empty()
  let total = 0
  for await (const names of listMany(repo.storage.objects, commitOnly ? 'commit' : undefined)) {
    signal?.throwIfAborted()
    for (let i = 0; i < names.length; i++) {
      const unreachable = byType[names.typeNumber(i)]
      if (unreachable === undefined) continue
      total++
      if (reached.hasOf(names, i)) continue
      if (names.typeNumber(i) === PAYLOAD_LINK && (await isNeededLink(repo, names.checksum(i), reached))) continue
      unreachable.pushOf(names, i)
    }
  }
  const unreachable = ObjectList.empty()
  for (const type of ORDER) unreachable.pushAll(byType[objectTypeNumber(type)] as ObjectList)
  return { total, unreachable, roots }
}

/**
 * Of deletion: what is named after what names it. Xattrs of their own (bare-split-xattrs) are not counted, and stay: which
 * file shares which is not to be seen from here.
 */
const ORDER: readonly ObjectType[] = ['commit', 'dirtree', 'dirmeta', 'payload-link', 'file']
const PAYLOAD_LINK = objectTypeNumber('payload-link')

/** @returns bytes */
async function sizeOf({ storage }: Repo, names: ObjectList): Promise<number> {
  let bytes = 0
  for (const name of names) bytes += await storage.objects.storageSize(name)
  return bytes
}

/** One kind after another; those of one kind in threads, where there are any. @returns bytes */
async function remove(repo: Repo, names: ObjectList, { signal, onProgress }: PruneOptions): Promise<number> {
  const { objects } = repo.storage
  const total = names.length
  let bytes = 0
  const one = async (name: ObjectName) => {
    const size = await objects.storageSize(name)
    if (name.type === 'commit') await objects.setCommitState(name.checksum, 'complete')
    await deleteObject(repo, name)
    bytes += size
  }
  const tell = (done: number) => onProgress?.({ kind: 'step', label: 'prune', done, total })
  const oneByOne = async (from: number, to: number, left?: ReadonlySet<number>) => {
    for (let at = from; at < to; at++) {
      signal?.throwIfAborted()
      if (left?.has(at) ?? true) await one(names.name(at))
      tell(at + 1)
    }
  }
  let from = 0
  for (const type of ORDER) {
    let to = from
    while (to < total && names.type(to) === type) to++
    // More than its file goes with a commit.
    if (type === 'commit') await oneByOne(from, to)
    else {
      for await (const batch of workOff(objects, 'delete', names.slice(from, to))) {
        bytes += batch.bytes
        const left = new Set([...batch.left].map((at) => from + at))
        await oneByOne(from + batch.from, from + batch.to, left)
      }
    }
    from = to
  }
  return bytes
}

/** A link by payload is worth keeping while its file is, and as long as the configuration still wants such links. */
async function isNeededLink(repo: Repo, payload: Checksum, reached: ReachableSet): Promise<boolean> {
  const { objects } = repo.storage
  const threshold = Number(repo.config.get('core', 'payload-link-threshold') ?? Number.POSITIVE_INFINITY)
  const checksum = await objects.payloadTarget?.(payload)
  if (checksum === undefined || !reached.has({ checksum, type: 'file' })) return false
  return (await objects.storageSize({ checksum, type: 'file' })) >= threshold
}

async function keptBy(repo: Repo, roots: readonly PruneRoot[]): Promise<KeptCommit[]> {
  const kept = new Map<Checksum, KeptCommit>()
  for (const because of roots) {
    let commit: Checksum | undefined = because.commit
    for (let generation = 0; commit !== undefined && !kept.has(commit); generation++) {
      const content: Commit | undefined = await readIfThere(repo, commit)
      if (content === undefined) break
      kept.set(commit, { commit, because, generation })
      if (because.depth !== -1 && generation >= because.depth) break
      commit = content.parent
    }
  }
  return [...kept.values()]
}

async function readIfThere(repo: Repo, commit: Checksum): Promise<Commit | undefined> {
  try {
    return await repo.readCommit(commit)
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return undefined
    throw error
  }
}

/** Why an object stays: the kept commits that reach it, by checksum. None: it does not. */
export async function whyKept(repo: Repo, { kept }: PruneResult, name: ObjectName): Promise<KeptCommit[]> {
  const reaching = await new Above(
    repo,
    kept.map(({ commit }) => commit),
  ).find(name)
  return reaching.flatMap((commit) => kept.find((entry) => entry.commit === commit) ?? [])
}
