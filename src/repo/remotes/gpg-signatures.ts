/** Finds and deletes OpenPGP signatures by their keys. Source: ot-builtin-gpg-sign.c; ostree-gpg-verify-result.c. */

import type { Checksum } from '../../bytes.ts'
import { ConflictError, NotFoundError, UnsupportedError } from '../../errors.ts'
import { lookup } from '../../gvariant/index.ts'
import { type KeyRings, type Signer, selectKeys, verifyOpenPgp } from '../../sign/index.ts'
import { GPG_SIGNATURES_KEY, Signatures, withSignatures } from '../core/signatures.ts'
import { requireWritable } from '../prune/delete.ts'
import type { Repo } from '../repo.ts'
import { signCommit } from './sign-commit.ts'
import type { Verification } from './signature-keys.ts'
import { readSignedCommit, type SignedCommit } from './verify-commit.ts'

/**
 * Returns the indices of the signatures that were made by a key, whether they are good or not. As in ostree, only a key in
 * the keyrings is recognized.
 * @param keyId key ID, fingerprint or part of a user id
 * @throws {UnsupportedError} when the package openpgp is not installed
 */
export async function signaturesBy(
  { bytes, metadata }: SignedCommit,
  keyId: string,
  rings: KeyRings,
  now: number,
): Promise<number[]> {
  const signatures = lookup(metadata, GPG_SIGNATURES_KEY, Signatures) ?? []
  if (signatures.length === 0) return []
  let key: KeyRings
  try {
    key = await selectKeys(rings, [keyId])
  } catch (error) {
    if (error instanceof NotFoundError) return []
    throw error
  }
  const found: number[] = []
  for (const [index, signature] of signatures.entries()) {
    const results = await verifyOpenPgp(bytes, [signature], key, now)
    if (results.some(({ status }) => status !== 'missing-key')) found.push(index)
  }
  return found
}

/**
 * Adds an OpenPGP signature to a commit.
 * @param rings keyrings by which signatures that exist are recognized
 * @throws {ConflictError} `Commit is already signed with GPG key …`
 * @throws what the signer throws
 */
export async function gpgSignCommit(
  repo: Repo,
  commit: Checksum,
  keyId: string,
  signer: Signer,
  rings: KeyRings,
  { now }: Verification,
): Promise<void> {
  try {
    const existing = await signaturesBy(await readSignedCommit(repo, commit), keyId, rings, now())
    if (existing.length > 0) throw new ConflictError(commit, `Commit is already signed with GPG key ${keyId}`)
  } catch (error) {
    // A second signature by the same key does no harm.
    if (!(error instanceof UnsupportedError)) throw error
  }
  await signCommit(repo, commit, [signer])
}

/**
 * Deletes the signatures of a commit that were made by any of the keys.
 * @returns how many were deleted
 * @throws {UnsupportedError} when the commit has signatures and the package openpgp is not installed
 */
export async function deleteGpgSignatures(
  repo: Repo,
  commit: Checksum,
  keyIds: readonly string[],
  rings: KeyRings,
  { now }: Verification,
): Promise<number> {
  await requireWritable(repo)
  const signed = await readSignedCommit(repo, commit)
  const doomed = new Set<number>()
  for (const keyId of keyIds) for (const index of await signaturesBy(signed, keyId, rings, now())) doomed.add(index)
  if (doomed.size === 0) return 0
  const signatures = lookup(signed.metadata, GPG_SIGNATURES_KEY, Signatures) ?? []
  const kept = signatures.filter((_, index) => !doomed.has(index))
  await repo.writeDetachedMetadata(commit, withSignatures(signed.metadata, 'gpg', kept))
  return doomed.size
}
