/**
 * Generates the summary. Source: ostree-repo.c, ostree_repo_regenerate_summary; ot-builtin-summary.c,
 * generate_collection_metadata.
 */

import { type Checksum, compareUtf8, type MaybePromise } from '../../bytes.ts'
import { IoError } from '../../errors.ts'
import {
  array,
  bool,
  lookup,
  string,
  u64be,
  type Vardict,
  type Variant,
  vardict,
  variantOf,
} from '../../gvariant/index.ts'
import { GHashOrder } from '../../gvariant/internal.ts'
import { Commit, DirMeta, S_IFDIR } from '../../objects/index.ts'
import type { Signer } from '../../sign/index.ts'
import { COLLECTION_BINDING_KEY, REF_BINDING_KEY } from '../commit/metadata.ts'
import { writeCommit } from '../commit/write-commit.ts'
import { dateOf } from '../core/calendar.ts'
import type { RepoMode } from '../core/interface.ts'
import { addSignatures } from '../core/signatures.ts'
import { MutableTree, writeTree } from '../core/tree.ts'
import { deltaDigests, reindexDeltas, STATIC_DELTAS_KEY } from '../deltas/names-and-index.ts'
import { listPlainRefs, readListedRef } from '../refs/refs.ts'
import { listCollectionRefs } from '../remotes/collection-refs.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'
import {
  CollectionMap,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_COMMIT_TIMESTAMP_KEY,
  SUMMARY_COMMIT_VERSION_KEY,
  SUMMARY_FILE,
  SUMMARY_INDEXED_DELTAS_KEY,
  SUMMARY_LAST_MODIFIED_KEY,
  SUMMARY_MODE_KEY,
  SUMMARY_SIGNATURES_FILE,
  SUMMARY_TOMBSTONE_COMMITS_KEY,
  Summary,
  type SummaryRef,
} from './format.ts'

/** The ref whose commit holds the metadata of a collection, so that it can be signed like any commit. */
export const COLLECTION_METADATA_REF = 'ostree-metadata'

/** Content of a summary besides refs and deltas. */
export interface UpdateSummaryOptions {
  /** Metadata to add. Keys that are written in any case replace keys of the same name. */
  readonly metadata?: Vardict | undefined
  /** Time to write as last modification, in seconds since the epoch. */
  readonly timestamp: bigint
  /** Sign with each of them, in this order. Nothing but indexes of deltas changes when one fails. */
  readonly signers?: readonly Signer[] | undefined
}

/**
 * Replaces the summary with one that lists the current refs and deltas, signs it or deletes the signatures of the old one,
 * and updates the delta indexes.
 * @throws {ObjectNotFoundError} when the commit of a ref is missing
 * @throws {RepoLockedError} when the repository stays locked
 * @throws {UnsupportedError} when the store keeps nothing but objects and refs
 */
export async function updateSummary(
  repo: Repo,
  { metadata = [], timestamp, signers = [] }: UpdateSummaryOptions,
): Promise<void> {
  const files = requireRepoFiles(repo, 'A summary')
  const lock = await repo.storage.lock('exclusive')
  try {
    // Refs are read first: if one of them cannot be, nothing changes.
    const refs = await collectRefs(repo)
    const digests = await deltasFor(repo)
    await reindexDeltas(repo)
    // Only servers read a store that is not a directory for ostree, and they publish it as an archive.
    const mode = repo.storage.directory === undefined ? 'archive' : repo.mode
    const summary = encode(repo, refs, { metadata, timestamp, digests, mode, indexed: true })
    const signatures = signers.length === 0 ? undefined : await addSignatures([], summary, signers)
    // Both files get one time, from which clients that cache by time see that they belong together.
    const modified = signatures === undefined ? undefined : Number(timestamp)
    await explained('Unable to rename summary file', 'renameat(summary, summary)', () =>
      files.write(SUMMARY_FILE, summary, { modified }),
    )
    if (signatures !== undefined) {
      await explained('Unable to rename summary signature file', 'renameat(summary.sig, summary.sig)', () =>
        files.write(SUMMARY_SIGNATURES_FILE, vardict.encode(signatures), { modified }),
      )
    } else {
      await explained('Unable to delete summary signature file', 'unlink(summary.sig)', () =>
        files.delete(SUMMARY_SIGNATURES_FILE),
      )
    }
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

/** How `encodeSummary` makes a summary. */
export interface EncodeSummaryOptions {
  /** The mode that the summary names. Default: that of the repository. */
  readonly mode?: RepoMode | undefined
}

/**
 * Returns a summary of the refs and deltas that a repository has now, without storing it. Its time is that of the newest
 * commit in it, so that it changes only when the refs do.
 * @throws {ObjectNotFoundError} when the commit of a ref is missing
 */
export async function encodeSummary(repo: Repo, { mode = repo.mode }: EncodeSummaryOptions = {}): Promise<Uint8Array> {
  const refs = await collectRefs(repo)
  let timestamp = 0n
  for (const { latest } of [refs.own, ...refs.others.values()].flat()) {
    const time = lookup(latest.metadata, SUMMARY_COMMIT_TIMESTAMP_KEY, u64be) ?? 0n
    if (time > timestamp) timestamp = time
  }
  const digests = await deltasFor(repo)
  const indexed = repo.config.getBoolean('core', 'indexed-deltas', false)
  return encode(repo, refs, { metadata: [], timestamp, digests, mode, indexed })
}

/** Returns the checksums of the superblocks that a summary lists. */
async function deltasFor(repo: Repo): Promise<Vardict> {
  return repo.config.getBoolean('core', 'no-deltas-in-summary', false) ? [] : deltaDigests(repo)
}

interface SummaryContent {
  readonly metadata: Vardict
  readonly timestamp: bigint
  readonly digests: Vardict
  readonly mode: RepoMode
  readonly indexed: boolean
}

function encode(
  { settings }: Repo,
  { own, others }: CollectedRefs,
  { metadata, timestamp, digests, mode, indexed }: SummaryContent,
): Uint8Array {
  // The order of insertion affects the bytes of the file: it decides the order of keys that collide in the hash table.
  const table = new GHashOrder<Variant>(metadata)
  if (digests.length > 0) table.set(STATIC_DELTAS_KEY, variantOf(vardict, digests))
  table.set(SUMMARY_LAST_MODIFIED_KEY, variantOf(u64be, timestamp))
  table.set(SUMMARY_MODE_KEY, variantOf(string, mode === 'archive' ? 'archive-z2' : mode))
  table.set(SUMMARY_TOMBSTONE_COMMITS_KEY, variantOf(bool, settings.tombstoneCommits))
  if (indexed) table.set(SUMMARY_INDEXED_DELTAS_KEY, variantOf(bool, true))
  const { collectionId } = settings
  if (collectionId !== undefined) table.set(SUMMARY_COLLECTION_KEY, variantOf(string, collectionId))
  if (others.size > 0) table.set(SUMMARY_COLLECTION_MAP_KEY, variantOf(CollectionMap, [...others]))
  return Summary.encode({ refs: own, metadata: [...table] })
}

/** Replaces the text of a failed rename or removal by that of ostree since 2023.1, which has a second colon. */
async function explained(what: string, call: string, work: () => MaybePromise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof IoError) || !/^(renameat|unlinkat)\(/.test(error.message)) throw error
    const reason = error.message.slice(error.message.lastIndexOf(': ') + 2)
    throw new IoError(`${what}: : ${call}: ${reason}`, error.data.errno, error.data.path, { cause: error })
  }
}

