/**
 * One pull over a network.
 *
 * ```
 * bases ─▶ summary.sig, summary ─▶ config ─▶ refs ─▶ deltas ─▶ commits, trees, files ─▶ refs of the target
 * ```
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options.
 */

import type { Checksum } from '../../../bytes.ts'
import { UnsupportedError, UsageError } from '../../../errors.ts'
import { bool, lookup, vardict } from '../../../gvariant/index.ts'
import type { Transaction } from '../../core/interface.ts'
import type { FetchBase } from '../../fetch/base.ts'
import { DEFAULT_CONCURRENCY, type Fetcher } from '../../fetch/fetcher.ts'
import { basesOf } from '../../fetch/mirrors.ts'
import { readRef, refspecOf } from '../../refs/refs.ts'
import { requireSignatures, type SignaturePolicy, signaturePolicy } from '../../remotes/verify-commit.ts'
import type { Repo } from '../../repo.ts'
import {
  SUMMARY_FILE,
  SUMMARY_INDEXED_DELTAS_KEY,
  SUMMARY_MODE_KEY,
  SUMMARY_SIGNATURES_FILE,
  SUMMARY_TOMBSTONE_COMMITS_KEY,
  Summary,
} from '../../summary/format.ts'
import type { PullOptions, PullResult } from '../options.ts'
import { Subpaths } from '../subpaths.ts'
import { TimestampRules } from '../timestamps.ts'
import { remoteBases } from './bases.ts'
import { fetchRemoteConfig, type RemoteConfig } from './config.ts'
import { readDeltaList } from './delta-choice.ts'
import { type CommitByDelta, RemoteDeltas, sizesOf } from './deltas.ts'
import { RemoteObjects } from './objects.ts'
import { parseRequested, resolveRequested, SummaryRefs, targetPath, type WantedRemoteCommit } from './refs.ts'
import type { RemoteSettings } from './settings.ts'
import { type FetchedSummary, fetchSummary, requireVerification } from './summary.ts'
import { RemoteWalk } from './walk.ts'

const NO_SIGNATURES: SignaturePolicy = { gpg: false, sign: undefined }

/** What is known of the remote before objects are fetched. */
interface Known {
  readonly bases: readonly FetchBase[]
  readonly config: RemoteConfig | undefined
  readonly summary: Summary | undefined
  /** Whether static deltas are used. */
  readonly deltas: boolean
}

export class RemotePull {
  readonly #repo: Repo
  readonly #name: string
  readonly #settings: RemoteSettings
  readonly #options: PullOptions
  readonly #fetcher: Fetcher

  constructor(repo: Repo, name: string, settings: RemoteSettings, options: PullOptions, fetcher: Fetcher) {
    this.#repo = repo
    this.#name = name
    this.#settings = settings
    this.#options = options
    this.#fetcher = fetcher
  }

