/**
 * Verifies the GPG signatures of pulled commits and summaries.
 *
 * Source: ostree-repo-pull-verify.c, ostree-repo-pull.c.
 */

import type { Checksum } from '../../bytes.ts'
import { DeniedError, withContext } from '../../errors.ts'
import type { Verification } from '../remotes/signature-keys.ts'
import { readSignedCommit, requireGpgSignature } from '../remotes/verify-commit.ts'
import type { Repo } from '../repo.ts'
import { SUMMARY_FILE, SUMMARY_SIGNATURES_FILE } from '../summary/format.ts'
import { decodeSignatures } from './remote/summary.ts'

/**
 * Verifies a commit of `from` with the keys that `into` has for the remote.
 * @throws {DeniedError} `Commit …: …` when the commit has no good signature
 */
export async function requireSignedCommit(
  from: Repo,
  into: Repo,
  commit: Checksum,
  remote: string,
  verification: Verification,
): Promise<void> {
  try {
    await requireGpgSignature(into, remote, await readSignedCommit(from, commit), verification)
  } catch (error) {
    throw withContext(`Commit ${commit}`, error)
  }
}

/**
 * Reads the summary of the source and verifies it with the keys that `into` has for the remote.
 * @throws {DeniedError} when there is no summary, or it has no good signature
 */
export async function requireSignedSummary(
  { storage: { files } }: Repo,
  into: Repo,
  remote: string,
  verification: Verification,
): Promise<Uint8Array> {
  const read = async (name: string): Promise<Uint8Array> => {
    const bytes = await files?.read(name)
    if (bytes !== undefined) return bytes
    const hint = '(use gpg-verify-summary=false in remote config to disable)'
    throw new DeniedError(name, `GPG verification enabled, but no ${name} found ${hint}`)
  }
  const bytes = await read(SUMMARY_FILE)
  const signatures = await read(SUMMARY_SIGNATURES_FILE)
  await requireGpgSignature(into, remote, { bytes, metadata: decodeSignatures(signatures) }, verification)
  return bytes
}
