/**
 * The types of signatures besides OpenPGP, which ostree calls engines, and what they have in common: each of several
 * signatures is tried with each of several keys.
 *
 * Source: ostree-sign.c, ostree-sign-ed25519.c, ostree-sign-spki.c.
 */

import { compareBytes, toHex } from '../bytes.ts'
import { DeniedError } from '../errors.ts'

/** An error names the keys that failed, up to this number. */
const NAMED_KEYS = 3
/** Most pairs of key and signature that are tried. */
const MAX_ATTEMPTS = 4096

/** Public keys; a key in both lists is not trusted. */
export interface PublicKeys {
  readonly trusted: readonly Uint8Array[]
  readonly revoked?: readonly Uint8Array[] | undefined
}

/** One type of signatures. */
export interface SignatureEngine {
  /** Name of the type, such as `ed25519`. The metadata key of its signatures is `ostree.sign.NAME`. */
  readonly name: string
  /** Decodes a public key that is given as one argument. @throws {DeniedError} when the text is not a key */
  parsePublicKey(text: string): Uint8Array
  /**
   * Decodes the public keys of a file. Entries that are not keys are skipped as long as one is a key.
   * @throws {DeniedError} when the file is malformed, or has no key
   */
  parsePublicKeys(text: string, file?: string): Uint8Array[]
  /** Decodes a secret key that is given as one argument. @throws {DeniedError} when the text is not a key */
  parseSecretKey(text: string): Uint8Array
  /** Decodes the secret keys of a file. @throws {DeniedError} when the file is malformed; no keys are not an error */
  parseSecretKeys(text: string): Uint8Array[]
  /**
   * Makes a signature of the data with one secret key.
   * @throws {DeniedError} when the key cannot be used; {UnsupportedError} when its algorithm is not available
   */
  sign(secretKey: Uint8Array, data: Uint8Array): Promise<Uint8Array>
  /**
   * Tests whether one of the signatures is by one of the trusted keys.
   * @returns a message that names the key
   * @throws {DeniedError} when none is, or a signature or key is malformed
   */
  verify(data: Uint8Array, signatures: readonly Uint8Array[], keys: PublicKeys): Promise<string>
}

/** Tests a signature with a key. @throws {DeniedError} when one of them is malformed */
export type Check = (key: Uint8Array, signature: Uint8Array, data: Uint8Array) => Promise<boolean>

/**
 * Tries each signature with each key.
 * @param check throws for what must not be taken for a failed signature, such as a malformed one
 * @returns a message that names the key
 * @throws {DeniedError} when no signature is by a trusted key
 */
export async function verifyWithKeys(
  name: string,
  check: Check,
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  { trusted, revoked = [] }: PublicKeys,
): Promise<string> {
  // As in ostree: the key that was loaded last is tried first, equal keys are tried once.
  const keys = trusted
    .filter((key) => !revoked.some((other) => compareBytes(key, other) === 0))
    .filter((key, at, all) => all.findIndex((other) => compareBytes(key, other) === 0) === at)
    .reverse()
  const failed: string[] = []
  const tooMany = (): DeniedError => denied(name, `Signature couldn't be verified; tried ${failed.length} keys`)
  for (const signature of signatures) {
    for (const key of keys) {
      const shown = toHex(key)
      if (await check(key, signature, data)) return `${name}: Signature verified successfully with key '${shown}'`
      failed.push(`key '${shown}'`)
      if (failed.length >= MAX_ATTEMPTS) throw tooMany()
    }
  }
  if (failed.length === 0) throw denied(name, 'no signatures found')
  if (failed.length > NAMED_KEYS) throw tooMany()
  throw denied(name, `Signature couldn't be verified with: ${failed.join('; ')}`)
}

function denied(name: string, reason: string): DeniedError {
  return new DeniedError(name, `${name}: ${reason}`)
}