  /** Pulls. @throws as `pull` */
  async run(): Promise<PullResult> {
    const { network } = this.#options
    const start = network?.clock.now() ?? 0
    const deltas = this.#usesDeltas()
    const requested = parseRequested(this.#name, this.#options, this.#settings.branches)
    const { bases, metalinked } = await remoteBases(
      this.#fetcher,
      this.#repo.platform,
      this.#name,
      this.#settings,
      this.#options.url,
    )
    let needsSummary = requested.all || requested.refs.some(({ commit }) => commit === undefined)
    let config: RemoteConfig | undefined
    if (!needsSummary && deltas) {
      config = await fetchRemoteConfig(this.#fetcher, bases)
      needsSummary = !config.indexedDeltas
    }
    const fetched = needsSummary ? await this.#summary(bases, metalinked) : undefined
    const summary = fetched && Summary.decode(fetched.bytes)
    if (summary !== undefined && tellsMode(summary)) config ??= await fetchRemoteConfig(this.#fetcher, bases)
    const place = { fetcher: this.#fetcher, bases }
    const wanted = await resolveRequested(requested, summary && new SummaryRefs(summary), place)
    const tx = await this.#repo.begin({ fsync: this.#options.fsync, perObjectFsync: this.#options.perObjectFsync })
    try {
      const counts = await this.#fetchAll(tx, wanted, { bases, config, summary, deltas })
      const ended = (contentBytes: number): PullResult => ({
        refs: wanted.flatMap(({ ref, commit }) => (ref === undefined ? [] : [[formatRef(ref), commit] as const])),
        ...counts,
        transferred: this.#fetcher.bytes,
        seconds: Math.floor(((network?.clock.now() ?? 0) - start) / 1000),
        contentBytes: contentBytes - counts.deltaContentBytes,
        isLocal: false,
      })
      if (this.#options.dryRun) return ended(counts.deltaContentBytes)
      await this.#setRefs(tx, wanted)
      const { contentBytesWritten } = await tx.commit()
      if (requested.all && fetched !== undefined) await this.#keepSummary(fetched)
      return ended(contentBytesWritten)
    } catch (error) {
      await keepObjects(tx)
      throw error
    } finally {
      await tx[Symbol.asyncDispose]()
    }
  }

  #usesDeltas(): boolean {
    const { deltas = 'use', commitOnly = false, dryRun = false } = this.#options
    if (dryRun && deltas !== 'require') throw new UsageError('--dry-run requires --require-static-deltas', '--dry-run')
    if (deltas === 'require' && this.#repo.mode === 'archive') {
      throw new UsageError("Can't use static deltas in an archive repo", '--require-static-deltas')
    }
    return deltas !== 'never' && this.#repo.mode !== 'archive' && !commitOnly
  }

  /** As in ostree, files are trusted only where an archive would store them as they arrive. */
  #trustsFiles(): boolean {
    const { httpTrusted, mirror, bareUserOnlyFiles } = this.#options
    return httpTrusted === true && mirror === true && bareUserOnlyFiles !== true && this.#repo.mode === 'archive'
  }

  #policy(of: 'commit' | 'summary'): SignaturePolicy {
    const { remote } = this.#settings
    return remote === undefined ? NO_SIGNATURES : signaturePolicy(remote, of)
  }

  #summary(bases: readonly FetchBase[], metalinked: Uint8Array | undefined): Promise<FetchedSummary | undefined> {
    return fetchSummary({
      repo: this.#repo,
      fetcher: this.#fetcher,
      bases,
      remote: this.#settings.remote,
      policy: this.#policy('summary'),
      verification: this.#options.verification,
      cache: this.#options.summaryCache,
      known: metalinked,
    })
  }

  async #verifyCommit(commit: Checksum, bytes: Uint8Array, attached: Uint8Array | undefined): Promise<void> {
    const { remote } = this.#settings
    const policy = this.#policy('commit')
    if (remote === undefined || (!policy.gpg && policy.sign === undefined)) return
    const metadata = attached && vardict.decode(attached)
    const signed = { bytes, metadata, what: `Commit ${commit}` }
    await requireSignatures(this.#repo, remote, policy, signed, requireVerification(this.#options.verification))
  }

  async #fetchAll(
    tx: Transaction,
    wanted: readonly WantedRemoteCommit[],
    known: Known,
  ): Promise<
    Pick<
      PullResult,
      'metadata' | 'content' | 'importedMetadata' | 'importedContent' | 'deltaParts' | 'deltaContentBytes' | 'delta'
    >
  > {
    const repo = this.#repo
    const options = this.#options
    const { bases, config } = known
    const { contentUrl, collection } = this.#settings
    const contentBases = contentUrl === undefined ? bases : await basesOf(this.#fetcher, contentUrl)
    const objects = new RemoteObjects({
      repo,
      tx,
      fetcher: this.#fetcher,
      bases,
      contentBases,
      localCaches: options.localCaches ?? [],
      bareUserOnly: options.bareUserOnlyFiles ?? false,
      trusted: this.#trustsFiles(),
    })
    const subpaths = new Subpaths(options.subpaths)
    const { commitOnly = false, concurrency = DEFAULT_CONCURRENCY } = options
    const verifyCommit = (commit: Checksum, bytes: Uint8Array, attached: Uint8Array | undefined): Promise<void> =>
      this.#verifyCommit(commit, bytes, attached)
    const report = (state: { readonly requested: number; readonly scanning: number }): void => {
      const { metadata, content } = objects.counts
      options.onProgress?.({
        kind: 'pull',
        metadata: metadata + (deltas?.counts.metadata ?? 0),
        content,
        deltaParts: deltas?.counts.parts ?? 0,
        totalDeltaParts: deltas?.counts.totalParts ?? 0,
        outstanding: this.#fetcher.outstanding,
        received: this.#fetcher.bytes,
        ...state,
      })
    }
    const deltas = known.deltas
      ? this.#deltas(known, contentBases, { verifyCommit, onProgress: () => report({ requested: 0, scanning: 0 }) })
      : undefined
    const byDelta: CommitByDelta[] = []
    let deltaContentBytes = 0
    for (const each of deltas === undefined ? [] : wanted) {
      const found = await deltas?.begin(each, tx)
      if (found !== undefined) byDelta.push(found)
    }
    const delta = options.dryRun ? sizesOf(byDelta) : undefined
    if (!options.dryRun) {
      for (const each of byDelta) await deltas?.apply(each, tx)
      deltaContentBytes = tx.stats.contentBytesWritten
      const walk: RemoteWalk = new RemoteWalk(repo, tx, objects, {
        depth: options.depth ?? 0,
        commitOnly,
        subpaths,
        verifyBindings: options.verifyBindings ?? true,
        collection,
        timestamps: new TimestampRules(repo, options.timestampCheck ?? false, options.timestampCheckFrom),
        tombstones: config?.tombstones ?? false,
        byDelta: new Set(byDelta.map(({ wanted: { commit } }) => commit)),
        concurrency,
        signal: options.signal,
        verifyCommit,
        onProgress: () => report(walk.state),
      })
      await walk.run(wanted)
      if (subpaths.all && !commitOnly) for (const commit of walk.commits) tx.setCommitState(commit, 'complete')
    }
    const { counts } = objects
    return {
      ...counts,
      metadata: counts.metadata + (deltas?.counts.metadata ?? 0),
      deltaParts: deltas?.counts.parts ?? 0,
      deltaContentBytes,
      ...(delta !== undefined && { delta }),
    }
  }

  #deltas(
    { config, summary }: Known,
    bases: readonly FetchBase[],
    calls: Pick<ConstructorParameters<typeof RemoteDeltas>[0], 'verifyCommit' | 'onProgress'>,
  ): RemoteDeltas {
    const repo = this.#repo
    const { deltas, signal, mirror = false, verification } = this.#options
    const { remote } = this.#settings
    const metadata = summary?.metadata ?? []
    const indexed = config?.indexedDeltas === true || lookup(metadata, SUMMARY_INDEXED_DELTAS_KEY, bool) === true
    return new RemoteDeltas({
      repo,
      fetcher: this.#fetcher,
      bases,
      indexed,
      listed: readDeltaList(metadata),
      required: deltas === 'require',
      signal,
      current: async ({ ref, mirrored = ref }) =>
        mirrored && readRef(repo.refs, targetPath(mirrored, remote?.name, mirror, repo.settings.collectionId)),
      verifySuperblock: async ({ signatures, signedBytes, to }) => {
        if (remote === undefined || !this.#requiresSignedDeltas()) return
        const { sign } = this.#policy('commit')
        if (sign === undefined) {
          throw new UnsupportedError('sign-verify-deltas', 'sign-verify-deltas requires sign-verify to be set')
        }
        const signed = { bytes: signedBytes, metadata: signatures, what: `static delta of ${to}` }
        await requireSignatures(repo, remote, { gpg: false, sign }, signed, requireVerification(verification))
      },
      ...calls,
    })
  }

  #requiresSignedDeltas(): boolean {
    const { remote } = this.#settings
    const own = remote?.config.getBoolean(remote.group, 'sign-verify-deltas', false) ?? false
    return own || this.#repo.config.getBoolean('core', 'sign-verify-deltas', false)
  }

