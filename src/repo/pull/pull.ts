/**
 * Pulls refs and commits from a remote. Everything is verified before it is stored; refs are set last, and only on
 * success.
 *
 * ```
 * settings ─▶ bases ─▶ summary.sig, summary ─▶ config ─▶ refs ─▶ commits, trees, files ─▶ refs of the target
 * ```
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options.
 */

import { UnsupportedError, UsageError } from '../../errors.ts'
import { vardict } from '../../gvariant/index.ts'
import type { Transaction } from '../core/interface.ts'
import { type FetchBase, parseBase } from '../fetch/base.ts'
import { DEFAULT_CONCURRENCY, Fetcher } from '../fetch/fetcher.ts'
import { basesOf } from '../fetch/mirrors.ts'
import { DEFAULT_LOW_SPEED } from '../fetch/speed-watch.ts'
import { userAgentOf } from '../fetch/user-agent.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import { cookieJar, parseCookies } from '../remotes/cookies.ts'
import { requireSignatures, type SignaturePolicy, signaturePolicy } from '../remotes/verify-commit.ts'
import type { Repo } from '../repo.ts'
import {
  SUMMARY_FILE,
  SUMMARY_MODE_KEY,
  SUMMARY_SIGNATURES_FILE,
  SUMMARY_TOMBSTONE_COMMITS_KEY,
  Summary,
} from '../summary/format.ts'
import type { PullOptions, PullResult, RemoteAccess } from './options.ts'
import { fetchRemoteConfig, type RemoteConfig } from './remote-config.ts'
import { pullFromPath } from './remote-local.ts'
import { configuredNetwork } from './remote-network.ts'
import { RemoteObjects } from './remote-objects.ts'
import { parseRequested, resolveRequested, SummaryRefs, targetPath, type WantedRemoteCommit } from './remote-refs.ts'
import { type RemoteSettings, remoteSettings } from './remote-settings.ts'
import { type FetchedSummary, fetchSummary, requireVerification } from './remote-summary.ts'
import { RemoteWalk } from './remote-walk.ts'
import { Subpaths } from './subpaths.ts'
import { TimestampRules } from './timestamps.ts'

const NO_SIGNATURES: SignaturePolicy = { gpg: false, sign: undefined }

/**
 * Pulls from a remote.
 * @param remote name of a configured remote, or a `file://` URL
 *
 * @example
 * await pull(repo, 'origin', { refs: ['main'], network: webNetwork })
 * @throws {UsageError} when the options contradict each other, or something they need is missing
 * @throws {NotFoundError} when there is no such remote, or nothing is requested and nothing configured
 * @throws {InvalidNameError} or {RefNotFoundError} when a requested ref is malformed or does not exist
 * @throws {FetchError} when the server does not answer, or does not have a file
 * @throws {DeniedError} when a required signature is missing or not good, or a commit is too old
 * @throws {ChecksumMismatchError}, {FormatError}, {CompressionError} or {LimitError} when the server sends something else
 */
export async function pull(repo: Repo, remote: string, options: PullOptions = {}): Promise<PullResult> {
  const { depth = 0 } = options
  if (depth < -1) throw new UsageError(`Invalid depth ${depth}`, '--depth')
  const settings = await remoteSettings(repo, remote)
  const url = options.url ?? settings.url
  if (url?.startsWith('file:')) return pullFromPath(repo, remote, settings, url, options)
  const fetcher = await openFetcher(repo, settings, options)
  try {
    return await new RemotePull(repo, remote, settings, options, fetcher).run()
  } finally {
    fetcher.close()
  }
}

/** Creates the fetcher for a remote, with its cookies. */
export async function openFetcher(
  repo: Repo,
  { remote }: RemoteSettings,
  options: RemoteAccess & Pick<PullOptions, 'signal'>,
): Promise<Fetcher> {
  const { network, files, signal, headers, userAgent, retries, retryAll, lowSpeed, concurrency } = options
  if (network === undefined) {
    throw new UnsupportedError('network', 'Remotes cannot be reached without a network: pass the option network')
  }
  const configured = remote === undefined ? network : configuredNetwork(network, remote)
  const jar = remote && (await repo.storage.files?.read(cookieJar(remote.name)))
  return new Fetcher({
    network: configured,
    files,
    signal,
    headers,
    retries,
    retryAll,
    concurrency,
    userAgent: userAgentOf(userAgent),
    lowSpeed: {
      bytes: lowSpeed?.bytes ?? DEFAULT_LOW_SPEED.bytes,
      seconds: lowSpeed?.seconds ?? DEFAULT_LOW_SPEED.seconds,
    },
    cookies: jar && parseCookies(new TextDecoder().decode(jar)),
  })
}

/** One pull over the network. */
class RemotePull {
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

