/**
 * Verifies the signatures of commits and summaries. The settings of a remote say which signatures are required:
 *
 * ```
 * setting             required signature                                    in the detached metadata
 * gpg-verify=true     a good OpenPGP signature; this is the default         ostree.gpgsigs
 * sign-verify=true    one of any type that there are keys for               ostree.sign.ed25519
 * sign-verify=A,B     one of these types
 * ```
 *
 * Source: ostree-repo.c (ostree_repo_signature_verify_commit_data), ostree-repo-pull-verify.c; ot-builtin-show.c.
 */

import type { Checksum } from '../../bytes.ts'
import { DeniedError, UnsupportedError, withContext } from '../../errors.ts'
import { array, bytes as byteArray, lookup, type Vardict } from '../../gvariant/index.ts'
import { describeSignature, type Ed25519Keys, type KeyRings, verifyEd25519, verifyOpenPgp } from '../../sign/index.ts'
import type { Repo } from '../repo.ts'
import { findRemote, type Remote } from './remotes.ts'
import { remoteEd25519Keys, remoteKeyRings, type Verification } from './signature-keys.ts'

/** Metadata key of OpenPGP signatures; the value is an array of byte arrays, `aay`. */
export const GPG_SIGNATURES_KEY = 'ostree.gpgsigs'
/** Metadata key of ed25519 signatures; the value has the same type. */
const ED25519_SIGNATURES = 'ostree.sign.ed25519'

const Signatures = array(byteArray)

/** A commit object and its detached metadata, or a summary and its signatures. */
export interface SignedCommit {
  readonly bytes: Uint8Array
  readonly metadata: Vardict
}

/**
 * Verifies all signatures that the remote requires.
 * @returns a text that describes the signatures, one per line
 * @throws {DeniedError} when a required signature is missing or not good, or when the remote requires none
 * @throws {NotFoundError} when there is no such remote
 * @throws {UnsupportedError} when the remote requires a type other than GPG and ed25519
 */
export async function verifyCommitFor(
  repo: Repo,
  remote: string,
  commit: SignedCommit,
  verification: Verification,
): Promise<string> {
  const found = await findRemote(repo, remote)
  const gpg = wantsGpg(found)
  const kinds = signatureKinds(found)
  if (!gpg && kinds === undefined) {
    throw new DeniedError(
      remote,
      `Cannot verify commit for remote ${remote}; GPG verification disabled, and no signapi verifiers configured`,
    )
  }
  const rings = () => remoteKeyRings(repo, found, verification)
  let text = gpg ? await requireGpg(commit, rings, verification, 'GPG: ') : ''
  if (kinds !== undefined) {
    const keys = await remoteEd25519Keys(found, verification, kinds !== 'any')
    text += `${await requireEd25519(commit, keys)}\n`
  }
  return text
}

/** The signatures that a remote requires of its commits, or of its summary. */
export interface SignaturePolicy {
  readonly gpg: boolean
  /** Types of signature of which one is required: `any` for those that there are keys for, `undefined` for none. */
  readonly sign: 'any' | readonly string[] | undefined
}

/**
 * Returns the signatures that a remote requires.
 * @throws {UnsupportedError} when it requires a type other than GPG and ed25519
 */
export function signaturePolicy(remote: Remote, of: 'commit' | 'summary'): SignaturePolicy {
  if (of === 'commit') return { gpg: wantsGpg(remote), sign: signatureKinds(remote) }
  const gpg = remote.config.getBoolean(remote.group, 'gpg-verify-summary', false)
  return { gpg, sign: signatureKinds(remote, 'sign-verify-summary') }
}

/**
 * Verifies the signatures that a policy of the remote requires.
 * @param metadata detached metadata of the commit, or signatures of the summary; `undefined` when there is none
 * @throws {DeniedError} when a required signature is missing or not good
 */
export async function requireSignatures(
  repo: Repo,
  remote: Remote,
  { gpg, sign }: SignaturePolicy,
  { bytes, metadata, what }: { bytes: Uint8Array; metadata: Vardict | undefined; what: string },
  verification: Verification,
): Promise<void> {
  if (gpg) {
    const rings = () => remoteKeyRings(repo, remote, verification)
    try {
      await requireGpg({ bytes, metadata: metadata ?? [] }, rings, verification, '')
    } catch (error) {
      throw what === 'summary' ? error : withContext(what, error)
    }
  }
  if (sign === undefined) return
  if (metadata === undefined) {
    throw new DeniedError(what, `Can't verify ${what === 'summary' ? what : 'commit'} without detached metadata`)
  }
  const keys = await remoteEd25519Keys(remote, verification, sign !== 'any')
  await requireEd25519({ bytes, metadata }, keys, what === 'summary' ? "Can't verify summary" : undefined)
}

