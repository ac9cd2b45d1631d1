/**
 * Which commits a pull from a repository on the same machine is asked for, and which refs they become. The source is
 * asked for local refs, unless it has a summary: that then says alone what there is, as it does over a network.
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options (requested_refs_to_fetch); lookup_commit_checksum_and_collection_from_summary.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, RefNotFoundError } from '../../errors.ts'
import { isNormal, lookup, string } from '../../gvariant/index.ts'
import { isChecksum, validateCollectionId } from '../../objects/index.ts'
import type { RefPath } from '../core/interface.ts'
import { type CollectionRef, findCollectionRef } from '../fsck/bindings.ts'
import { collectionRefPath, formatRefspec, refPath, validateRefName } from '../refs/refs.ts'
import { resolveRev } from '../refs/resolve.ts'
import { inRefTableOrder, inTableOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import {
  COLLECTION_MAP,
  CollectionMap,
  SUMMARY,
  SUMMARY_COLLECTION,
  Summary,
  type SummaryRef,
} from '../summary/format.ts'

/** A ref of a collection, kept here as a mirror of it. */
export interface WantedCollectionRef extends CollectionRef {
  readonly collection: string
  /** In place of what the source says it is. */
  readonly commit?: Checksum | undefined
}

export interface WantedRefs {
  /** Names of refs, and checksums of commits. Default: all refs of the source, unless there are `collectionRefs`. */
  readonly refs?: readonly string[] | undefined
  readonly collectionRefs?: readonly WantedCollectionRef[] | undefined
  /** `refs` are set as those of this remote. Default: as local ones. */
  readonly remote?: string | undefined
}

export interface WantedCommit {
  readonly commit: Checksum
  /** What the commit has to be bound to; none for a bare checksum. */
  readonly name: string | undefined
  /** Where the ref is kept. @throws {InvalidNameError} for a remote that cannot be one */
  path(into: Repo): RefPath | undefined
}

/**
 * @param verifySummary asked before names are looked up
 * @returns in the order ostree comes by them: commits asked for as such, then refs
 * @throws {InvalidNameError}; {RefNotFoundError} for what the source does not have; {FormatError} for its summary
 */
export async function resolveWanted(
  from: Repo,
  options: WantedRefs,
  verifySummary?: () => Promise<void>,
): Promise<WantedCommit[]> {
  const { refs, collectionRefs, remote } = options
  const all = async () => inTableOrder((await from.listRefs()).map(({ name }) => name))
  const names = new Set(refs ?? (collectionRefs === undefined ? await all() : []))
  for (const name of names) if (!isChecksum(name)) validateRefName(name)
  for (const { collection, name } of collectionRefs ?? []) {
    validateCollectionId(collection)
    validateRefName(name)
  }
  const unresolved = [...names].some((name) => !isChecksum(name)) || collectionRefs?.some(({ commit }) => !commit)
  if (unresolved) await verifySummary?.()
  const find = unresolved ? ((await summaryFinder(from)) ?? repoFinder(from)) : undefined
  const byName = [...names].filter((name) => !isChecksum(name)).map((name) => ({ collection: undefined, name }))
  const found: FoundRef[] = []
  for (const ref of inRefTableOrder<CollectionRef | WantedCollectionRef>([...byName, ...(collectionRefs ?? [])])) {
    const { collection, name } = ref
    const given = 'commit' in ref ? ref.commit : undefined
    found.push({ collection, name, commit: given ?? ((await find?.(ref)) as Checksum) }) // a finder throws for what it lacks
  }
  const commits = inTableOrder([...names].filter(isChecksum))
  return [
    ...commits.map((commit) => ({ commit, name: undefined, path: () => undefined })),
    // As ostree, which puts what it found into another table.
    ...inRefTableOrder(found).map(({ collection, name, commit }) => ({
      commit,
      name,
      path: (into: Repo) =>
        collection === undefined
          ? refPath(formatRefspec({ remote, name }))
          : collectionRefPath(collection, name, into.settings.collectionId),
    })),
  ]
}

interface FoundRef extends CollectionRef {
  readonly commit: Checksum
}

type Finder = (ref: CollectionRef) => Promise<Checksum>

function repoFinder(from: Repo): Finder {
  return async ({ collection, name }) => {
    if (collection === undefined) return resolveRev(from, name, { localOnly: true })
    const commit = await findCollectionRef(from, collection, name)
    if (commit === undefined) throw new RefNotFoundError(name, `Collection–ref (${collection}, ${name}) not found`)
    return commit
  }
}

/** @returns `undefined` when the source has no summary */
async function summaryFinder(from: Repo): Promise<Finder | undefined> {
  const bytes = await from.storage.files?.read(SUMMARY)
  if (bytes === undefined) return undefined
  if (!isNormal(Summary.type, bytes)) throw new FormatError(SUMMARY, 'Not normal form')
  const { refs, metadata } = Summary.decode(bytes)
  const own = lookup(metadata, SUMMARY_COLLECTION, string)
  const others = new Map<string, readonly SummaryRef[]>(lookup(metadata, COLLECTION_MAP, CollectionMap) ?? [])
  return async ({ collection, name }) => {
    const among = collection === undefined || collection === own ? refs : others.get(collection)
    const found = among?.find((ref) => ref.name === name)
    if (found !== undefined) return found.latest.commit
    const shown = collection === undefined ? `'${name}'` : `(${collection}, ${name})`
    throw new RefNotFoundError(name, `No such branch ${shown} in repository summary`)
  }
}
