/**
 * Resolves the refs requested from a local pull to commits, and decides which refs they become. If the source has a
 * summary, only the refs in it can be pulled, as over a network; otherwise its local refs.
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options (requested_refs_to_fetch);
 * lookup_commit_checksum_and_collection_from_summary.
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
  CollectionMap,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_FILE,
  Summary,
  type SummaryRef,
} from '../summary/format.ts'

/** A ref of a collection. The target stores it as a mirrored ref, or as a local one if it has that collection ID. */
export interface WantedCollectionRef extends CollectionRef {
  readonly collection: string
  /** The commit to pull instead of the ref's current one. */
  readonly commit?: Checksum | undefined
}

/** The refs and commits to pull. */
export interface WantedRefs {
  /** Names of refs and checksums of commits. Default: all refs of the source, or none if `collectionRefs` is given. */
  readonly refs?: readonly string[] | undefined
  readonly collectionRefs?: readonly WantedCollectionRef[] | undefined
  /** Commits to pull in place of those that some of `refs` point to now, by the name of the ref. */
  readonly overrides?: ReadonlyMap<string, Checksum> | undefined
  /** The remote whose refs `refs` become in the target. Default: local refs. */
  readonly remote?: string | undefined
}

/** A commit to pull. */
export interface WantedCommit {
  readonly commit: Checksum
  /** The ref the commit must be bound to; `undefined` for a commit requested by its checksum. */
  readonly name: string | undefined
  /**
   * Returns the path of the ref to set in the target.
   * @throws {InvalidNameError} when the remote's name is not valid
   */
  path(into: Repo): RefPath | undefined
}

/** What a pull knows beyond the requested refs. */
export interface WantedRules {
  /** Reads the summary of the source and verifies it, before refs are looked up. Default: it is read unverified. */
  readonly summary?: (() => Promise<Uint8Array | undefined>) | undefined
  /** Whether refs without a collection become mirrored refs of the collection that the summary tells. Default false. */
  readonly mirror?: boolean | undefined
}

/**
 * Resolves the requested refs.
 * @returns commits requested by checksum, then refs, each in ostree's order
 * @throws {InvalidNameError} when a name is malformed
 * @throws {RefNotFoundError} when the source does not have a ref
 * @throws {FormatError} when its summary is malformed
 */
export async function resolveWanted(
  from: Repo,
  options: WantedRefs,
  { summary = async () => from.storage.files?.read(SUMMARY_FILE), mirror = false }: WantedRules = {},
): Promise<WantedCommit[]> {
  const { refs, collectionRefs, overrides = new Map<string, Checksum>(), remote } = options
  const all = async () => inTableOrder((await from.listRefs()).map(({ name }) => name))
  const names = new Set(refs ?? (collectionRefs === undefined ? await all() : []))
  for (const name of names) if (!isChecksum(name)) validateRefName(name)
  for (const { collection, name } of collectionRefs ?? []) {
    validateCollectionId(collection)
    validateRefName(name)
  }
  const unresolved =
    [...names].some((name) => !isChecksum(name) && !overrides.has(name)) ||
    collectionRefs?.some(({ commit }) => !commit)
  const find = unresolved ? finderIn(await summary(), from) : undefined
  const byName = [...names].filter((name) => !isChecksum(name)).map((name) => ({ collection: undefined, name }))
  const found: FoundRef[] = []
  for (const ref of inRefTableOrder<CollectionRef | WantedCollectionRef>([...byName, ...(collectionRefs ?? [])])) {
    const { collection, name } = ref
    const given = 'commit' in ref ? ref.commit : collection === undefined ? overrides.get(name) : undefined
    // A finder throws if it does not find the ref.
    if (given !== undefined) found.push({ collection, name, commit: given })
    else {
      const own = mirror ? (collection ?? find?.collection) : collection
      found.push({ collection: own, name, commit: (await find?.find(ref)) as Checksum })
    }
  }
  const commits = inTableOrder([...names].filter(isChecksum))
  return [
    ...commits.map((commit) => ({ commit, name: undefined, path: () => undefined })),
    // Sorted again, because ostree copies the results to a second hash table.
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

/** Looks refs up. */
interface Finder {
  /** The collection of refs that are requested without one, if the summary tells it. */
  readonly collection: string | undefined
  /** Returns the commit of a ref. @throws {RefNotFoundError} when the source does not have it */
  find(ref: CollectionRef): Promise<Checksum>
}

/** Looks refs up in the repository. */
function repoFinder(from: Repo): Finder {
  return {
    collection: undefined,
    async find({ collection, name }) {
      if (collection === undefined) return resolveRev(from, name, { localOnly: true })
      const commit = await findCollectionRef(from, collection, name)
      if (commit === undefined) throw new RefNotFoundError(name, `Collection–ref (${collection}, ${name}) not found`)
      return commit
    },
  }
}

/** Looks refs up in the summary, or in the repository if it has none. */
function finderIn(bytes: Uint8Array | undefined, from: Repo): Finder {
  if (bytes === undefined) return repoFinder(from)
  if (!isNormal(Summary.type, bytes)) throw new FormatError(SUMMARY_FILE, 'Not normal form')
  const { refs, metadata } = Summary.decode(bytes)
  const own = lookup(metadata, SUMMARY_COLLECTION_KEY, string)
  const others = new Map<string, readonly SummaryRef[]>(
    lookup(metadata, SUMMARY_COLLECTION_MAP_KEY, CollectionMap) ?? [],
  )
  return {
    collection: own || undefined,
    async find({ collection, name }) {
      const among = collection === undefined || collection === own ? refs : others.get(collection)
      const found = among?.find((ref) => ref.name === name)
      if (found !== undefined) return found.latest.commit
      const shown = collection === undefined ? `'${name}'` : `(${collection}, ${name})`
      throw new RefNotFoundError(name, `No such branch ${shown} in repository summary`)
    },
  }
}
