/**
 * Signatures of the kind `ed25519`: 64 bytes, checked against keys of 32.
 *
 * Source: ostree-sign-ed25519.c; RFC 8032.
 */

import { compareBytes, toHex } from '../bytes.ts'
import { DeniedError } from '../errors.ts'
import { decodeBase64 } from './packets.ts'

const KEY_LENGTH = 32
const SIGNATURE_LENGTH = 64
/** Up to this many keys are named when none of them did. */
const NAMED_KEYS = 3
/** Keys times signatures that are tried. */
const MAX_ATTEMPTS = 4096

export interface Ed25519Keys {
  readonly trusted: readonly Uint8Array[]
  readonly revoked?: readonly Uint8Array[] | undefined
}

/** @throws {DeniedError} when it is not base64 of 32 bytes */
export function parseEd25519Key(text: string): Uint8Array {
  const key = decodeBase64(text)
  if (key?.length === KEY_LENGTH) return key
  const reason = `Ill-formed input: expected ${KEY_LENGTH} bytes, got ${key?.length ?? 0} bytes`
  throw new DeniedError('ed25519', `Invalid ed25519 public key: ${reason}`)
}

/**
 * @returns which key it was, in words
 * @throws {DeniedError} when no signature is by one of the keys
 */
export async function verifyEd25519(
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  { trusted, revoked = [] }: Ed25519Keys,
): Promise<string> {
  const keys = trusted.filter((key) => !revoked.some((other) => compareBytes(key, other) === 0))
  const failed: string[] = []
  for (const signature of signatures) {
    if (signature.length !== SIGNATURE_LENGTH) {
      throw denied(`Invalid signature length of ${signature.length} bytes, expected ${SIGNATURE_LENGTH}`)
    }
    for (const key of keys) {
      const shown = toHex(key)
      if (await isSignedBy(key, signature, data)) return `ed25519: Signature verified successfully with key '${shown}'`
      failed.push(`key '${shown}'`)
      if (failed.length >= MAX_ATTEMPTS) throw denied(`Signature couldn't be verified; tried ${failed.length} keys`)
    }
  }
  if (failed.length === 0) throw denied('no signatures found')
  if (failed.length > NAMED_KEYS) throw denied(`Signature couldn't be verified; tried ${failed.length} keys`)
  throw denied(`Signature couldn't be verified with: ${failed.join('; ')}`)
}

async function isSignedBy(key: Uint8Array, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  try {
    // Whoever hands out shared memory would get an error from there, and so a refusal.
    const imported = await crypto.subtle.importKey('raw', key as BufferSource, 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', imported, signature as BufferSource, data as BufferSource)
  } catch {
    return false
  }
}

function denied(reason: string): DeniedError {
  return new DeniedError('ed25519', `ed25519: ${reason}`)
}
