/** Names and documents of the distribution specification. */
import { FormatError } from '../../errors.ts'
import type { Descriptor, Digest } from '../oci/oci-types.ts'

/** Returns the tag of the index that names the referrers of a manifest, where the registry has no API for them. */
export function fallbackTag(digest: Digest): string {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^\w.-]/g, '-')
}

/** Tells whether an entry of an index is about an image, rather than one. Source: BuildKit, attestation-storage.md. */
export function isAttestation({ annotations, platform }: Descriptor): boolean {
  if (annotations?.['vnd.docker.reference.type'] === 'attestation-manifest') return true
  return platform?.['os'] === 'unknown' && platform['architecture'] === 'unknown'
}

/** Parses a JSON object. @throws {FormatError} when the bytes are something else */
export function parseObject(bytes: Uint8Array, what: string): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Reported below.
  }
  throw new FormatError(what, `Invalid ${what}: not a JSON object`)
}
