/**
 * Collects the keys that signatures are verified with.
 *
 * ```
 * REPO/NAME.trustedkeys.gpg      keyring of a remote; if it exists, the system keyrings are not used
 * gpgkeypath                     setting of the remote: files and directories with further keyrings
 * system keyrings                /usr/share/ostree/trusted.gpg.d
 * verification-TYPE-key          setting of the remote: a key of type ed25519 or spki, in base64
 * verification-TYPE-file         setting of the remote: a file of keys
 * ```
 *
 * Source: ostree-repo.c (_ostree_repo_gpg_prepare_verifier), ostree-repo-pull-verify.c (_signapi_load_public_keys).
 */

import { decodeUtf8 } from '../../bytes.ts'
import { DeniedError, FormatError, NotFoundError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { KeyRings, PublicKeys, SignatureEngine, TimeFormat } from '../../sign/index.ts'
import type { Repo } from '../repo.ts'
import type { Remote } from './remotes.ts'

/** Access to keys outside the repository. */
export interface KeySource {
  /** Returns the system keyrings. */
  system(): Promise<KeyRings>
  /** Returns the keyring in a file, or those in a directory. @throws {IoError} when `path` does not exist */
  at(path: string): Promise<KeyRings>
  /** Reads a file. @returns `undefined` when it does not exist */
  file(path: string): Promise<Uint8Array | undefined>
  /** Returns the contents of the system's files of trusted or revoked keys of a signature type, such as `ed25519`. */
  keyFiles(kind: string, what: 'trusted' | 'revoked'): Promise<readonly Uint8Array[]>
}

/** The clock and the keys that verifying signatures needs besides the repository. */
export interface Verification {
  /** Returns the current time in seconds since the epoch, to check whether keys and signatures have expired. */
  readonly now: () => number
  /** Keys outside the repository. Default: none. */
  readonly keys?: KeySource | undefined
  /** Accepts signatures of type `dummy`, which prove nothing: they are for tests of ostree. Default: false. */
  readonly dummySignatures?: boolean | undefined
  /** Formats times in messages. Default: UTC. */
  readonly formatTime?: TimeFormat | undefined
}

/** Ends the name of a remote's keyring. */
export const KEYRING_SUFFIX = '.trustedkeys.gpg'

/**
 * Returns the keyrings for GPG signatures of `remote`.
 * @throws {UnsupportedError} when `gpgkeypath` is set and there is no `KeySource`
 * @throws {IoError} when a path of `gpgkeypath` does not exist
 */
export async function remoteKeyRings(repo: Repo, remote: Remote, { keys }: Verification): Promise<KeyRings> {
  const rings: Uint8Array[] = []
  const own = await repo.storage.files?.read(`${remote.name}${KEYRING_SUFFIX}`)
  if (own !== undefined) rings.push(own)
  for (const path of keyPaths(remote)) {
    if (keys === undefined) throw new UnsupportedError('gpgkeypath', `Cannot read ${path}: no key source is given`)
    for (const ring of await keys.at(path)) rings.push(ring)
  }
  return own === undefined && keys !== undefined ? [...(await keys.system()), ...rings] : rings
}

/** Returns the paths of `gpgkeypath`, which are separated by `;` or by `,`. @throws {FormatError} when it has both */
function keyPaths({ config, group }: Remote): readonly string[] {
  const text = config.get(group, 'gpgkeypath')
  if (text === undefined || !text.includes(',')) return config.getList(group, 'gpgkeypath', undefined) ?? []
  if (text.includes(';')) throw new FormatError('gpgkeypath', `key value list contains more than one separator`)
  // As in GLib's lists only a separator at the end has no path after it; elsewhere there is an empty one, which does not exist.
  return text.replace(/,$/, '').split(',')
}

/** Returns the keyrings of all remotes, and the system keyrings. */
export async function allKeyRings(repo: Repo, { keys }: Verification): Promise<KeyRings> {
  const { files } = repo.storage
  const rings: Uint8Array[] = []
  for (const name of (await files?.list('')) ?? []) {
    const ring = name.endsWith('.gpg') ? await files?.read(name) : undefined
    if (ring !== undefined) rings.push(ring)
  }
  return keys === undefined ? rings : [...rings, ...(await keys.system())]
}

/**
 * Returns the keys of a remote for one type of signatures. The system's trusted keys are used only if the remote configures
 * none.
 * @throws {DeniedError} when a configured key or file cannot be read
 * @throws {NotFoundError} when `required` and there are no keys
 */
export async function remotePublicKeys(
  { config, group }: Remote,
  engine: SignatureEngine,
  { keys }: Verification,
  required: boolean,
): Promise<PublicKeys> {
  const { name } = engine
  const inline = config.get(group, `verification-${name}-key`)
  const path = config.get(group, `verification-${name}-file`)
  const revoked = await systemPublicKeys(engine, keys, 'revoked')
  const trusted = path === undefined ? [] : [...(await keysOfFile(engine, keys, path))]
  if (inline !== undefined) {
    try {
      trusted.push(engine.parsePublicKey(inline))
    } catch (error) {
      throw withContext(`Failed loading '${name}' keys from inline \`verification-key\``, error)
    }
  }
  if (path === undefined && inline === undefined) {
    for (const key of await systemPublicKeys(engine, keys, 'trusted')) trusted.push(key)
  }
  if (required && trusted.length === 0) {
    throw new NotFoundError(name, `No keys found for required signapi type ${name}`)
  }
  return { trusted, revoked }
}

/** Returns the system's keys. Files that are malformed or without a key are skipped. */
export async function systemPublicKeys(
  engine: SignatureEngine,
  source: KeySource | undefined,
  what: 'trusted' | 'revoked',
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (const bytes of (await source?.keyFiles(engine.name, what)) ?? []) {
    try {
      for (const key of engine.parsePublicKeys(decodeUtf8(bytes) ?? '')) found.push(key)
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
    }
  }
  return found
}

/** @throws {DeniedError} when the file does not exist, or is not one of keys */
async function keysOfFile(engine: SignatureEngine, keys: KeySource | undefined, path: string): Promise<Uint8Array[]> {
  try {
    const text = decodeUtf8((await keys?.file(path)) ?? new Uint8Array(1).fill(0xff))
    if (text === undefined) throw new DeniedError(path, 'Cannot read the file')
    return engine.parsePublicKeys(text, path)
  } catch (error) {
    // As in ostree, the quote is not closed.
    throw withContext(`Failed loading '${engine.name}' keys from '${path}`, error)
  }
}