/** The refs of a summary. */
interface CollectedRefs {
  /** The refs of the repository's own collection; its local refs if it has no collection ID. */
  readonly own: SummaryRef[]
  /** The refs of other collections, by collection ID. */
  readonly others: Map<string, SummaryRef[]>
}

async function collectRefs(repo: Repo): Promise<CollectedRefs> {
  const collectionId = repo.settings.collectionId
  await listPlainRefs(repo.refs)
  const others = new Map<string, SummaryRef[]>()
  for (const { collection, name, path } of await listCollectionRefs(repo)) {
    const commit = await readListedRef(repo.refs, path, name)
    if (commit === undefined) continue // deleted since it was listed
    const entry = await summaryRef(repo, name, commit)
    const found = others.get(collection)
    if (found === undefined) others.set(collection, [entry])
    else found.push(entry)
  }
  if (collectionId === undefined) return { own: await headRefs(repo), others }
  const own = others.get(collectionId) ?? []
  others.delete(collectionId)
  return { own, others }
}

async function headRefs(repo: Repo): Promise<SummaryRef[]> {
  const refs: SummaryRef[] = []
  for (const path of await repo.refs.list('heads')) {
    const commit = await readListedRef(repo.refs, path, path)
    if (commit !== undefined) refs.push(await summaryRef(repo, path.slice('heads/'.length), commit))
  }
  return refs.sort((a, b) => compareUtf8(a.name, b.name))
}

async function summaryRef(repo: Repo, name: string, commit: Checksum): Promise<SummaryRef> {
  const bytes = await repo.objects.readMeta('commit', commit)
  const { timestamp, metadata } = Commit.decode(bytes)
  const table = new GHashOrder<Variant>()
  if (dateOf(timestamp) !== undefined) table.set(SUMMARY_COMMIT_TIMESTAMP_KEY, variantOf(u64be, timestamp))
  const version = lookup(metadata, 'version', string)
  if (version !== undefined) table.set(SUMMARY_COMMIT_VERSION_KEY, variantOf(string, version))
  return { name, latest: { size: BigInt(bytes.length), commit, metadata: [...table] } }
}

/**
 * Commits the additional metadata of a summary to the ref `ostree-metadata`, for clients that pull single refs of a
 * collection and do not read the summary. The commit's tree is empty.
 * @returns the commit; `undefined` when the repository has no collection ID, so that nothing is written
 */
export async function commitCollectionMetadata(
  repo: Repo,
  { metadata = [], timestamp, signers = [] }: UpdateSummaryOptions,
): Promise<Checksum | undefined> {
  const collection = repo.settings.collectionId
  if (collection === undefined) return undefined
  const parent = await repo.tryResolve(COLLECTION_METADATA_REF)
  const table = new GHashOrder<Variant>(metadata)
  table.set(COLLECTION_BINDING_KEY, variantOf(string, collection))
  table.set(REF_BINDING_KEY, variantOf(array(string), [COLLECTION_METADATA_REF]))
  return repo.transaction(async (tx) => {
    const tree = new MutableTree()
    tree.setMeta(await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] })))
    const root = await writeTree(tx, tree)
    const commit = await writeCommit(tx, { root, parent, timestamp, metadata: [...table] })
    if (signers.length > 0) {
      const before = await repo.readDetachedMetadata(commit)
      const signed = await addSignatures(before, await tx.readMeta('commit', commit), signers)
      await tx.writeAttached('commitmeta', commit, vardict.encode(signed))
    }
    tx.setRef(`heads/${COLLECTION_METADATA_REF}`, { commit })
    return commit
  })
}
