/**
 * Functions and types for other folders of the library, in addition to the public `index.ts`. No entry point of the
 * package exports these names, so they may change at any time.
 */

export { reportObjects } from './commit/directory.ts'
export { CommitModifier, parseSkipList, parseStatOverrides } from './commit/modifier.ts'
export { permissionsOf } from './commit/tar/acl.ts'
export { TarTreeBuilder } from './commit/tar/tar-tree-builder.ts'
export { xattrsFromPax } from './commit/tar/xattrs.ts'
export { ForwardingTransaction } from './core/forwarding-transaction.ts'
export { type DirTreeBytes, dirTreeEntries, readDirTreeChecksums } from './core/read-metadata.ts'
export { accessTo, createScratch, streamAccess } from './core/scratch.ts'
export { GPG_SIGNATURES_KEY, Signatures, signaturesKey, withSignatures } from './core/signatures.ts'
export { MAX_TREE_DEPTH } from './core/tree.ts'
export { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from './core/whiteouts.ts'
export { Pauses, yieldToEventLoop } from './core/yield-to-event-loop.ts'
export { deltaPath } from './deltas/names-and-index.ts'
export { formatFsckEvent, requireSound } from './fsck/fsck.ts'
export { formatDifference } from './inspect/diff.ts'
export { NodeTree } from './inspect/file-tree.ts'
export { formatLsLine, type LsLineOptions, listPath } from './inspect/list-path.ts'
export { formatLog, formatMetadataValue, formatObject } from './inspect/show.ts'
export { requireWritable } from './prune/delete.ts'
export { pullLocalByDeltas } from './pull/deltas-of-directory.ts'
export { ReachableSet, traverseTree } from './reach/traverse.ts'
export { readRef, validateNewRef } from './refs/refs.ts'
export { inTableOrder } from './refs/table-order.ts'
export { addCookie, type Cookie, type CookieKey, cookieJar, deleteCookie, parseCookies } from './remotes/cookies.ts'
export { deleteGpgSignatures, gpgSignCommit } from './remotes/gpg-signatures.ts'
export { checkRemoteFiles } from './remotes/remotes.ts'
export { allKeyRings, remoteKeyRings, systemPublicKeys } from './remotes/signature-keys.ts'
export { formatSignatures, requireGpgSignature } from './remotes/verify-commit.ts'
export { requireRepoFiles } from './repo.ts'
export { type BatchSender, type LaneTransaction, sendingTransaction } from './stores/lane-backend.ts'
export { BatchReader, type ObjectBatch } from './stores/object-batch.ts'
export {
  CollectionMap,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_COMMIT_TIMESTAMP_KEY,
  SUMMARY_EXPIRES_KEY,
  SUMMARY_FILE,
  SUMMARY_LAST_MODIFIED_KEY,
  SUMMARY_MODE_KEY,
  SUMMARY_SIGNATURES_FILE,
} from './summary/format.ts'
export { formatRawSummary, formatSummary, formatSummaryValue, summaryMetadataKeys } from './summary/view.ts'
