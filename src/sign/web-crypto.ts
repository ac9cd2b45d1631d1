/** Signing and verifying with Web Crypto, which Node, Deno, Bun and browsers have. */

import { DeniedError, UnsupportedError } from '../errors.ts'

/** How a key is imported and used. */
export interface KeyAlgorithm {
  /** Argument of `importKey`. */
  readonly key: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams
  /** Argument of `sign` and `verify`. */
  readonly use: AlgorithmIdentifier | EcdsaParams
}

export const ED25519: KeyAlgorithm = { key: 'Ed25519', use: 'Ed25519' }

/**
 * Tests a signature.
 * @param format form of `key`
 * @param unusable returns the error for a key that cannot be imported; without it the signature counts as not verified
 * @throws {UnsupportedError} when the runtime does not have the algorithm
 */
export async function verifyWithWebCrypto(
  { key: importAs, use }: KeyAlgorithm,
  format: 'raw' | 'spki',
  key: Uint8Array,
  signature: Uint8Array,
  data: Uint8Array,
  unusable?: (cause: unknown) => DeniedError,
): Promise<boolean> {
  let imported: CryptoKey
  try {
    // BufferSource excludes shared memory, for which Web Crypto throws: the signature then counts as not verified.
    imported = await crypto.subtle.importKey(format, key as BufferSource, importAs, false, ['verify'])
  } catch (error) {
    requireAlgorithm(error)
    if (unusable !== undefined) throw unusable(error)
    return false
  }
  try {
    return await crypto.subtle.verify(use, imported, signature as BufferSource, data as BufferSource)
  } catch {
    return false
  }
}

/**
 * Signs data.
 * @param secret PKCS#8 in DER
 * @throws {DeniedError} when the key cannot be used; {UnsupportedError} when the runtime does not have the algorithm
 */
export async function signWithWebCrypto(
  { key: importAs, use }: KeyAlgorithm,
  secret: Uint8Array,
  data: Uint8Array,
): Promise<Uint8Array> {
  try {
    const imported = await crypto.subtle.importKey('pkcs8', secret as BufferSource, importAs, false, ['sign'])
    return new Uint8Array(await crypto.subtle.sign(use, imported, data as BufferSource))
  } catch (error) {
    requireAlgorithm(error)
    throw new DeniedError('secret key', 'The secret key cannot be used', { cause: error })
  }
}

function requireAlgorithm(error: unknown): void {
  if ((error as Error).name !== 'NotSupportedError') return
  throw new UnsupportedError('Web Crypto', 'This runtime has no Web Crypto for the algorithm of the key', {
    cause: error,
  })
}
