/**
 * GPG signatures of what is pulled. Who asks for them to be verified gets no commit that was not. Those of summaries are
 * not looked at: an unsigned one is refused as ostree refuses it, and a signed one as a libostree that was built without
 * GPG does.
 *
 * Source: ostree-repo-pull-verify.c, ostree-repo-pull.c; ostree-repo.c, OSTREE_DISABLE_GPGME.
 */

import type { Checksum } from '../bytes.ts'
import { DeniedError, UnsupportedError, withContext } from '../errors.ts'
import type { Repo } from './repo.ts'
import type { Verification } from './signature-keys.ts'
import { SUMMARY, SUMMARY_SIGNATURES } from './summary.ts'
import { readSignedCommit, requireGpgSignature } from './verify-commit.ts'

/** @throws {DeniedError} unless the commit has a good signature by the keys `into` has for the remote */
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

/** @throws {DeniedError} when it is unsigned, {UnsupportedError} when it is not */
export async function refuseSummary({ storage: { files } }: Repo): Promise<never> {
  for (const name of [SUMMARY, SUMMARY_SIGNATURES]) {
    if ((await files?.read(name)) !== undefined) continue
    throw new DeniedError(
      name,
      `GPG verification enabled, but no ${name} found (use gpg-verify-summary=false in remote config to disable)`,
    )
  }
  throw new UnsupportedError('GPG', 'GPG feature is disabled at build time')
}
