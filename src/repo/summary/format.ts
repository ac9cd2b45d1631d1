/**
 * The format of the file `summary`, from which clients learn the refs of a repository: `(a(s(taya{sv}))a{sv})`
 *
 *     refs        sorted by name: name, size of the commit object, checksum of the commit, metadata
 *     metadata    in the order of GLib's hash table; the keys are listed below
 *
 * Source: ostree-core.h, OSTREE_SUMMARY_GVARIANT_STRING; ostree-repo-private.h.
 */

import { NotFoundError } from '../../errors.ts'
import { array, dict, string, struct, u64, type Value, vardict } from '../../gvariant/index.ts'
import { checksum } from '../../objects/internal.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'

/** Path of the summary in the repository. */
export const SUMMARY_FILE = 'summary'
/** File with the signatures of the current summary. */
export const SUMMARY_SIGNATURES_FILE = 'summary.sig'

/** Keys of the metadata, with the type and meaning of each value. */
export const SUMMARY_LAST_MODIFIED_KEY = 'ostree.summary.last-modified' // t, seconds since the epoch, big-endian
export const SUMMARY_EXPIRES_KEY = 'ostree.summary.expires' // t, seconds since the epoch, big-endian
export const SUMMARY_MODE_KEY = 'ostree.summary.mode' // s, as in the configuration
export const SUMMARY_TOMBSTONE_COMMITS_KEY = 'ostree.summary.tombstone-commits' // b
export const SUMMARY_INDEXED_DELTAS_KEY = 'ostree.summary.indexed-deltas' // b
export const SUMMARY_COLLECTION_KEY = 'ostree.summary.collection-id' // s, collection of the refs in the member `refs`
export const SUMMARY_COLLECTION_MAP_KEY = 'ostree.summary.collection-map' // a{sa(s(taya{sv}))}, refs of other collections
/** Keys of the metadata of a ref. */
export const SUMMARY_COMMIT_TIMESTAMP_KEY = 'ostree.commit.timestamp' // t, seconds since the epoch, big-endian
export const SUMMARY_COMMIT_VERSION_KEY = 'ostree.commit.version' // s

/** Codec of a ref in a summary: its name, the commit it points to, and metadata of that commit. */
export const SummaryRef = struct({
  name: string,
  latest: struct({
    /**
     * Size of the commit object in bytes. ostree writes it in the byte order of its machine; little-endian is assumed.
     */
    size: u64,
    commit: checksum,
    metadata: vardict,
  }),
})
/** A ref in a summary: its name, the commit it points to, and metadata of that commit. */
export type SummaryRef = Value<typeof SummaryRef>

export const SummaryRefs = array(SummaryRef)
/** Refs by collection ID. */
export const CollectionMap = dict(string, SummaryRefs)

/** The content of the file `summary`. */
export const Summary = struct({ refs: SummaryRefs, metadata: vardict })
export type Summary = Value<typeof Summary>

/**
 * Reads the bytes of the summary file.
 * @throws {NotFoundError} `openat(summary): No such file or directory` when there is none
 * @throws {UnsupportedError} when the store keeps nothing but objects and refs
 */
export async function readSummary(repo: Repo): Promise<Uint8Array> {
  const bytes = await requireRepoFiles(repo, 'A summary').read(SUMMARY_FILE)
  if (bytes === undefined) throw new NotFoundError(SUMMARY_FILE, `openat(${SUMMARY_FILE}): No such file or directory`)
  return bytes
}
