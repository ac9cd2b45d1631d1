/**
 * Signatures of type `spki`: public keys are SubjectPublicKeyInfo, secret keys PKCS#8. Files hold them in PEM, several in
 * one file if need be; arguments hold base64 of the DER.
 *
 * ```
 * key              signature
 * Ed25519          of RFC 8032, 64 bytes
 * RSA              PKCS#1 v1.5 with SHA-256
 * P-256, -384, -521    ECDSA with SHA-256, in DER
 * ```
 *
 * Source: ostree-sign-spki.c, ostree-blob-reader-pem.c. Other algorithms of OpenSSL are not supported.
 */

import { toHex } from '../bytes.ts'
import { DeniedError, LimitError, UnsupportedError } from '../errors.ts'
import { decodeLenient } from './base64.ts'
import { algorithmOfKey, ecdsaFromDer, ecdsaToDer } from './der.ts'
import { type SignatureEngine, verifyWithKeys } from './engine.ts'
import { ED25519, type KeyAlgorithm, signWithWebCrypto, verifyWithWebCrypto } from './web-crypto.ts'

/** Most bytes of a key or a signature. */
const MAX_LENGTH = 128 * 1024 * 1024

const RSA: KeyAlgorithm = { key: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, use: 'RSASSA-PKCS1-v1_5' }

/** Object identifiers, in hexadecimal. */
const OID = { ed25519: '2b6570', rsa: '2a864886f70d010101', ec: '2a8648ce3d0201' } as const
/** Curves by object identifier: the name, and the length of a number in bytes. */
const CURVES: Readonly<Record<string, readonly [string, number]>> = {
  '2a8648ce3d030107': ['P-256', 32],
  '2b81040022': ['P-384', 48],
  '2b81040023': ['P-521', 66],
}

interface Usable {
  readonly how: KeyAlgorithm
  /** Length of each number of an ECDSA signature in bytes; `undefined` for other algorithms. */
  readonly width?: number
}

/**
 * Finds out how a key is used.
 * @throws {DeniedError} when the bytes are not a key; {UnsupportedError} when its algorithm is not supported
 */
function howToUse(key: Uint8Array): Usable {
  const found = algorithmOfKey(key)
  if (found === undefined) throw unusable()
  const algorithm = toHex(found.algorithm)
  if (algorithm === OID.ed25519) return { how: ED25519 }
  if (algorithm === OID.rsa) return { how: RSA }
  const curve = algorithm === OID.ec && found.curve !== undefined ? CURVES[toHex(found.curve)] : undefined
  if (curve === undefined) throw new UnsupportedError('spki', 'The algorithm of the spki key is not supported')
  const [namedCurve, width] = curve
  return { how: { key: { name: 'ECDSA', namedCurve }, use: { name: 'ECDSA', hash: 'SHA-256' } }, width }
}

function unusable(cause?: unknown): DeniedError {
  return new DeniedError('spki', 'openssl: Failed to initialize spki key', { cause })
}

async function isSignedBy(key: Uint8Array, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  requireLength('public key', key)
  requireLength('signature', signature)
  const { how, width } = howToUse(key)
  const plain = width === undefined ? signature : ecdsaFromDer(signature, width)
  return plain !== undefined && (await verifyWithWebCrypto(how, 'spki', key, plain, data, unusable))
}

function requireLength(what: string, { length }: Uint8Array): void {
  if (length <= MAX_LENGTH) return
  const error = new LimitError(`length of the ${what}`, MAX_LENGTH)
  throw error.withMessage(`Invalid ${what} of ${length} bytes, expected <= ${MAX_LENGTH}`, { cause: error })
}

/**
 * Reads the blocks of a PEM file.
 * @param wanted label of all blocks, such as `PUBLIC KEY`
 * @throws {DeniedError} when a block is not closed or has another label
 */
export function readPem(text: string, wanted: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let label: string | undefined
  let body = ''
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, edge, name] = /^-----(BEGIN|END) (.*)-----$/.exec(line) ?? []
    if (label === undefined) {
      if (edge === 'BEGIN') label = name
    } else if (edge === 'END') {
      if (name !== label) throw new DeniedError('spki', 'Unmatched PEM header')
      if (label !== wanted) throw new DeniedError('spki', `Unexpected label "${label}"`)
      blocks.push(decodeLenient(body) ?? new Uint8Array())
      label = undefined
      body = ''
    } else body += line
  }
  if (label !== undefined) throw new DeniedError('spki', 'PEM trailer not found')
  return blocks
}

function parseDer(text: string): Uint8Array {
  return decodeLenient(text) ?? new Uint8Array()
}

/** Signatures of type `spki`. */
export const spki: SignatureEngine = {
  name: 'spki',
  // As in ostree, what is not a key is refused when it is used.
  parsePublicKey: parseDer,
  parsePublicKeys(text, file) {
    const keys = readPem(text, 'PUBLIC KEY')
    const where = file === undefined ? '' : ` in file '${file}'`
    if (keys.length === 0) throw new DeniedError('spki', `signature: spki: no valid keys${where}`)
    return keys
  },
  parseSecretKey: parseDer,
  parseSecretKeys: (text) => readPem(text, 'PRIVATE KEY'),
  async sign(secret, data) {
    const { how, width } = howToUse(secret)
    const signature = await signWithWebCrypto(how, secret, data)
    return width === undefined ? signature : ecdsaToDer(signature)
  },
  verify: (data, signatures, keys) => verifyWithKeys('spki', isSignedBy, data, signatures, keys),
}
