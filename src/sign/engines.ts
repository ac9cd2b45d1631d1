/** Finds engines by name, and makes signers with secret keys. */

import { UnsupportedError, withContext } from '../errors.ts'
import { createDummyEngine } from './dummy.ts'
import { ed25519 } from './ed25519.ts'
import type { SignatureEngine } from './engine.ts'
import type { Signer } from './interface.ts'
import { spki } from './spki.ts'

/** The engines in the order in which ostree tries them. */
export function signatureEngines(dummy = false): readonly SignatureEngine[] {
  return [ed25519, spki, createDummyEngine(dummy)]
}

/**
 * Returns the engine of a type of signatures.
 * @param dummy enables the type `dummy`
 * @throws {UnsupportedError} `Requested signature type is not implemented`
 */
export function signatureEngine(name: string, dummy = false): SignatureEngine {
  const engine = signatureEngines(dummy).find((each) => each.name === name)
  if (engine !== undefined) return engine
  throw new UnsupportedError(name, 'Requested signature type is not implemented')
}

/** Makes a signer with a secret key in the form of the engine's `parseSecretKey`. */
export function createSigner(engine: SignatureEngine, secretKey: Uint8Array): Signer {
  return {
    engine: engine.name,
    async sign(data) {
      try {
        return await engine.sign(secretKey, data)
      } catch (error) {
        throw withContext('Not able to sign the cobject', error)
      }
    },
  }
}
