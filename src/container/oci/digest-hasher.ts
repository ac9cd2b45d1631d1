/** Computes digests of any registered algorithm. Source: OCI image-spec 1.1, descriptor.md, "Registered Algorithms". */
import { toHex } from '../../bytes.ts'
import { UnsupportedError } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { digestOf, parseDigest } from './digest.ts'
import type { Digest } from './oci-types.ts'

/** Computes a digest of data that come piece by piece. */
export interface DigestHasher {
  update(bytes: Uint8Array): void
  /** Returns the digest of all data. No other call may follow. */
  digest(): Digest
}

/** Returns a hasher of SHA-256. */
export function sha256Hasher(platform: Platform): DigestHasher {
  const hash = platform.createSha256()
  return { update: (bytes) => hash.update(bytes), digest: () => digestOf(hash.digest()) }
}

/**
 * Returns a hasher of the algorithm of a digest.
 * @throws {UnsupportedError} when the algorithm is neither sha256 nor sha384 nor sha512
 */
export async function hasherFor(platform: Platform, digest: Digest): Promise<DigestHasher> {
  const algorithm = digest.slice(0, digest.indexOf(':'))
  if (algorithm === 'sha256') return sha256Hasher(platform)
  if (algorithm !== 'sha384' && algorithm !== 'sha512') {
    const message = `Digest ${digest}: only sha256, sha384 and sha512 can be verified, not ${algorithm}`
    throw new UnsupportedError('digest algorithm', message)
  }
  // Loaded only here, since few registries use it.
  const { sha384, sha512 } = await import('@noble/hashes/sha2.js')
  const hash = (algorithm === 'sha384' ? sha384 : sha512).create()
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => parseDigest(`${algorithm}:${toHex(hash.digest())}`),
  }
}
