/**
 * Pulls from a repository on this machine by its static deltas, as over a network: the files of deltas are read, and
 * objects that no delta brings are read one by one.
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options (require_static_deltas with a file:// URL).
 */

import { UnsupportedError, UsageError } from '../../errors.ts'
import { KeyFile } from '../../keyfile/index.ts'
import { findRemote, listRemotes, type Remote } from '../remotes/remotes.ts'
import type { Repo } from '../repo.ts'
import type { PullResult, RemoteAccess } from './options.ts'
import { openFetcher } from './pull.ts'
import type { PullLocalOptions } from './pull-local.ts'
import { RemotePull } from './remote/remote-pull.ts'

/**
 * Pulls commits by their static deltas.
 * @throws {UsageError} when the source has no list of deltas, or none to a wanted commit
 * @throws as `pull`
 */
export async function pullLocalByDeltas(
  from: Repo,
  into: Repo,
  options: PullLocalOptions & Pick<RemoteAccess, 'network' | 'files'>,
): Promise<PullResult> {
  const { directory } = from.storage
  if (directory === undefined) {
    throw new UnsupportedError('static deltas', 'Static deltas can be pulled only from a repository in a directory')
  }
  const { remote: name, gpgVerify = false, gpgVerifySummary = false } = options
  if ((gpgVerify || gpgVerifySummary) && name === undefined) {
    throw new UsageError('Must specify remote name to enable gpg verification')
  }
  const remote = name === undefined ? undefined : await remoteWith(into, name, gpgVerify, gpgVerifySummary)
  const refs = options.refs ?? (await from.listRefs()).map((ref) => ref.name)
  const url = `file://${encodeURI(directory.path).replace(/[?#]/g, encodeURIComponent)}`
  const none = undefined
  const settings = { remote, url, metalink: none, contentUrl: none, branches: none, collection: none }
  const fetcher = await openFetcher(into, { remote: none }, { ...options })
  try {
    const pulled = { ...options, refs, deltas: 'require', mirror: false } as const
    return await new RemotePull(into, name ?? url, settings, pulled, fetcher).run()
  } finally {
    fetcher.close()
  }
}

/** Returns a remote with the keys of the configured one, if there is one, that requires these signatures. */
async function remoteWith(repo: Repo, name: string, gpgVerify: boolean, gpgVerifySummary: boolean): Promise<Remote> {
  const known = (await listRemotes(repo)).includes(name) ? await findRemote(repo, name) : undefined
  const group = known?.group ?? `remote "${name}"`
  const config = KeyFile.parse(known?.config.toString() ?? '')
  config.set(group, 'gpg-verify', gpgVerify)
  config.set(group, 'gpg-verify-summary', gpgVerifySummary)
  config.set(group, 'sign-verify', false)
  config.set(group, 'sign-verify-summary', false)
  return { name, config, group, file: undefined }
}
