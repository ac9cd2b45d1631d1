/**
 * Signatures in dictionaries: in the detached metadata of commits, and in `summary.sig`.
 *
 * ```
 * ostree.gpgsigs        aay, OpenPGP signatures
 * ostree.sign.TYPE      aay, signatures of another type
 * ```
 *
 * Source: ostree-sign.c, _sign_detached_metadata_append; ostree-repo.c, _ostree_detached_metadata_append_gpg_sig.
 */

import { array, bytes, lookup, type Vardict, type Variant, variantOf } from '../../gvariant/index.ts'
import { GHashOrder } from '../../gvariant/internal.ts'
import type { Signer } from '../../sign/index.ts'

/** Metadata key of OpenPGP signatures; the value is an array of byte arrays, `aay`. */
export const GPG_SIGNATURES_KEY = 'ostree.gpgsigs'

/** Codec of signatures, `aay`. */
export const Signatures = array(bytes)

/** Returns the metadata key of a type of signatures: `gpg`, or the name of an engine. */
export function signaturesKey(engine: string): string {
  return engine === 'gpg' ? GPG_SIGNATURES_KEY : `ostree.sign.${engine}`
}

/** Replaces the signatures of one type; without any their entry is removed. The order becomes that of ostree's table. */
export function withSignatures(metadata: Vardict, engine: string, signatures: readonly Uint8Array[]): Vardict {
  const key = signaturesKey(engine)
  const table = new GHashOrder<Variant>(metadata.filter(([name]) => signatures.length > 0 || name !== key))
  if (signatures.length > 0) table.set(key, variantOf(Signatures, [...signatures]))
  return [...table]
}

/**
 * Signs data and appends the signatures to those in the metadata.
 * @throws what a signer throws
 */
export async function addSignatures(metadata: Vardict, data: Uint8Array, signers: readonly Signer[]): Promise<Vardict> {
  let signed = metadata
  for (const signer of signers) {
    const before = lookup(signed, signaturesKey(signer.engine), Signatures) ?? []
    signed = withSignatures(signed, signer.engine, [...before, await signer.sign(data)])
  }
  return signed
}
