/** Options and results of pulling from a remote. */

import type { Checksum } from '../../bytes.ts'
import type { LocalFiles, Network } from '../../platform/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { BeginOptions } from '../core/interface.ts'
import type { SummaryCache } from '../core/summary-cache.ts'
import type { Verification } from '../remotes/signature-keys.ts'
import type { Repo } from '../repo.ts'
import type { WantedCollectionRef } from './refs.ts'

/** What a dry run of deltas finds. */
export interface DeltaSizes {
  readonly parts: number
  /** Bytes of the parts and of the files that are fetched one by one. */
  readonly size: bigint
  /** Bytes of their objects. */
  readonly unpacked: bigint
}

/** How a remote is reached. */
export interface RemoteAccess {
  /** Needed for `http` and `https`: `webNetwork`, or `nodeNetwork()` for certificates and proxies. */
  readonly network?: Network | undefined
  /** Reads files of `file:` URLs, such as a mirror list. Absent in runtimes without files. */
  readonly files?: LocalFiles | undefined
  /** Opens the repository of a `file:` URL. Absent in runtimes without files. The caller of it closes the repository. */
  readonly openRepo?: ((path: string) => Promise<Repo>) | undefined
  /** Use this URL instead of the configured one. */
  readonly url?: string | undefined
  /** Headers of every request. They follow no redirect to another origin. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined
  /** Text after `libostree/VERSION` in the header `User-Agent`. */
  readonly userAgent?: string | undefined
  /** Further attempts after a failed request. Default 5. */
  readonly retries?: number | undefined
  /** Whether all failures but `not found` are worth another attempt. Default true. */
  readonly retryAll?: boolean | undefined
  /** Ends transfers that are slower for so long. Default 1000 bytes a second for 30 seconds. */
  readonly lowSpeed?: { readonly bytes?: number | undefined; readonly seconds?: number | undefined } | undefined
  /** Requests at the same time. Default 8. */
  readonly concurrency?: number | undefined
  /** Keeps signed summaries between pulls. Default: that of the repository. */
  readonly summaryCache?: SummaryCache | undefined
  /** Needed when the remote requires signatures. */
  readonly verification?: Verification | undefined
}

/** Options of `pull`. */
export interface PullOptions extends RemoteAccess, BeginOptions, Pick<ProgressOptions, 'signal' | 'onProgress'> {
  /**
   * What to pull, each `REF`, `REF@COMMIT` or `COMMIT`. Default: the branches that are configured for the remote, or all
   * refs with `mirror`, unless `collectionRefs` is given.
   */
  readonly refs?: readonly string[] | undefined
  readonly collectionRefs?: readonly WantedCollectionRef[] | undefined
  /** Write the refs as local or mirrored ones, not as those of the remote. */
  readonly mirror?: boolean | undefined
  /** Generations of parents to pull: 0 none (default), -1 all. A parent that the remote does not have is skipped. */
  readonly depth?: number | undefined
  /** Pull commit objects only, and mark them as partial. */
  readonly commitOnly?: boolean | undefined
  /** Directories and files to pull, each beginning with a slash; the commits are marked as partial. Default: all. */
  readonly subpaths?: readonly string[] | undefined
  /** Verify that a commit with ref bindings is bound to the requested ref. Default true. */
  readonly verifyBindings?: boolean | undefined
  /** Refuse files whose mode a bare-user-only repository cannot store: setuid, setgid, sticky, or world-writable. */
  readonly bareUserOnlyFiles?: boolean | undefined
  /** Verify all objects of a repository on this machine. Those of a server are verified in any case, see `httpTrusted`. */
  readonly untrusted?: boolean | undefined
  /**
   * Do not verify the checksums of files that a server sends. As in ostree, this has an effect only for a mirror in mode
   * `archive` without `bareUserOnlyFiles`; metadata is always verified. `fsck` finds corrupted files later.
   */
  readonly httpTrusted?: boolean | undefined
  /**
   * How static deltas are used: where the remote has them (default), never, or always: then a commit without a delta is an
   * error. An archive repository and `commitOnly` never use them.
   */
  readonly deltas?: 'use' | 'never' | 'require' | undefined
  /** Only find out what deltas would fetch; nothing is stored. Needs `deltas: 'require'`. */
  readonly dryRun?: boolean | undefined
  /** Repositories on this machine to take objects from that the target lacks. */
  readonly localCaches?: readonly Repo[] | undefined
  /** Refuse a commit that is older than the one that the ref points to now. */
  readonly timestampCheck?: boolean | undefined
  /** Refuse a commit that is older than this one. */
  readonly timestampCheckFrom?: Checksum | undefined
}

/** Counts of what a pull has done. */
export interface PullResult {
  /** The commits of the requested refs, by ref as requested; of collection refs as `(COLLECTION, REF)`. */
  readonly refs: readonly (readonly [ref: string, commit: Checksum])[]
  /** Metadata objects that were fetched. */
  readonly metadata: number
  /** File objects that were fetched. */
  readonly content: number
  /** Metadata objects that were imported from repositories on this machine. */
  readonly importedMetadata: number
  /** File objects that were imported from repositories on this machine. */
  readonly importedContent: number
  /** Parts of static deltas that were fetched. */
  readonly deltaParts: number
  /** What the deltas have, with `dryRun`. */
  readonly delta?: DeltaSizes | undefined
  /** Bytes of content written by static deltas. */
  readonly deltaContentBytes: number
  /** Bytes of bodies received. */
  readonly transferred: number
  /** Seconds that the pull took. */
  readonly seconds: number
  /** Bytes of content written, except by static deltas. */
  readonly contentBytes: number
  /** Whether the remote is a repository on this machine. */
  readonly isLocal: boolean
}
