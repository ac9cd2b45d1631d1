/**
 * Signatures of type `dummy`, which ostree has for its tests: the signature is the text of the key, whatever the data.
 *
 * Source: ostree-sign-dummy.c.
 */

import { decodeUtf8, encodeUtf8 } from '../bytes.ts'
import { DeniedError, UnsupportedError } from '../errors.ts'
import type { SignatureEngine } from './engine.ts'

/** Returned by all functions of the engine unless it is enabled. */
function refusal(): UnsupportedError {
  return new UnsupportedError('dummy', 'dummy signature type is only for ostree testing')
}

/**
 * Creates the engine.
 * @param enabled whether `OSTREE_DUMMY_SIGN_ENABLED` is set; without it everything throws `UnsupportedError`
 */
export function createDummyEngine(enabled: boolean): SignatureEngine {
  const parse = (text: string): Uint8Array => {
    if (!enabled) throw refusal()
    return encodeUtf8(text)
  }
  const parseLines = (text: string): Uint8Array[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n').map(parse))
  return {
    name: 'dummy',
    parsePublicKey: parse,
    parsePublicKeys: parseLines,
    parseSecretKey: parse,
    parseSecretKeys: parseLines,
    async sign(secret) {
      if (!enabled) throw refusal()
      return secret
    },
    async verify(_, signatures, { trusted }) {
      if (!enabled) throw refusal()
      // The engine holds one key: the last one that was set.
      const key = trusted.at(-1)
      const text = key && decodeUtf8(key)
      const isGood = signatures.some((signature) => text !== undefined && decodeUtf8(signature) === text)
      if (isGood) return 'dummy: Signature verified'
      const { length } = signatures
      const reason = length === 0 ? 'no signatures' : `incorrect signatures found: ${length}`
      throw new DeniedError('dummy', `signature: dummy: ${reason}`)
    },
  }
}
