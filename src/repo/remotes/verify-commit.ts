/**
 * Verifies the signatures of commits and summaries. The settings of a remote say which signatures are required:
 *
 * ```
 * setting             required signature                                    in the detached metadata
 * gpg-verify=true     a good OpenPGP signature; this is the default         ostree.gpgsigs
 * sign-verify=true    one of any type that there are keys for               ostree.sign.ed25519, ostree.sign.spki
 * sign-verify=A,B     one of these types
 * ```
 *
 * Source: ostree-repo.c (ostree_repo_signature_verify_commit_data), ostree-repo-pull-verify.c; ot-builtin-show.c.
 */

import type { Checksum } from '../../bytes.ts'
import { DeniedError, OstreeError, withContext } from '../../errors.ts'
import { lookup, type Vardict } from '../../gvariant/index.ts'
import { describeSignature, type KeyRings, signatureEngine, signatureEngines, verifyOpenPgp } from '../../sign/index.ts'
import { GPG_SIGNATURES_KEY, Signatures, signaturesKey } from '../core/signatures.ts'
import type { Repo } from '../repo.ts'
import { findRemote, type Remote } from './remotes.ts'
import { remoteKeyRings, remotePublicKeys, type Verification } from './signature-keys.ts'

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
 * @throws {UnsupportedError} when the remote requires a type that is not known
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
    text += `${await requireEngines(found, kinds, commit, verification)}\n`
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
 * @throws {UnsupportedError} when it requires a type that is not known
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
  await requireEngines(remote, sign, { bytes, metadata }, verification, what === 'summary' ? what : 'commit')
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
 * @throws {UnsupportedError} when a type that is not known is required
 */
function signatureKinds({ config, group }: Remote, key = 'sign-verify'): 'any' | readonly string[] | undefined {
  const text = config.get(group, key)?.trim() ?? ''
  if (text === '' || text === 'false' || text === '0') return undefined
  if (text === 'true' || text === '1') return 'any'
  const kinds = text.split(/[;,]/).filter((kind) => kind !== '')
  for (const kind of kinds) signatureEngine(kind)
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

/**
 * Requires a good signature of one of the types. Types that the metadata has no signatures of are passed over.
 * @returns the message of the type whose signature is good
 */
async function requireEngines(
  remote: Remote,
  kinds: 'any' | readonly string[],
  commit: SignedCommit,
  verification: Verification,
  what = 'commit',
): Promise<string> {
  const { dummySignatures = false } = verification
  const engines =
    kinds === 'any' ? signatureEngines(dummySignatures) : kinds.map((kind) => signatureEngine(kind, dummySignatures))
  const tries: (() => Promise<string>)[] = []
  // The keys of all types are read first: a configured key that is malformed is an error, whatever signatures there are.
  for (const engine of engines) {
    const keys = await remotePublicKeys(remote, engine, verification, kinds !== 'any')
    const signatures = lookup(commit.metadata, signaturesKey(engine.name), Signatures)
    if (signatures !== undefined) tries.push(() => engine.verify(commit.bytes, signatures, keys))
  }
  try {
    return await firstSuccess(tries)
  } catch (error) {
    // As in ostree, only the message about a commit tells what was verified.
    throw what === 'commit' ? withContext("Can't verify commit", error) : error
  }
}

/** Returns the first result. @throws {DeniedError} when all tries fail, or none is given: the first error */
async function firstSuccess(tries: readonly (() => Promise<string>)[]): Promise<string> {
  const errors: unknown[] = []
  for (const attempt of tries) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      errors.push(error)
    }
  }
  if (errors.length === 0) throw new DeniedError('commit', 'No signatures found')
  throw errors.length === 1 ? errors[0] : withContext(`(${errors.length - 1} other invalid signatures)`, errors[0])
}
