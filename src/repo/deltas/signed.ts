/**
 * Signatures of static deltas: a superblock may be wrapped with signatures over its bytes. The types of signatures are
 * given by the caller.
 *
 * Source: ostree-repo-static-delta-core.c, _ostree_repo_static_delta_verify_signature; ostree-repo-static-delta-compilation.c,
 * _ostree_repo_sign_static_delta.
 */

import type { MaybePromise } from '../../bytes.ts'
import { DeniedError } from '../../errors.ts'
import { array, bytes, lookup, variantOf } from '../../gvariant/index.ts'
import { SIGNED_MAGIC, SignedSuperblock } from './format.ts'
import type { DeltaSuperblock } from './superblock.ts'

/** Verifies signatures of one type, with keys that it knows. */
export interface DeltaVerifier {
  /** Type of the signatures, such as `ed25519`. */
  readonly engine: string
  /**
   * Verifies that one of the signatures is good.
   * @returns a message that names the key
   * @throws {DeniedError} if none is
   */
  verify(data: Uint8Array, signatures: readonly Uint8Array[]): MaybePromise<string>
}

/** Makes signatures of one type, with one key. */
export interface DeltaSigner {
  /** Type of the signatures, such as `ed25519`. */
  readonly engine: string
  /** Returns the signature of `data`. */
  sign(data: Uint8Array): MaybePromise<Uint8Array>
}

const Signatures = array(bytes)

function keyOf(engine: string): string {
  return `ostree.sign.${engine}`
}

/**
 * Verifies that a superblock is signed.
 * @returns the message of the verifier
 * @throws {DeniedError} if it is not signed, not by a signature of that type, or not by a trusted key
 */
export async function verifyDelta(
  delta: Pick<DeltaSuperblock, 'signatures' | 'signedBytes'>,
  verifier: DeltaVerifier,
): Promise<string> {
  if (delta.signatures === undefined) throw new DeniedError(verifier.engine, 'no signatures in static-delta')
  const key = keyOf(verifier.engine)
  const signatures = lookup(delta.signatures, key, Signatures)
  if (signatures === undefined) {
    throw new DeniedError(verifier.engine, `no signature for '${key}' in static-delta superblock`)
  }
  return await verifier.verify(delta.signedBytes, signatures)
}

/** Wraps a superblock with signatures, one of each signer. */
export async function signSuperblock(superblock: Uint8Array, signers: readonly DeltaSigner[]): Promise<Uint8Array> {
  const byEngine = new Map<string, Uint8Array[]>()
  for (const signer of signers) {
    const signatures = byEngine.get(signer.engine) ?? []
    byEngine.set(signer.engine, signatures)
    signatures.push(await signer.sign(superblock))
  }
  return SignedSuperblock.encode({
    magic: SIGNED_MAGIC,
    superblock,
    signatures: Array.from(byEngine, ([engine, each]) => [keyOf(engine), variantOf(Signatures, each)] as const),
  })
}