  async #setRefs(tx: Transaction, wanted: readonly WantedRemoteCommit[]): Promise<void> {
    const { mirror = false } = this.#options
    const { remote } = this.#settings
    for (const { ref, mirrored = ref, commit } of wanted) {
      if (mirrored === undefined) continue
      const path = targetPath(mirrored, remote?.name, mirror, this.#repo.settings.collectionId)
      // As in ostree, the ref is not set if its name resolves to the commit already, be it as a ref of a remote.
      const refspec = refspecOf(path)
      const known = refspec === undefined ? await readRef(this.#repo.refs, path) : await this.#repo.tryResolve(refspec)
      if (known !== commit) tx.setRef(path, { commit })
    }
  }

  /** Keeps the summary of a mirrored remote, so that the mirror serves the same one. */
  async #keepSummary({ bytes, signatures }: FetchedSummary): Promise<void> {
    const { files } = this.#repo.storage
    await files?.write(SUMMARY_FILE, bytes)
    if (signatures === undefined) await files?.delete(SUMMARY_SIGNATURES_FILE)
    else await files?.write(SUMMARY_SIGNATURES_FILE, signatures)
  }
}

/**
 * Keeps the objects of a pull that failed, so that the next one need not fetch them again. All of them have been verified;
 * commits are marked as partial.
 */
async function keepObjects(tx: Transaction): Promise<void> {
  if (tx.stats.contentWritten + tx.stats.metadataWritten === 0) return
  try {
    await tx.checkpoint()
  } catch {
    // The first error is reported. The transaction has ended, and nothing of it is visible.
  }
}

/** Whether a summary tells the mode of the repository. ostree fetches the configuration of exactly those that do. */
function tellsMode({ metadata }: Summary): boolean {
  const has = (key: string): boolean => metadata.some(([name]) => name === key)
  return has(SUMMARY_MODE_KEY) && has(SUMMARY_TOMBSTONE_COMMITS_KEY)
}

function formatRef({ collection, name }: { readonly collection: string | undefined; readonly name: string }): string {
  return collection === undefined ? name : `(${collection}, ${name})`
}
