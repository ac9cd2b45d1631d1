/** Reads the summary of a remote for `ostree remote refs` and `ostree remote summary`. */

import { resolve } from 'node:path'
import { vardict } from '../../../gvariant/index.ts'
import { fetchRemoteSummary, findRemote, type Repo } from '../../../repo/index.ts'
import { formatSignatures, remoteKeyRings } from '../../../repo/internal.ts'
import { createSummaryCache } from '../../../repo/local.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { nodeNetwork } from '../../../system/network.ts'
import type { CommandContext } from '../../command.ts'
import { hostVerification } from '../../verification.ts'

/** The summary of a remote. */
export interface RemoteSummary {
  readonly bytes: Uint8Array
  /** Returns a text about the GPG signatures of the summary; `''` when the remote does not require any. */
  signatures(): Promise<string>
}

/**
 * Fetches the summary of a remote and verifies the signatures that the remote requires.
 * @param cacheDirectory value of `--cache-dir`
 * @returns `undefined` when the remote has no summary
 * @throws as `fetchRemoteSummary`
 */
export async function summaryOf(
  repo: Repo,
  name: string,
  { env, signal }: Pick<CommandContext<Record<string, never>>, 'env' | 'signal'>,
  cacheDirectory: string | undefined,
): Promise<RemoteSummary | undefined> {
  const verification = hostVerification()
  const found = await fetchRemoteSummary(repo, name, {
    network: nodeNetwork({ environment: env, containerCertificates: false }),
    files: nodeFiles,
    verification,
    signal,
    summaryCache: cacheDirectory === undefined ? undefined : cacheAt(cacheDirectory),
  })
  if (found === undefined) return undefined
  const { bytes, signatures } = found
  const describe = async (): Promise<string> => {
    const remote = await findRemote(repo, name)
    if (signatures === undefined || !remote.config.getBoolean(remote.group, 'gpg-verify-summary', false)) return ''
    const signed = { bytes, metadata: vardict.decode(signatures) }
    const rings = await remoteKeyRings(repo, remote, verification)
    return formatSignatures(signed, rings, verification, { found: 'GPG: Verification enabled, found' })
  }
  return { bytes, signatures: describe }
}

function cacheAt(directory: string): ReturnType<typeof createSummaryCache> {
  return createSummaryCache(`${resolve(directory)}/summaries`)
}
