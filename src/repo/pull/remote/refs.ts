/**
 * Decides which refs and commits of a remote to pull, resolves them, and decides which refs they become in the target.
 *
 * ```
 * requested            commit                                     ref in the target
 * REF                  from the summary, or the file of the ref    REMOTE:REF; with `mirror` REF
 * REF@COMMIT           COMMIT                                      the same
 * COMMIT               COMMIT                                      none
 * (COLLECTION, REF)    from the summary, or the file of the ref    mirrored ref, or local if the target has the collection
 * ```
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options, fetch_ref_contents,
 * lookup_commit_checksum_and_collection_from_summary.
 */

import { type Checksum, decodeUtf8 } from '../../../bytes.ts'
import { FormatError, InvalidNameError, NotFoundError, RefNotFoundError, UsageError } from '../../../errors.ts'
import { lookup, string } from '../../../gvariant/index.ts'
import { isChecksum, parseChecksum, validateCollectionId } from '../../../objects/index.ts'
import type { RefPath } from '../../core/interface.ts'
import type { FetchBase } from '../../fetch/base.ts'
import type { Fetcher } from '../../fetch/fetcher.ts'
import { MAX_TEXT } from '../../fetch/mirrors.ts'
import type { CollectionRef } from '../../fsck/bindings.ts'
import { collectionRefPath, formatRefspec, refPath, validateRefName } from '../../refs/refs.ts'
import { inRefTableOrder, inTableOrder } from '../../refs/table-order.ts'
import {
  CollectionMap,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  type Summary,
  type SummaryRef,
} from '../../summary/format.ts'
import type { PullOptions } from '../options.ts'
import type { WantedCollectionRef } from '../refs.ts'

/** A requested ref, with the commit if that was given. */
interface RequestedRef extends CollectionRef {
  readonly commit: Checksum | undefined
}

/** What is requested. */
export interface Requested {
  readonly commits: readonly Checksum[]
  readonly refs: readonly RequestedRef[]
  /** All refs of the remote are requested. */
  readonly all: boolean
}

/** A commit to pull. */
export interface WantedRemoteCommit {
  readonly commit: Checksum
  /** The ref it was requested by. */
  readonly ref: CollectionRef | undefined
  /** The ref that a mirror has it by, if that is another one: the summary tells the collection. */
  readonly mirrored?: CollectionRef | undefined
  /** Size of the commit object in bytes, if the summary tells it. */
  readonly size?: number | undefined
}

/**
 * Parses what the caller requests.
 * @param branches refs that are configured for the remote
 * @throws {InvalidNameError} when a name is malformed
 * @throws {NotFoundError} when nothing is requested and nothing is configured
 */
export function parseRequested(
  remote: string,
  options: PullOptions,
  branches: readonly string[] | undefined,
): Requested {
  const { refs, collectionRefs, mirror = false } = options
  const names = refs ?? (collectionRefs === undefined ? branches : [])
  if (names === undefined) {
    if (mirror) return { commits: [], refs: [], all: true }
    throw new NotFoundError(remote, `No configured branches for remote ${remote}`)
  }
  const commits: Checksum[] = []
  const found: RequestedRef[] = []
  for (const name of names) {
    if (isChecksum(name)) {
      commits.push(name)
      continue
    }
    const at = name.lastIndexOf('@')
    const ref = at < 0 ? name : name.slice(0, at)
    validateRefName(ref)
    found.push({ collection: undefined, name: ref, commit: at < 0 ? undefined : parseChecksum(name.slice(at + 1)) })
  }
  for (const { collection, name, commit } of collectionRefs ?? ([] as readonly WantedCollectionRef[])) {
    validateCollectionId(collection)
    validateRefName(name)
    found.push({ collection, name, commit })
  }
  return { commits: inTableOrder(commits), refs: inRefTableOrder(found), all: false }
}

/** The refs in a summary. */
export class SummaryRefs {
  readonly collection: string | undefined
  readonly #own: ReadonlyMap<string, SummaryRef>
  readonly #others: ReadonlyMap<string, ReadonlyMap<string, SummaryRef>>

