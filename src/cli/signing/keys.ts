/** Engines and keys of signatures, as options and arguments give them. */

import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { decodeUtf8 } from '../../bytes.ts'
import { DeniedError, IoError, UnsupportedError, withContext } from '../../errors.ts'
import { createSigner, type PublicKeys, type SignatureEngine, type Signer, signatureEngine } from '../../repo/index.ts'
import { systemPublicKeys } from '../../repo/internal.ts'
import { createKeySource } from '../../repo/local.ts'
import { fsPath } from '../../system/raw-path.ts'
import { fileError } from '../values.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Options of commands that verify signatures. */
export const VERIFY_OPTIONS = {
  'sign-type': { type: 'string', arg: 'NAME', help: "Signature type to use (defaults to 'ed25519')" },
  'keys-file': { type: 'string', arg: 'NAME', help: 'Read key(s) from file' },
  'keys-dir': {
    type: 'string',
    arg: 'NAME',
    help: 'Redefine system-wide directories with public and revoked keys for verification',
  },
} as const

export interface SignOptions {
  readonly 'sign-type'?: string | undefined
  readonly 'keys-file'?: string | undefined
  readonly 'keys-dir'?: string | undefined
}

/** The message for a type of signatures that is not known. */
export const NOT_IMPLEMENTED = 'Requested signature type is not implemented'

/** Returns the engine of `--sign-type`. @throws {UnsupportedError} `Requested signature type is not implemented` */
export function engineOf({ 'sign-type': type = 'ed25519' }: SignOptions, env: Environment): SignatureEngine {
  return signatureEngine(type, env['OSTREE_DUMMY_SIGN_ENABLED'] !== undefined)
}

/**
 * Returns the public keys of `--keys-file`; without it those of the system, or of `--keys-dir`.
 * @throws {DeniedError}, {IoError} when the file cannot be read or is not one of keys; when the system has no keys
 */
export async function keysOf(engine: SignatureEngine, options: SignOptions): Promise<PublicKeys> {
  const { 'keys-file': file, 'keys-dir': directory } = options
  if (file !== undefined) return { trusted: engine.parsePublicKeys(readKeys(file), file) }
  const source = createKeySource(directory === undefined ? {} : { keysDirectories: [directory] })
  const trusted = await systemPublicKeys(engine, source, 'trusted')
  if (trusted.length === 0) throw new DeniedError(engine.name, `signature: ${engine.name}: no keys loaded`)
  return { trusted, revoked: await systemPublicKeys(engine, source, 'revoked') }
}

/**
 * Returns signers for secret keys, in the order of ostree. Their keys are read when they sign, so that errors come as late as
 * from ostree.
 */
export function signersOf(options: SignOptions, keys: readonly string[], env: Environment): Signer[] {
  return keys.map((key) => lazySigner(options, env, (engine) => createSigner(engine, engine.parseSecretKey(key))))
}

/** Returns signers for the first key of each file. */
export function fileSignersOf(options: SignOptions, files: readonly string[], env: Environment): Signer[] {
  return files.map((file) =>
    lazySigner(options, env, (engine) =>
      createSigner(engine, secretKeysOf(engine, file, resolve(file))[0] as Uint8Array),
    ),
  )
}

/**
 * Returns signers for all keys of `--keys-file`; none without that option.
 * @throws {IoError} `File object 'F' is not a regular file`; {DeniedError} when there is no key in it
 */
export function keysFileSigners(engineOf: () => SignatureEngine, { 'keys-file': file }: SignOptions): Signer[] {
  if (file === undefined) return []
  const engine = engineOf()
  return secretKeysOf(engine, file, file).map((key) => createSigner(engine, key))
}

function lazySigner(options: SignOptions, env: Environment, make: (engine: SignatureEngine) => Signer): Signer {
  const type = options['sign-type'] ?? 'ed25519'
  return { engine: type, sign: (data) => make(engineOf(options, env)).sign(data) }
}

/** @returns at least one key */
function secretKeysOf(engine: SignatureEngine, file: string, shown: string): Uint8Array[] {
  const text = readKeys(file, shown)
  let keys: Uint8Array[]
  try {
    keys = engine.parseSecretKeys(text)
  } catch (error) {
    throw withContext(`Reading ${file}`, error)
  }
  // ostree aborts here.
  if (keys.length === 0) throw new DeniedError(file, `The file ${file} holds no secret key`)
  return keys
}

function readKeys(path: string, shown = path): string {
  const failed = (error: unknown): unknown =>
    fileError(error, path, (reason) => `Error opening file ${shown}: ${reason}`)
  let bytes: Uint8Array
  try {
    if (!statSync(fsPath(path)).isFile())
      throw new IoError(`File object '${path}' is not a regular file`, 'EINVAL', path)
    bytes = readFileSync(fsPath(path))
  } catch (error) {
    throw error instanceof IoError ? error : failed(error)
  }
  const text = decodeUtf8(bytes)
  if (text === undefined) throw new UnsupportedError(path, `The file ${path} is not one of keys`)
  return text
}
