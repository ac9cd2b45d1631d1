/** Keys that the signatures of static deltas are verified with, as options and arguments give them. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeniedError, UnsupportedError } from '../../errors.ts'
import type { DeltaVerifier } from '../../repo/index.ts'
import { createKeySource } from '../../repo/local.ts'
import { parseEd25519Key, parseEd25519Keys, verifyEd25519 } from '../../sign/index.ts'
import { fileError } from '../values.ts'

export const SIGN_OPTIONS = {
  'sign-type': { type: 'string', arg: 'NAME', help: "Signature type to use (defaults to 'ed25519')" },
  'keys-file': { type: 'string', arg: 'NAME', help: 'Read key(s) from file' },
  'keys-dir': {
    type: 'string',
    arg: 'NAME',
    help: 'Redefine system-wide directories with public and revoked keys for verification',
  },
} as const

export interface VerifierOptions {
  readonly 'sign-type': string | undefined
  readonly 'keys-file': string | undefined
  readonly 'keys-dir': string | undefined
}

/** Returned for a type of signatures that is not known. */
export const NOT_IMPLEMENTED = 'Requested signature type is not implemented'

/**
 * Returns what verifies signatures with the given keys; without any, with those of the system.
 * @throws {UnsupportedError} `Requested signature type is not implemented`
 * @throws {DeniedError}, {IoError} if keys are malformed, or cannot be read
 */
export async function makeVerifier(
  options: VerifierOptions,
  keys: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<DeltaVerifier> {
  const engine = options['sign-type'] ?? 'ed25519'
  if (engine === 'dummy') return dummyVerifier(keys, env)
  if (engine !== 'ed25519') throw new UnsupportedError(engine, NOT_IMPLEMENTED)
  const trusted = keys.map(parseEd25519Key)
  const revoked: Uint8Array[] = []
  const file = options['keys-file']
  const directory = options['keys-dir']
  if (file !== undefined) trusted.push(...parseEd25519Keys(readText(file)))
  else if (keys.length === 0) {
    const lines = async (what: 'trusted' | 'revoked') =>
      directory === undefined ? await createKeySource().lines('ed25519', what) : linesIn(directory, what)
    trusted.push(...soundKeys(await lines('trusted')))
    revoked.push(...soundKeys(await lines('revoked')))
    if (trusted.length === 0) throw new DeniedError('ed25519', 'signature: ed25519: no keys loaded')
  }
  return { engine, verify: (data, signatures) => verifyEd25519(data, signatures, { trusted, revoked }) }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw fileError(error, path, (reason) => `Error opening file ${path}: ${reason}`)
  }
}

/** Reads the lines of `WHAT.ed25519` and of the files in `WHAT.ed25519.d`. */
function linesIn(directory: string, what: string): string[] {
  const base = join(directory, `${what}.ed25519`)
  let names: string[] = []
  try {
    names = readdirSync(`${base}.d`).map((name) => join(`${base}.d`, name))
  } catch {
    // There need not be such a directory, nor such a file.
  }
  return [base, ...names].flatMap((path) => {
    try {
      return readFileSync(path, 'utf8').split('\n')
    } catch {
      return []
    }
  })
}

function soundKeys(lines: readonly string[]): Uint8Array[] {
  return lines.flatMap((line) => {
    try {
      return [parseEd25519Key(line)]
    } catch {
      return []
    }
  })
}

/** The type for tests of ostree: the signature is the text of the key. Source: ostree-sign-dummy.c. */
function dummyVerifier(keys: readonly string[], env: Readonly<Record<string, string | undefined>>): DeltaVerifier {
  if (env['OSTREE_DUMMY_SIGN_ENABLED'] === undefined) {
    throw new UnsupportedError('dummy', 'dummy signature type is only for ostree testing')
  }
  const key = keys.at(-1)
  return {
    engine: 'dummy',
    verify(_, signatures) {
      const decoder = new TextDecoder()
      if (key !== undefined && signatures.some((signature) => decoder.decode(signature) === key)) {
        return 'dummy: Signature verified'
      }
      throw new DeniedError('dummy', 'signature: dummy: incorrect signature')
    },
  }
}
