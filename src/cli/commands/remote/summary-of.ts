/** What `ostree remote refs` and `ostree remote summary` show: the summary of a remote, as far as it can be had. */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UnsupportedError, UsageError } from '../../../errors.ts'
import { findRemote, type Repo, remoteUrl, SUMMARY } from '../../../repo/index.ts'
import { readBytes } from '../../values.ts'

const VERIFIED = ['gpg-verify-summary', 'sign-verify-summary']

/**
 * @returns `undefined` when the remote has none
 * @throws {UnsupportedError} for remotes that are not local, and those whose summary must be signed
 */
export async function summaryOf(repo: Repo, name: string): Promise<Uint8Array | undefined> {
  const { config, group } = await findRemote(repo, name)
  for (const key of VERIFIED) {
    if (!['false', '0'].includes(config.get(group, key) ?? 'false')) {
      throw new UnsupportedError(key, `Verifying the summary of remote "${name}" (${key}) is not supported`)
    }
  }
  const url = await remoteUrl(repo, name)
  if (!url.startsWith('file:')) throw new UnsupportedError('network', `Fetching from ${url} is not supported`)
  const path = `${pathOf(url)}/${SUMMARY}`
  return existsSync(path) ? readBytes(path, (reason) => `openat(${SUMMARY}): ${reason}`) : undefined
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw new UsageError(`Invalid URL ${url}`)
  }
}
