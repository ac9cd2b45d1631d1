/** Keys that the signatures of static deltas are verified with, as options and arguments give them. */

import type { DeltaVerifier } from '../../repo/index.ts'
import { engineOf, keysOf, type SignOptions, VERIFY_OPTIONS } from '../signing/keys.ts'

export const SIGN_OPTIONS = VERIFY_OPTIONS

/**
 * Returns what verifies signatures with the given keys; without any, with those of the system.
 * @throws {UnsupportedError} `Requested signature type is not implemented`
 * @throws {DeniedError}, {IoError} if keys are malformed, or cannot be read
 */
export async function makeVerifier(
  options: SignOptions,
  keys: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<DeltaVerifier> {
  const engine = engineOf(options, env)
  // The type dummy has no keys of the system.
  const hasKeys = keys.length > 0 || engine.name === 'dummy'
  const given = keys.map((key) => engine.parsePublicKey(key))
  if (engine.name === 'dummy') engine.parsePublicKey('') // refused unless it is enabled
  const { trusted, revoked } =
    hasKeys && options['keys-file'] === undefined ? { trusted: [] } : await keysOf(engine, options)
  const all = { trusted: [...given, ...trusted], revoked }
  return { engine: engine.name, verify: (data, signatures) => engine.verify(data, signatures, all) }
}
