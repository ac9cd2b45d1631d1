/**
 * Signatures of type `ed25519`: 64 bytes, verified with keys of 32 bytes.
 *
 * Source: ostree-sign-ed25519.c; RFC 8032.
 */

import { compareBytes, toHex } from '../bytes.ts'
import { DeniedError, withContext } from '../errors.ts'
import { decodeBase64 } from './packets.ts'

const KEY_LENGTH = 32
const SIGNATURE_LENGTH = 64
/** An error names the keys that failed, up to this number. */
const NAMED_KEYS = 3
/** Most pairs of key and signature that are tried. */
const MAX_ATTEMPTS = 4096

/** Public keys, 32 bytes each; a key in both lists is not trusted. */
export interface Ed25519Keys {
  readonly trusted: readonly Uint8Array[]
  readonly revoked?: readonly Uint8Array[] | undefined
}

/**
 * Decodes a public key. As GLib does, it skips characters that are not of the base64 alphabet.
 * @throws {DeniedError} when the text is not base64 of 32 bytes
 */
export function parseEd25519Key(text: string): Uint8Array {
  const key = decodeLenient(text)
  if (key?.length === KEY_LENGTH) return key
  const reason = `Ill-formed input: expected ${KEY_LENGTH} bytes, got ${key?.length ?? 0} bytes`
  throw new DeniedError('ed25519', `Invalid ed25519 public key: ${reason}`)
}

/** Decodes whole groups of four characters, as GLib does; what is left over is dropped. */
function decodeLenient(text: string): Uint8Array | undefined {
  const characters = text.replaceAll(/[^A-Za-z0-9+/=]/g, '')
  return decodeBase64(characters.slice(0, characters.length - (characters.length % 4)))
}

/**
 * Reads the public keys of a file or of a directory of files: base64, one key a line.
 * @returns the keys; lines that are not keys are skipped as long as one line is a key
 * @throws {DeniedError} when a line or the text is empty, or no line is a key
 */
export function parseEd25519Keys(text: string): Uint8Array[] {
  const keys: Uint8Array[] = []
  let failure: unknown
  if (text === '') throw new DeniedError('ed25519', 'signature: ed25519: no valid keys')
  for (const line of text.replace(/\n$/, '').split('\n')) {
    if (line === '') throw new DeniedError('ed25519', 'Invalid base64 blob format')
    try {
      keys.push(parseEd25519Key(line))
    } catch (error) {
      failure ??= error
    }
  }
  // ostree has the name of the file at this place, but a null pointer is printed.
  if (keys.length === 0) throw withContext('ed25519: unable to read from NULL key-data input stream', failure)
  return keys
}

/**
 * Verifies that one of the signatures over `data` is by a trusted key.
 * @returns a message that names the key
 * @throws {DeniedError} when no signature is by a trusted key, or a signature is not 64 bytes long
 */
export async function verifyEd25519(
  data: Uint8Array,
  signatures: readonly Uint8Array[],
  { trusted, revoked = [] }: Ed25519Keys,
): Promise<string> {
  // As in ostree: the key that was loaded last is tried first, equal keys are tried once.
  const keys = trusted
    .filter((key) => !revoked.some((other) => compareBytes(key, other) === 0))
    .filter((key, at, all) => all.findIndex((other) => compareBytes(key, other) === 0) === at)
    .reverse()
  const failed: string[] = []
  for (const signature of signatures) {
    if (signature.length !== SIGNATURE_LENGTH) {
      const reason = `Ill-formed input: expected ${SIGNATURE_LENGTH} bytes, got ${signature.length} bytes`
      throw new DeniedError('ed25519', `Invalid signature: ${reason}`)
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
    // BufferSource excludes shared memory, for which Web Crypto throws: the signature then counts as not verified.
    const imported = await crypto.subtle.importKey('raw', key as BufferSource, 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', imported, signature as BufferSource, data as BufferSource)
  } catch {
    return false
  }
}

function denied(reason: string): DeniedError {
  return new DeniedError('ed25519', `ed25519: ${reason}`)
}
