/** Finds out where the files of a remote are. Source: ostree-repo-pull.c, ostree_repo_pull_with_options. */

import { UsageError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import { type FetchBase, parseBase } from '../../fetch/base.ts'
import type { Fetcher } from '../../fetch/fetcher.ts'
import { fetchByMetalink } from '../../fetch/metalink.ts'
import { basesOf } from '../../fetch/mirrors.ts'
import { SUMMARY_FILE } from '../../summary/format.ts'
import type { RemoteSettings } from './settings.ts'

/** Where the files of a remote are. */
export interface RemoteBases {
  /** Tried in order. */
  readonly bases: readonly FetchBase[]
  /** The bytes of the summary, if a metalink led to it. */
  readonly metalinked: Uint8Array | undefined
}

/**
 * Resolves the URL, mirror list or metalink of a remote.
 * @param url used in place of the configured one
 * @throws {UsageError} when the remote has none
 * @throws {FetchError} or {FormatError} when no mirror answers
 */
export async function remoteBases(
  fetcher: Fetcher,
  platform: Platform,
  name: string,
  { url: own, metalink }: Pick<RemoteSettings, 'url' | 'metalink'>,
  url?: string,
): Promise<RemoteBases> {
  if (url !== undefined) return { bases: [parseBase(url)], metalinked: undefined }
  if (metalink !== undefined) {
    const { bytes, base } = await fetchByMetalink(fetcher, platform, metalink, SUMMARY_FILE)
    return { bases: [base], metalinked: bytes }
  }
  if (own === undefined) throw new UsageError(`No "url" option in remote "${name}"`)
  return { bases: await basesOf(fetcher, own), metalinked: undefined }
}
