/** Fetches the configuration of a remote repository. Source: ostree-repo-pull.c, load_remote_repo_config. */

import { decodeUtf8 } from '../../../bytes.ts'
import { FormatError, UnsupportedError } from '../../../errors.ts'
import { KeyFile } from '../../../keyfile/index.ts'
import type { FetchBase } from '../../fetch/base.ts'
import type { Fetcher } from '../../fetch/fetcher.ts'
import { MAX_TEXT } from '../../fetch/mirrors.ts'

/** What a pull needs of the configuration of the remote repository. */
export interface RemoteConfig {
  /** Whether it keeps tombstones of deleted commits. */
  readonly tombstones: boolean
  /** Whether its static deltas are listed in index files. */
  readonly indexedDeltas: boolean
}

/**
 * Fetches the configuration.
 * @throws {FetchError} when the remote has none
 * @throws {UnsupportedError} `Can't pull from archives with mode …` when it is not an archive
 */
export async function fetchRemoteConfig(fetcher: Fetcher, bases: readonly FetchBase[]): Promise<RemoteConfig> {
  const text = decodeUtf8(await fetcher.read({ bases, path: 'config', limit: MAX_TEXT }))
  if (text === undefined) throw new FormatError('config', 'config: Invalid UTF-8')
  const config = KeyFile.parse(text, 'config')
  const mode = config.get('core', 'mode') ?? 'bare'
  if (mode !== 'archive' && mode !== 'archive-z2') {
    throw new UnsupportedError(mode, `Can't pull from archives with mode "${mode}"`)
  }
  return {
    tombstones: config.getBoolean('core', 'tombstone-commits', false),
    indexedDeltas: config.getBoolean('core', 'indexed-deltas', false),
  }
}
