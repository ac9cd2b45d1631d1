/** Verifies a stream by a digest of any registered algorithm. Source: OCI image-spec 1.1, descriptor.md, "Digests". */
import { DigestMismatchError } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { hasherFor } from '../oci/digest-hasher.ts'
import type { StoredBlob } from '../oci/oci-types.ts'

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
  const actual = hasher.digest()
  if (actual !== digest) throw new DigestMismatchError('digest', digest, digest, actual)
}