  async run(): Promise<PullResult> {
    const { network } = this.#options
    const start = network?.clock.now() ?? 0
    const bases = await this.#bases()
    const requested = parseRequested(this.#name, this.#options, this.#settings.branches)
    const needsSummary = requested.all || requested.refs.some(({ commit }) => commit === undefined)
    const summary = needsSummary ? await this.#summary(bases) : undefined
    const decoded = summary && Summary.decode(summary.bytes)
    const config =
      decoded === undefined || !tellsMode(decoded) ? undefined : await fetchRemoteConfig(this.#fetcher, bases)
    const place = { fetcher: this.#fetcher, bases }
    const wanted = await resolveRequested(requested, decoded && new SummaryRefs(decoded), place)
    const tx = await this.#repo.begin({ fsync: this.#options.fsync, perObjectFsync: this.#options.perObjectFsync })
    try {
      const counts = await this.#walk(tx, wanted, bases, config)
      await this.#setRefs(tx, wanted)
      const { contentBytesWritten } = await tx.commit()
      if (requested.all && summary !== undefined) await this.#keepSummary(summary)
      return {
        refs: wanted.flatMap(({ ref, commit }) => (ref === undefined ? [] : [[formatRef(ref), commit] as const])),
        ...counts,
        deltaParts: 0,
        transferred: this.#fetcher.bytes,
        seconds: Math.floor(((network?.clock.now() ?? 0) - start) / 1000),
        contentBytes: contentBytesWritten,
        isLocal: false,
      }
    } finally {
      await tx[Symbol.asyncDispose]()
    }
  }

  async #bases(): Promise<FetchBase[]> {
    const { url } = this.#options
    if (url !== undefined) return [parseBase(url)]
    const own = this.#settings.url
    if (own === undefined) throw new UsageError(`No "url" option in remote "${this.#name}"`)
    return basesOf(this.#fetcher, own)
  }

  #policy(of: 'commit' | 'summary'): SignaturePolicy {
    const { remote } = this.#settings
    return remote === undefined ? NO_SIGNATURES : signaturePolicy(remote, of)
  }

  #summary(bases: readonly FetchBase[]): Promise<FetchedSummary | undefined> {
    return fetchSummary({
      repo: this.#repo,
      fetcher: this.#fetcher,
      bases,
      remote: this.#settings.remote,
      policy: this.#policy('summary'),
      verification: this.#options.verification,
      cache: this.#options.summaryCache,
    })
  }

  async #walk(
    tx: Transaction,
    wanted: readonly WantedRemoteCommit[],
    bases: readonly FetchBase[],
    config: RemoteConfig | undefined,
  ): Promise<Pick<PullResult, 'metadata' | 'content' | 'importedMetadata' | 'importedContent'>> {
    const repo = this.#repo
    const options = this.#options
    const { contentUrl, collection, remote } = this.#settings
    const objects = new RemoteObjects({
      repo,
      tx,
      fetcher: this.#fetcher,
      bases,
      contentBases: contentUrl === undefined ? bases : await basesOf(this.#fetcher, contentUrl),
      localCaches: options.localCaches ?? [],
      bareUserOnly: options.bareUserOnlyFiles ?? false,
    })
    const policy = this.#policy('commit')
    const subpaths = new Subpaths(options.subpaths)
    const { commitOnly = false, concurrency = DEFAULT_CONCURRENCY } = options
    const walk: RemoteWalk = new RemoteWalk(repo, tx, objects, {
      depth: options.depth ?? 0,
      commitOnly,
      subpaths,
      verifyBindings: options.verifyBindings ?? true,
      collection,
      timestamps: new TimestampRules(repo, options.timestampCheck ?? false, options.timestampCheckFrom),
      tombstones: config?.tombstones ?? false,
      concurrency,
      signal: options.signal,
      async verifyCommit(commit, bytes, attached) {
        if (remote === undefined || (!policy.gpg && policy.sign === undefined)) return
        const metadata = attached && vardict.decode(attached)
        const signed = { bytes, metadata, what: `Commit ${commit}` }
        await requireSignatures(repo, remote, policy, signed, requireVerification(options.verification))
      },
      onProgress: () => {
        const { metadata, content } = objects.counts
        options.onProgress?.({
          kind: 'pull',
          metadata,
          content,
          requested: walk.state.requested,
          outstanding: this.#fetcher.outstanding,
          scanning: walk.state.scanning,
          received: this.#fetcher.bytes,
        })
      },
    })
    await walk.run(wanted)
    if (subpaths.all && !commitOnly) for (const commit of walk.commits) tx.setCommitState(commit, 'complete')
    return objects.counts
  }

  async #setRefs(tx: Transaction, wanted: readonly WantedRemoteCommit[]): Promise<void> {
    const { mirror = false } = this.#options
    const { remote } = this.#settings
    for (const { ref, commit } of wanted) {
      if (ref === undefined) continue
      const path = targetPath(ref, remote?.name, mirror, this.#repo.settings.collectionId)
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

/** Whether a summary tells the mode of the repository. ostree fetches the configuration of exactly those that do. */
function tellsMode({ metadata }: Summary): boolean {
  const has = (key: string): boolean => metadata.some(([name]) => name === key)
  return has(SUMMARY_MODE_KEY) && has(SUMMARY_TOMBSTONE_COMMITS_KEY)
}

function formatRef({ collection, name }: { readonly collection: string | undefined; readonly name: string }): string {
  return collection === undefined ? name : `(${collection}, ${name})`
}
