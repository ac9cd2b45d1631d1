/** Verifies a stream by a digest of any registered algorithm. Source: OCI image-spec 1.1, descriptor.md, "Digests". */
import { toHex } from '../../bytes.ts'
import { DigestMismatchError, UnsupportedError } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'

interface DigestHasher {
  update(bytes: Uint8Array): void
  /** Returns hexadecimal digits. */
  digest(): string
}

/** @throws {UnsupportedError} when the algorithm is neither sha256 nor sha384 nor sha512 */
async function hasherFor(platform: Platform, digest: Digest): Promise<DigestHasher> {
  const algorithm = digest.slice(0, digest.indexOf(':'))
  if (algorithm === 'sha256') return platform.createSha256()
  if (algorithm !== 'sha384' && algorithm !== 'sha512') {
    const message = `Digest ${digest}: only sha256, sha384 and sha512 can be verified, not ${algorithm}`
    throw new UnsupportedError('digest algorithm', message)
  }
  // Loaded only here, since few registries use it.
  const { sha384, sha512 } = await import('@noble/hashes/sha2.js')
  const hash = (algorithm === 'sha384' ? sha384 : sha512).create()
  return { update: (bytes) => void hash.update(bytes), digest: () => toHex(hash.digest()) }
}

/**
 * Passes a stream on, and fails at its end unless it has the digest and the size.
 * @throws {DigestMismatchError} when one differs; a stream that is too long fails as soon as it is
 * @throws {UnsupportedError} when the algorithm is not known
 */
export async function* verifyStream(
  platform: Platform,
  chunks: AsyncIterable<Uint8Array>,
  { digest, size }: StoredBlob,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = await hasherFor(platform, digest)
  let received = 0
  for await (const chunk of chunks) {
    received += chunk.length
    if (received > size) throw new DigestMismatchError('size', digest, size, received)
    hasher.update(chunk)
    yield chunk
  }
  if (received !== size) throw new DigestMismatchError('size', digest, size, received)
  const actual = `${digest.slice(0, digest.indexOf(':'))}:${hasher.digest()}`
  if (actual !== digest) throw new DigestMismatchError('digest', digest, digest, actual)
}
