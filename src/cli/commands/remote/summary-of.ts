/**
 * Reads the summary of a remote for `ostree remote refs` and `ostree remote summary`. Only `file:` URLs are supported.
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DeniedError, UnsupportedError, UsageError } from '../../../errors.ts'
import { vardict } from '../../../gvariant/index.ts'
import { findRemote, type Repo, remoteUrl, type SignedCommit } from '../../../repo/index.ts'
import {
  formatSignatures,
  remoteKeyRings,
  requireGpgSignature,
  SUMMARY_FILE,
  SUMMARY_SIGNATURES_FILE,
} from '../../../repo/internal.ts'
import { readBytes } from '../../values.ts'
import { hostVerification } from '../../verification.ts'

const GPG_OPTION = 'gpg-verify-summary'
const SIGN_OPTION = 'sign-verify-summary'

/** The summary of a remote. */
export interface RemoteSummary {
  readonly bytes: Uint8Array
  /** Returns a text about the signatures of the summary; `''` when the remote does not require any. */
  signatures(): Promise<string>
}

/**
 * Reads the summary of a remote and verifies its GPG signature, if the remote requires one.
 * @returns `undefined` when the remote has no summary
 * @throws {DeniedError} when a required signature is missing or invalid
 * @throws {UnsupportedError} when the remote's URL is not `file:`, or the remote requires a signature other than GPG's
 */
export async function summaryOf(repo: Repo, name: string): Promise<RemoteSummary | undefined> {
  const remote = await findRemote(repo, name)
  const { config, group } = remote
  if (!['false', '0'].includes(config.get(group, SIGN_OPTION) ?? 'false')) {
    throw new UnsupportedError(
      SIGN_OPTION,
      `Verifying the summary of remote "${name}" (${SIGN_OPTION}) is not supported`,
    )
  }
  const url = await remoteUrl(repo, name)
  if (!url.startsWith('file:')) throw new UnsupportedError('network', `Fetching from ${url} is not supported`)
  const bytes = read(url, SUMMARY_FILE)
  if (!config.getBoolean(group, GPG_OPTION, false)) return bytes && { bytes, signatures: async () => '' }
  if (bytes === undefined) {
    throw refused('no summary found (check that the configured URL in remote config is correct)')
  }
  const signatures = read(url, SUMMARY_SIGNATURES_FILE)
  if (signatures === undefined) {
    throw refused(`no summary signatures found (use ${GPG_OPTION}=false in remote config to disable)`)
  }
  const signed: SignedCommit = { bytes, metadata: vardict.decode(signatures) }
  const verification = hostVerification()
  await requireGpgSignature(repo, name, signed, verification)
  const describe = async () =>
    formatSignatures(signed, await remoteKeyRings(repo, remote, verification), verification, {
      found: 'GPG: Verification enabled, found',
    })
  return { bytes, signatures: describe }
}

function refused(reason: string): DeniedError {
  return new DeniedError(SUMMARY_FILE, `GPG verification enabled, but ${reason}`)
}

function read(url: string, name: string): Uint8Array | undefined {
  const path = `${pathOf(url)}/${name}`
  return existsSync(path) ? readBytes(path, (reason) => `openat(${name}): ${reason}`) : undefined
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw new UsageError(`Invalid URL ${url}`)
  }
}
