/**
 * Pulls from a remote that is a repository on this machine. Its objects are trusted, unless the caller wants them
 * verified; signatures, bindings and timestamps are checked as for a remote over the network.
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options (remote_repo_local).
 */

import type { Checksum } from '../../bytes.ts'
import { UnsupportedError, UsageError } from '../../errors.ts'
import { requireSignatures, type SignaturePolicy, signaturePolicy } from '../remotes/verify-commit.ts'
import type { Repo } from '../repo.ts'
import { SUMMARY_FILE, SUMMARY_SIGNATURES_FILE, Summary } from '../summary/format.ts'
import type { PullOptions, PullResult } from './options.ts'
import { type LocalPullRules, pullBetween } from './pull-local.ts'
import type { WantedCollectionRef } from './refs.ts'
import { parseRequested, SummaryRefs } from './remote/refs.ts'
import type { RemoteSettings } from './remote/settings.ts'
import { decodeSignatures, requireVerification, unsigned } from './remote/summary.ts'
import { TimestampRules } from './timestamps.ts'

/** Opens the repository of a `file:` URL and pulls from it. @throws as `pull` */
export async function pullFromPath(
  repo: Repo,
  name: string,
  settings: RemoteSettings,
  url: string,
  options: PullOptions,
): Promise<PullResult> {
  const { openRepo } = options
  if (openRepo === undefined) {
    throw new UnsupportedError('file', `${url} cannot be opened here: pass the option openRepo`)
  }
  const from = await openRepo(decodeURIComponent(new URL(url).pathname))
  try {
    return await new PathPull(repo, name, settings, from, options).run()
  } finally {
    await from.close()
  }
}

/** `undefined` for a file that does not exist. */
interface SummaryFiles {
  readonly bytes: Uint8Array | undefined
  readonly signatures: Uint8Array | undefined
}

class PathPull {
  readonly #repo: Repo
  readonly #name: string
  readonly #settings: RemoteSettings
  readonly #from: Repo
  readonly #options: PullOptions
  #read: Promise<SummaryFiles> | undefined

  constructor(repo: Repo, name: string, settings: RemoteSettings, from: Repo, options: PullOptions) {
    this.#repo = repo
    this.#name = name
    this.#settings = settings
    this.#from = from
    this.#options = options
  }

  async run(): Promise<PullResult> {
    const { mirror = false, untrusted = false } = this.#options
    const { remote, branches } = this.#settings
    const requested = parseRequested(this.#name, this.#options, branches)
    const overrides = new Map<string, Checksum>()
    const names: string[] = [...requested.commits]
    const collectionRefs: WantedCollectionRef[] = []
    for (const { collection, name, commit } of requested.all ? await this.#all() : requested.refs) {
      if (collection !== undefined) collectionRefs.push({ collection, name, commit })
      else {
        names.push(name)
        if (commit !== undefined) overrides.set(name, commit)
      }
    }
    const result = await pullBetween(
      this.#from,
      this.#repo,
      {
        ...this.#options,
        refs: names,
        collectionRefs,
        overrides,
        remote: mirror ? undefined : remote?.name,
        trusted: !untrusted,
      },
      this.#rules(),
    )
    if (requested.all) await this.#keepSummary()
    const { metadata, content, contentBytes, attachedBytes } = result
    return {
      refs: [],
      metadata,
      content,
      importedMetadata: 0,
      importedContent: 0,
      deltaParts: 0,
      deltaContentBytes: 0,
      transferred: attachedBytes,
      seconds: 0,
      contentBytes,
      isLocal: true,
    }
  }

  /** Reads the summary and its signatures, once: what is verified is what is used and kept. */
  #summary(): Promise<SummaryFiles> {
    this.#read ??= (async () => {
      const { files } = this.#from.storage
      return { bytes: await files?.read(SUMMARY_FILE), signatures: await files?.read(SUMMARY_SIGNATURES_FILE) }
    })()
    return this.#read
  }

  /** Returns all refs in the summary of the source. */
  async #all(): Promise<{ collection: string | undefined; name: string; commit: Checksum }[]> {
    const bytes = await this.#rules().summary()
    if (bytes === undefined) {
      throw new UsageError(
        'Fetching all refs was requested in mirror mode, but remote repository does not have a summary',
      )
    }
    return new SummaryRefs(Summary.decode(bytes)).all().flatMap(({ ref, commit }) => (ref ? [{ ...ref, commit }] : []))
  }

  #rules(): LocalPullRules {
    const { timestampCheck = false, timestampCheckFrom, verification } = this.#options
    const { remote } = this.#settings
    const policyOf = (of: 'commit' | 'summary'): SignaturePolicy =>
      remote === undefined ? { gpg: false, sign: undefined } : signaturePolicy(remote, of)
    const verify = async (
      { gpg, sign }: SignaturePolicy,
      bytes: Uint8Array,
      attached: Uint8Array | undefined,
      what: string,
    ): Promise<void> => {
      if (remote === undefined || (!gpg && sign === undefined)) return
      const signed = { bytes, metadata: attached && decodeSignatures(attached), what }
      await requireSignatures(this.#repo, remote, { gpg, sign }, signed, requireVerification(verification))
    }
    return {
      timestamps: new TimestampRules(this.#repo, timestampCheck, timestampCheckFrom),
      verifyCommit: (commit, bytes, attached) => verify(policyOf('commit'), bytes, attached, `Commit ${commit}`),
      mirror: this.#options.mirror ?? false,
      summary: async () => {
        const policy = policyOf('summary')
        const { bytes, signatures } = await this.#summary()
        if (!policy.gpg && policy.sign === undefined) return bytes
        if (bytes === undefined) throw unsigned(SUMMARY_FILE, policy.gpg)
        if (signatures === undefined) throw unsigned(SUMMARY_SIGNATURES_FILE, policy.gpg)
        await verify(policy, bytes, signatures, 'summary')
        return bytes
      },
    }
  }

  /** Keeps the summary of a mirrored repository, so that the mirror serves the same one. */
  async #keepSummary(): Promise<void> {
    const { bytes: summary, signatures } = await this.#summary()
    for (const [name, bytes] of [
      [SUMMARY_FILE, summary],
      [SUMMARY_SIGNATURES_FILE, signatures],
    ] as const) {
      if (bytes === undefined) await this.#repo.storage.files?.delete(name)
      else await this.#repo.storage.files?.write(name, bytes)
    }
  }
}