  /** @throws {InvalidNameError} when a ref or collection in it has an invalid name */
  constructor({ refs, metadata }: Summary) {
    this.collection = lookup(metadata, SUMMARY_COLLECTION_KEY, string)
    if (this.collection !== undefined) validateCollectionId(this.collection)
    this.#own = byName(refs)
    const map = lookup(metadata, SUMMARY_COLLECTION_MAP_KEY, CollectionMap) ?? []
    for (const [collection] of map) validateCollectionId(collection)
    this.#others = new Map(map.map(([collection, list]) => [collection, byName(list)]))
  }

  /** Finds a ref. @throws {RefNotFoundError} when the summary does not have it */
  find({ collection, name }: CollectionRef): SummaryRef {
    const isOwn = collection === undefined || collection === this.collection
    const found = (isOwn ? this.#own : this.#others.get(collection))?.get(name)
    if (found !== undefined) return found
    const shown = collection === undefined ? `'${name}'` : `(${collection}, ${name})`
    throw new RefNotFoundError(name, `No such branch ${shown} in repository summary`)
  }

  /** Returns all refs, with their collections. */
  all(): WantedRemoteCommit[] {
    const own = [...this.#own.values()].map((ref) => wantedOf(this.collection, ref))
    const others = [...this.#others].flatMap(([collection, refs]) =>
      [...refs.values()].map((ref) => wantedOf(collection, ref)),
    )
    return [...own, ...others]
  }
}

function wantedOf(collection: string | undefined, { name, latest }: SummaryRef): WantedRemoteCommit {
  return { commit: latest.commit, ref: { collection, name }, size: Number(latest.size) }
}

function byName(refs: readonly SummaryRef[]): Map<string, SummaryRef> {
  for (const { name, latest } of refs) {
    validateRefName(name)
    if (!isChecksum(latest.commit)) {
      const length = (latest.commit as string).length / 2
      throw new FormatError('summary', `Invalid checksum of length ${length} expected 32`)
    }
  }
  return new Map(refs.map((ref) => [ref.name, ref]))
}

/**
 * Resolves what is requested.
 * @param summary `undefined` when the remote has none
 * @throws {RefNotFoundError} or {FetchError} when the remote does not have a ref
 */
export async function resolveRequested(
  { commits, refs, all }: Requested,
  summary: SummaryRefs | undefined,
  { fetcher, bases }: { readonly fetcher: Fetcher; readonly bases: readonly FetchBase[] },
): Promise<WantedRemoteCommit[]> {
  if (all) {
    if (summary !== undefined) return summary.all()
    throw new UsageError(
      'Fetching all refs was requested in mirror mode, but remote repository does not have a summary',
    )
  }
  const wanted: WantedRemoteCommit[] = commits.map((commit) => ({ commit, ref: undefined }))
  for (const { collection, name, commit } of refs) {
    const ref = { collection, name }
    if (commit !== undefined) wanted.push({ commit, ref })
    else if (summary !== undefined) {
      const mirrored = { collection: collection ?? summary.collection, name }
      wanted.push({ ...wantedOf(collection, summary.find(ref)), ref, mirrored })
    } else wanted.push({ commit: await fetchRef(ref, fetcher, bases), ref })
  }
  return wanted
}

async function fetchRef(
  { collection, name }: CollectionRef,
  fetcher: Fetcher,
  bases: readonly FetchBase[],
): Promise<Checksum> {
  const path = collection === undefined ? `refs/heads/${name}` : `refs/mirrors/${collection}/${name}`
  const bytes = await fetcher.read({ bases, path, limit: MAX_TEXT })
  const text = decodeUtf8(bytes)?.trim() ?? ''
  if (!isChecksum(text))
    throw new InvalidNameError(text.slice(0, 64), `Fetching ${name}: Invalid rev ${text.slice(0, 64)}`)
  return text
}

/**
 * Returns the path of the ref to set in the target.
 * @param own collection of the target
 */
export function targetPath(
  { collection, name }: CollectionRef,
  remote: string | undefined,
  mirror: boolean,
  own: string | undefined,
): RefPath {
  if (!mirror) return refPath(formatRefspec({ remote, name }))
  return collection === undefined ? refPath(name) : collectionRefPath(collection, name, own)
}
