/** Signs commits, and verifies them with given keys. Source: ostree-sign.c; ostree-repo.c, ostree_repo_sign_commit. */

import type { Checksum } from '../../bytes.ts'
import { DeniedError } from '../../errors.ts'
import { lookup } from '../../gvariant/index.ts'
import type { PublicKeys, SignatureEngine, Signer } from '../../sign/index.ts'
import { addSignatures, Signatures, signaturesKey } from '../core/signatures.ts'
import { requireWritable } from '../prune/delete.ts'
import type { Repo } from '../repo.ts'
import { readSignedCommit } from './verify-commit.ts'

/**
 * Adds signatures to the detached metadata of a commit. Those it has are kept, also if they are by the same key.
 * @throws {ObjectNotFoundError} when the commit does not exist
 * @throws what a signer throws; nothing has been written
 */
export async function signCommit(repo: Repo, commit: Checksum, signers: readonly Signer[]): Promise<void> {
  await requireWritable(repo)
  const { bytes, metadata } = await readSignedCommit(repo, commit)
  await repo.writeDetachedMetadata(commit, await addSignatures(metadata, bytes, signers))
}

/**
 * Verifies that a commit has a signature by one of the keys.
 * @returns a message that names the key
 * @throws {DeniedError} when it has none
 */
export async function verifyCommitWith(
  repo: Repo,
  commit: Checksum,
  engine: SignatureEngine,
  keys: PublicKeys,
): Promise<string> {
  const { bytes, metadata } = await readSignedCommit(repo, commit)
  const key = signaturesKey(engine.name)
  const signatures = lookup(metadata, key, Signatures)
  if (signatures !== undefined) return await engine.verify(bytes, signatures, keys)
  const isOther = metadata.some(([name]) => name === key)
  const reason = isOther ? 'wrong type passed for verification' : 'commit have no signatures of my type'
  throw new DeniedError(commit, `${engine.name === 'dummy' ? 'signature: ' : ''}${engine.name}: ${reason}`)
}
