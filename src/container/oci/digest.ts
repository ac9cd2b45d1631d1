/**
 * Parses digests, `algorithm:encoded`:
 *
 *     algorithm  [a-z0-9]+ separated by single + . _ -
 *     encoded    [A-Za-z0-9=_-]+; for sha256, sha384, sha512 exactly 64, 96, 128 lower-case hex digits
 *
 * Source: OCI image-spec 1.1, descriptor.md; the wording of errors is that of the Rust crate oci-spec.
 */
import type { Checksum } from '../../bytes.ts'
import { InvalidNameError, UnsupportedError } from '../../errors.ts'
import type { Digest } from './oci-types.ts'

const HEX_DIGITS: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
])
/** Longest digest that is accepted, in characters, of any algorithm. */
const MAX_DIGEST_LENGTH = 1024

/**
 * Parses a digest, `sha256:HEX`. Digests of other algorithms are accepted as well; `digestChecksum` refuses them.
 * @throws {InvalidNameError} when the text is not a digest
 */
export function parseDigest(text: string): Digest {
  const fault = text.length > MAX_DIGEST_LENGTH ? 'Invalid digest: too long' : faultOf(text)
  if (fault !== undefined) throw new InvalidNameError(text.slice(0, MAX_DIGEST_LENGTH), fault)
  return text as Digest // the grammar was just checked
}

/** Tests whether a text is a digest that `parseDigest` accepts. */
export function isDigest(text: string): text is Digest {
  return text.length <= MAX_DIGEST_LENGTH && faultOf(text) === undefined
}

function faultOf(text: string): string | undefined {
  const colon = text.indexOf(':')
  if (colon < 0) return "missing ':' in digest"
  const algorithm = text.slice(0, colon)
  const encoded = text.slice(colon + 1)
  if (algorithm === '') return 'Empty algorithm component'
  for (const component of algorithm.split(/[+._-]/)) {
    if (component === '') return 'Empty algorithm component'
    if (!/^[a-z0-9]+$/.test(component)) return `Invalid algorithm component: ${component}`
  }
  if (encoded === '') return 'Empty algorithm value'
  if (!/^[A-Za-z0-9=_-]+$/.test(encoded)) return `Invalid encoded value ${encoded}`
  const length = HEX_DIGITS.get(algorithm)
  if (length === undefined) return undefined
  if (encoded.length !== length) return `Invalid digest length ${encoded.length} expected ${length}`
  if (!/^[0-9a-f]+$/.test(encoded)) return `Invalid non-hexadecimal character in digest: ${encoded}`
  return undefined
}

/** Returns the digest of bytes whose SHA-256 is known: `digestOf(platform.sha256(bytes))`. */
export function digestOf(checksum: Checksum): Digest {
  return `sha256:${checksum}` as Digest // 64 hex digits by type
}

/** Returns the SHA-256 that a digest names. @throws {UnsupportedError} when the digest has another algorithm */
export function digestChecksum(digest: Digest): Checksum {
  if (!digest.startsWith('sha256:')) {
    const algorithm = digest.slice(0, digest.indexOf(':'))
    throw new UnsupportedError('digest algorithm', `Digest ${digest}: only sha256 can be verified, not ${algorithm}`)
  }
  return digest.slice(7) as Checksum // a digest of sha256 has 64 hex digits
}
