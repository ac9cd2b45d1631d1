/**
 * Fetches the summary of a remote without pulling anything.
 *
 * Source: ostree-repo.c, ostree_repo_remote_fetch_summary_with_options.
 */

import { DeniedError } from '../../errors.ts'
import { findRemote } from '../remotes/remotes.ts'
import { signaturePolicy } from '../remotes/verify-commit.ts'
import type { Repo } from '../repo.ts'
import type { PullOptions, RemoteAccess } from './options.ts'
import { openFetcher } from './pull.ts'
import { remoteBases } from './remote/bases.ts'
import { type FetchedSummary, fetchSummary } from './remote/summary.ts'

/**
 * Fetches the summary of a configured remote, verifies the signatures that the remote requires of it, and keeps a signed
 * one in the cache.
 * @returns `undefined` when the remote has none and no signature is required
 * @throws {NotFoundError} when there is no such remote
 * @throws {UsageError} when the remote has no URL
 * @throws {FetchError} when the server does not answer
 * @throws {DeniedError} when a required signature is missing or not good
 * @throws {FormatError} when the summary is malformed
 */
export async function fetchRemoteSummary(
  repo: Repo,
  name: string,
  access: RemoteAccess & Pick<PullOptions, 'signal'>,
): Promise<FetchedSummary | undefined> {
  const remote = await findRemote(repo, name)
  const { config, group } = remote
  const fetcher = await openFetcher(repo, { remote }, access)
  try {
    const places = { url: config.get(group, 'url'), metalink: config.get(group, 'metalink') }
    const { bases, metalinked } = await remoteBases(fetcher, repo.platform, name, places, access.url)
    return await fetchSummary({
      repo,
      fetcher,
      bases,
      remote,
      policy: signaturePolicy(remote, 'summary'),
      verification: access.verification,
      cache: access.summaryCache,
      known: metalinked,
      unsigned: refusal,
    })
  } finally {
    fetcher.close()
  }
}

/** Returns the error for a missing file. ostree words it otherwise than in a pull. */
function refusal(file: string, gpg: boolean): DeniedError {
  const kind = gpg ? 'GPG' : 'Signature'
  const key = gpg ? 'gpg-verify-summary' : 'sign-verify-summary'
  const reason =
    file === 'summary'
      ? 'no summary found (check that the configured URL in remote config is correct)'
      : `no summary signatures found (use ${key}=false in remote config to disable)`
  return new DeniedError(file, `${kind} verification enabled, but ${reason}`)
}
