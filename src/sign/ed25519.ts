/**
 * Signatures of type `ed25519`: 64 bytes, verified with keys of 32 bytes. A secret key is the seed and the public key,
 * together 64 bytes. All are given in base64.
 *
 * Source: ostree-sign-ed25519.c; RFC 8032.
 */

import { concatBytes } from '../bytes.ts'
import { DeniedError, withContext } from '../errors.ts'
import { decodeLenient } from './base64.ts'
import { type SignatureEngine, verifyWithKeys } from './engine.ts'
import { ED25519, signWithWebCrypto, verifyWithWebCrypto } from './web-crypto.ts'

const KEY_LENGTH = 32
const SECRET_LENGTH = 64
const SIGNATURE_LENGTH = 64
/** The bytes of PKCS#8 before the seed. Source: RFC 8410, 7. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)

/**
 * Decodes a public key. As GLib does, it skips characters that are not of the base64 alphabet.
 * @throws {DeniedError} when the text is not base64 of 32 bytes
 */
export function parseEd25519Key(text: string): Uint8Array {
  return parseKey(text, 'public', KEY_LENGTH)
}

function parseKey(text: string, kind: 'public' | 'secret', length: number): Uint8Array {
  const key = decodeLenient(text)
  if (key?.length === length) return key
  const reason = `Ill-formed input: expected ${length} bytes, got ${key?.length ?? 0} bytes`
  throw new DeniedError('ed25519', `Invalid ed25519 ${kind} key: ${reason}`)
}

/**
 * Reads the public keys of a file: base64, one key a line.
 * @param file path of the file, for the error message
 * @returns the keys; lines that are not keys are skipped as long as one line is a key
 * @throws {DeniedError} when a line or the text is empty, or no line is a key
 */
export function parseEd25519Keys(text: string, file?: string): Uint8Array[] {
  const keys: Uint8Array[] = []
  let failure: unknown
  if (text === '') {
    const where = file === undefined ? '' : ` in file '${file}'`
    throw new DeniedError('ed25519', `signature: ed25519: no valid keys${where}`)
  }
  for (const line of linesOf(text)) {
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

/** Splits a file into lines. @throws {DeniedError} when one is empty */
function linesOf(text: string): string[] {
  if (text === '') return []
  const lines = text.replace(/\n$/, '').split('\n')
  if (lines.includes('')) throw new DeniedError('ed25519', 'Invalid base64 blob format')
  return lines
}

async function isSignedBy(key: Uint8Array, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  if (signature.length !== SIGNATURE_LENGTH) {
    const reason = `Ill-formed input: expected ${SIGNATURE_LENGTH} bytes, got ${signature.length} bytes`
    throw new DeniedError('ed25519', `Invalid signature: ${reason}`)
  }
  return await verifyWithWebCrypto(ED25519, 'raw', key, signature, data)
}

/** Signatures of type `ed25519`. */
export const ed25519: SignatureEngine = {
  name: 'ed25519',
  parsePublicKey: parseEd25519Key,
  parsePublicKeys: parseEd25519Keys,
  parseSecretKey: (text) => parseKey(text, 'secret', SECRET_LENGTH),
  parseSecretKeys: (text) => linesOf(text).map((line) => parseKey(line, 'secret', SECRET_LENGTH)),
  sign: (secret, data) => signWithWebCrypto(ED25519, concatBytes([PKCS8_PREFIX, secret.subarray(0, 32)]), data),
  verify: (data, signatures, keys) => verifyWithKeys('ed25519', isSignedBy, data, signatures, keys),
}
