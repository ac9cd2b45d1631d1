/**
 * Deletes unreachable objects. First the commits to keep, the roots, are listed, and all objects they reach are marked.
 * Of the others, commits are deleted first and files last, so that an interrupted prune leaves unreachable objects
 * behind but no commit without its tree. The repository is locked exclusively meanwhile, so that no transaction can
 * begin to use an object that is about to be deleted.
 *
 *   rules                   objects kept
 *   none                    all that any commit reaches; only leftovers are deleted
 *   refsOnly                all that a ref reaches with `depth` parents
 *   rules for branches      per ref: by its own depth, else by the age of its commits, else by `depth`;
 *                           mirrored refs keep nothing
 *
 * Source: ostree-repo-prune.c, ot-builtin-prune.c.
 */

import type { Checksum } from '../../bytes.ts'
import { type Commit, ObjectList, type ObjectName, type ObjectType, objectTypeNumber } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { listMany, workOff } from '../core/batches.ts'
import { requireAbsent } from '../core/verify-object.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import { ReachingCommits } from '../reach/lenient.ts'
import { collectReachable, ReachableSet } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'
import { deleteObject, requireWritable } from './delete.ts'
import { pruneDeltas, pruneSummaryCache } from './extras.ts'
import { listRoots, type PruneRoot, type RootRules } from './roots.ts'

/** Options of `prune`: rules for the commits to keep, and whether to delete anything. */
export interface PruneOptions extends RootRules, Pick<ProgressOptions, 'signal' | 'onProgress'> {
  /** Count and delete commit objects only. */
  readonly commitOnly?: boolean | undefined
  /** Delete nothing; only return what would be deleted, and why the rest is kept. */
  readonly dryRun?: boolean | undefined
}

/** A commit that is kept, and the first root found that keeps it. */
export interface KeptCommit {
  readonly commit: Checksum
  readonly because: PruneRoot
  /** 0 for the commit of the root itself, 1 for its parent, and so on. */
  readonly generation: number
}

/** The objects that a prune has found, deleted and kept. */
export interface PruneResult {
  /** Number of objects examined. */
  readonly total: number
  /** The unreachable ones, in the order of deletion. They have been deleted, except in a dry run. */
  readonly unreachable: ObjectList
  /** Bytes that the unreachable objects take in the store. */
  readonly bytes: number
  readonly kept: readonly KeptCommit[]
}

/**
 * Deletes the objects of this repository that no root reaches; then static deltas to commits that do not exist, and
 * cached summaries of remotes that are not configured. Objects of parent repositories and detached metadata are not
 * counted.
 *
 * @example
 * const { unreachable, bytes } = await prune(repo, { refsOnly: true, depth: 0, dryRun: true })
 * console.log(unreachable.length, bytes)
 * @throws {ReadOnlyError} when the repository cannot be written, even if there is nothing to delete
 * @throws {RepoLockedError} when the repository stays locked
 * @throws {RefNotFoundError} when a branch named in the rules does not exist
 * @throws {ObjectNotFoundError} when a dirtree of a kept commit that is not partial is missing; nothing has been
 *   deleted
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

/** Finds the unreachable objects. */
async function plan(repo: Repo, options: PruneOptions): Promise<Plan> {
  const { commitOnly, signal } = options
  const roots = await listRoots(repo, options)
  const reached = new ReachableSet()
  for (const { commit, depth } of roots) await collectReachable(repo, commit, { depth, commitOnly, signal }, reached)
  const byType: (ObjectList | undefined)[] = []
  for (const type of DELETION_ORDER) byType[objectTypeNumber(type)] = ObjectList.empty()
  let total = 0
  const pauses = new Pauses(signal)
  for await (const names of listMany(repo.storage.objects, commitOnly ? 'commit' : undefined)) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
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
  for (const type of DELETION_ORDER) unreachable.pushAll(byType[objectTypeNumber(type)] as ObjectList)
  return { total, unreachable, roots }
}

/**
 * The types that are counted and deleted; an object is deleted after those that refer to it. The xattrs objects of
 * bare-split-xattrs repositories are not listed and so are kept, because no metadata tells which files use them.
 */
const DELETION_ORDER: readonly ObjectType[] = ['commit', 'dirtree', 'dirmeta', 'payload-link', 'file']
const PAYLOAD_LINK = objectTypeNumber('payload-link')

/** Returns the bytes that objects take in the store. */
async function sizeOf({ storage }: Repo, names: ObjectList): Promise<number> {
  let bytes = 0
  for (const name of names) bytes += await storage.objects.storageSize(name)
  return bytes
}

/** Deletes objects, one type after another; those of one type in threads, if the store has any. @returns bytes freed */
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
  const report = (done: number) => onProgress?.({ kind: 'step', label: 'prune', done, total })
  const pauses = new Pauses(signal)
  const oneByOne = async (from: number, to: number, left?: ReadonlySet<number>) => {
    for (let at = from; at < to; at++) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      if (left?.has(at) ?? true) await one(names.name(at))
      report(at + 1)
    }
  }
  let from = 0
  for (const type of DELETION_ORDER) {
    let to = from
    while (to < total && names.type(to) === type) to++
    // Not in threads: a commit also has detached metadata and a partial mark to delete, and may leave a tombstone.
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

/** Tells whether a payload link is kept: its file is reachable, and not smaller than `core.payload-link-threshold`. */
async function isNeededLink(repo: Repo, payload: Checksum, reached: ReachableSet): Promise<boolean> {
  const { objects } = repo.storage
  const threshold = Number(repo.config.get('core', 'payload-link-threshold') ?? Number.POSITIVE_INFINITY)
  const checksum = await objects.loose?.payloadTarget(payload)
  if (checksum === undefined || !reached.has({ checksum, type: 'file' })) return false
  return (await objects.storageSize({ checksum, type: 'file' })) >= threshold
}

/** Returns the commits that the roots keep. */
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
    requireAbsent(error)
    return undefined
  }
}

/** Returns the kept commits that reach an object. Empty if none does, so that the object is not kept. */
export async function whyKept(repo: Repo, { kept }: PruneResult, name: ObjectName): Promise<KeptCommit[]> {
  const reaching = await new ReachingCommits(
    repo,
    kept.map(({ commit }) => commit),
  ).find(name)
  return reaching.flatMap((commit) => kept.find((entry) => entry.commit === commit) ?? [])
}