/**
 * Verifies that a key of `remote` made a good GPG signature, whatever the settings of the remote require.
 * @throws {DeniedError} when there is none
 */
export async function requireGpgSignature(
  repo: Repo,
  remote: string,
  commit: SignedCommit,
  verification: Verification,
): Promise<void> {
  const rings = async () => remoteKeyRings(repo, await findRemote(repo, remote), verification)
  await requireGpg(commit, rings, verification, '')
}

/**
 * Describes the GPG signatures of a commit or summary, as `ostree show` does; `''` when there are none.
 * @param words words of the text before and after the number: by default `Found 2 signatures:`
 * @throws {DeniedError} when the signatures are malformed
 */
export async function formatSignatures(
  { bytes, metadata }: SignedCommit,
  rings: KeyRings,
  { now, formatTime }: Verification,
  { found = 'Found', where = '' }: { readonly found?: string; readonly where?: string } = {},
): Promise<string> {
  const signatures = lookup(metadata, GPG_SIGNATURES_KEY, Signatures)
  if (signatures === undefined) return ''
  const verdicts = await verifyOpenPgp(bytes, signatures, rings, now())
  const count = `${found} ${verdicts.length} signature${verdicts.length === 1 ? '' : 's'}${where}:\n`
  return count + verdicts.map((verdict) => `\n${describeSignature(verdict, '  ', formatTime)}`).join('')
}

/** Reads a commit with its detached metadata. @throws {ObjectNotFoundError} when the commit does not exist */
export async function readSignedCommit(repo: Repo, commit: Checksum): Promise<SignedCommit> {
  return { bytes: await repo.objects.readMeta('commit', commit), metadata: await repo.readDetachedMetadata(commit) }
}

function wantsGpg({ config, group }: Remote): boolean {
  return config.getBoolean(group, 'gpg-verify', true)
}

/**
 * Returns the signature types of `sign-verify`: `any` for those that there are keys for, `undefined` for none.
 * @throws {UnsupportedError} when a type other than ed25519 is required
 */
function signatureKinds({ config, group }: Remote, key = 'sign-verify'): 'any' | readonly string[] | undefined {
  const text = config.get(group, key)?.trim() ?? ''
  if (text === '' || text === 'false' || text === '0') return undefined
  if (text === 'true' || text === '1') return 'any'
  const kinds = text.split(/[;,]/).filter((kind) => kind !== '')
  if (kinds.some((kind) => kind !== 'ed25519')) {
    throw new UnsupportedError(text, 'Requested signature type is not implemented')
  }
  return kinds
}

async function requireGpg(
  { bytes, metadata }: SignedCommit,
  rings: () => Promise<KeyRings>,
  { now, formatTime }: Verification,
  prefix: string,
): Promise<string> {
  const signatures = lookup(metadata, GPG_SIGNATURES_KEY, Signatures)
  if (signatures === undefined) {
    const hint = '(use gpg-verify=false in remote config to disable)'
    throw new DeniedError('commit', `GPG verification enabled, but no signatures found ${hint}`)
  }
  const verdicts = await verifyOpenPgp(bytes, signatures, await rings(), now())
  if (verdicts.some(({ status }) => status === 'good')) {
    return verdicts.map((verdict) => describeSignature(verdict, prefix, formatTime)).join('')
  }
  // In reverse order, as ostree lists them.
  const reasons = verdicts.reverse().map((verdict) => describeSignature(verdict, '', formatTime))
  throw new DeniedError('commit', reasons.join('').trimEnd() || 'No GPG signatures found')
}

async function requireEd25519(
  { bytes, metadata }: SignedCommit,
  keys: Ed25519Keys,
  context = "Can't verify commit",
): Promise<string> {
  try {
    const signatures = lookup(metadata, ED25519_SIGNATURES, Signatures)
    if (signatures === undefined) throw new DeniedError('commit', 'No signatures found')
    return await verifyEd25519(bytes, signatures, keys)
  } catch (error) {
    throw withContext(context, error)
  }
}
