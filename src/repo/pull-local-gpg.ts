/**
 * GPG signatures are not looked at here. Who asks for them to be verified gets no commit that was not: what is unsigned is
 * refused as ostree refuses it, and what is signed as a libostree that was built without GPG does.
 *
 * Source: ostree-repo-pull-verify.c, ostree-repo-pull.c; ostree-repo.c, OSTREE_DISABLE_GPGME.
 */

import type { Checksum } from '../bytes.ts'
import { DeniedError, UnsupportedError } from '../errors.ts'
import type { Repo } from './repo.ts'
import { SUMMARY, SUMMARY_SIGNATURES } from './summary.ts'

/** Key of the detached metadata: `aay`. */
const GPG_SIGNATURES = 'ostree.gpgsigs'

/** @throws {DeniedError} when it is unsigned, {UnsupportedError} when it is not */
export async function refuseCommit(from: Repo, commit: Checksum): Promise<never> {
  const metadata = await from.readDetachedMetadata(commit)
  if (metadata.some(([key]) => key === GPG_SIGNATURES)) throw unsupported()
  throw new DeniedError(
    commit,
    `Commit ${commit}: GPG verification enabled, but no signatures found ` +
      '(use gpg-verify=false in remote config to disable)',
  )
}

/** As `refuseCommit`. */
export async function refuseSummary({ storage: { files } }: Repo): Promise<never> {
  for (const name of [SUMMARY, SUMMARY_SIGNATURES]) {
    if ((await files?.read(name)) !== undefined) continue
    throw new DeniedError(
      name,
      `GPG verification enabled, but no ${name} found (use gpg-verify-summary=false in remote config to disable)`,
    )
  }
  throw unsupported()
}

function unsupported(): UnsupportedError {
  return new UnsupportedError('GPG', 'GPG feature is disabled at build time')
}
