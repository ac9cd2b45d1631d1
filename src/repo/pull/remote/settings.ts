/**
 * Reads the configuration of a remote that pulling needs, with the keys in spec order:
 *
 * ```
 * url, metalink, contenturl       where its files are
 * branches                        refs to pull by default
 * collection-id                   collection of its refs
 * gpg-verify, sign-verify, …      signatures that are required (verify-commit.ts)
 * unconfigured-state, custom-backend       make a pull fail
 * ```
 *
 * Source: ostree-repo-pull.c, ostree_repo_pull_with_options.
 */

import { DeniedError, UnsupportedError } from '../../../errors.ts'
import { findRemote, type Remote } from '../../remotes/remotes.ts'
import type { Repo } from '../../repo.ts'

/** The configuration of a remote. */
export interface RemoteSettings {
  /** `undefined` for a URL that was given in place of a name. */
  readonly remote: Remote | undefined
  readonly url: string | undefined
  readonly metalink: string | undefined
  readonly contentUrl: string | undefined
  readonly branches: readonly string[] | undefined
  readonly collection: string | undefined
}

/**
 * Reads the configuration of a remote, or makes one for a `file://` URL, which requires no signatures.
 * @throws {NotFoundError} when there is no such remote
 * @throws {DeniedError} when its `unconfigured-state` is set
 * @throws {UnsupportedError} when another program fetches from it
 */
export async function remoteSettings(repo: Repo, name: string): Promise<RemoteSettings> {
  if (name.startsWith('file://')) {
    const none = undefined
    return { remote: none, url: name, metalink: none, contentUrl: none, branches: none, collection: none }
  }
  const remote = await findRemote(repo, name)
  const get = (key: string): string | undefined => remote.config.get(remote.group, key)
  const state = get('unconfigured-state')
  if (state !== undefined) throw new DeniedError(name, `remote unconfigured-state: ${state}`)
  const backend = get('custom-backend')
  if (backend !== undefined) {
    throw new UnsupportedError(
      'custom-backend',
      `Cannot fetch via libostree - remote '${name}' uses custom backend '${backend}'`,
    )
  }
  return {
    remote,
    url: get('url'),
    metalink: get('metalink'),
    contentUrl: get('contenturl'),
    branches: remote.config.getList(remote.group, 'branches', undefined),
    collection: get('collection-id') || undefined,
  }
}
