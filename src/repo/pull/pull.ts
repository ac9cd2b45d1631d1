/**
 * Pulls refs and commits from a remote, over a network (remote/remote-pull.ts) or from this machine (remote-local.ts).
 * Everything is verified before it is stored; refs are set last, and only on success.
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options.
 */

import { UnsupportedError, UsageError } from '../../errors.ts'
import { Fetcher } from '../fetch/fetcher.ts'
import { DEFAULT_LOW_SPEED } from '../fetch/speed-watch.ts'
import { userAgentOf } from '../fetch/user-agent.ts'
import { cookieJar, parseCookies } from '../remotes/cookies.ts'
import type { Repo } from '../repo.ts'
import type { PullOptions, PullResult, RemoteAccess } from './options.ts'
import { configuredNetwork } from './remote/network.ts'
import { RemotePull } from './remote/remote-pull.ts'
import { type RemoteSettings, remoteSettings } from './remote/settings.ts'
import { pullFromPath } from './remote-local.ts'

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
  { remote }: Pick<RemoteSettings, 'remote'>,
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
