/**
 * Collects the keys that signatures are verified with.
 *
 * ```
 * REPO/NAME.trustedkeys.gpg      keyring of a remote; if it exists, the system keyrings are not used
 * gpgkeypath                     setting of the remote: files and directories with further keyrings
 * system keyrings                /usr/share/ostree/trusted.gpg.d
 * verification-ed25519-key       setting of the remote: a key in base64
 * verification-ed25519-file      setting of the remote: a file with one key per line
 * ```
 *
 * Source: ostree-repo.c (_ostree_repo_gpg_prepare_verifier), ostree-repo-pull-verify.c (_signapi_load_public_keys).
 */

import { decodeUtf8 } from '../../bytes.ts'
import { DeniedError, NotFoundError, UnsupportedError, withContext } from '../../errors.ts'
import type { Ed25519Keys, KeyRings, TimeFormat } from '../../sign/index.ts'
import { parseEd25519Key, parseEd25519Keys } from '../../sign/index.ts'
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
  /** Returns the system's trusted or revoked keys of a signature type, such as `ed25519`, each as a line of text. */
  lines(kind: string, what: 'trusted' | 'revoked'): Promise<readonly string[]>
}

/** The clock and the keys that verifying signatures needs besides the repository. */
export interface Verification {
  /** Returns the current time in seconds since the epoch, to check whether keys and signatures have expired. */
  readonly now: () => number
  /** Keys outside the repository. Default: none. */
  readonly keys?: KeySource | undefined
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
  for (const path of remote.config.getList(remote.group, 'gpgkeypath', undefined) ?? []) {
    if (keys === undefined) throw new UnsupportedError('gpgkeypath', `Cannot read ${path}: no key source is given`)
    for (const ring of await keys.at(path)) rings.push(ring)
  }
  return own === undefined && keys !== undefined ? [...(await keys.system()), ...rings] : rings
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
 * Returns the Ed25519 keys of a remote. The system's trusted keys are used only if the remote configures none.
 * @throws {DeniedError} when a configured file cannot be read
 * @throws {NotFoundError} when `required` and there are no keys
 */
export async function remoteEd25519Keys(
  { config, group }: Remote,
  { keys }: Verification,
  required: boolean,
): Promise<Ed25519Keys> {
  const inline = config.get(group, 'verification-ed25519-key')
  const path = config.get(group, 'verification-ed25519-file')
  const revoked = soundKeys((await keys?.lines('ed25519', 'revoked')) ?? [])
  const trusted = path === undefined ? [] : [...(await keysOfFile(keys, path))]
  if (inline !== undefined) {
    try {
      trusted.push(parseEd25519Key(inline))
    } catch (error) {
      throw withContext("Failed loading 'ed25519' keys from inline `verification-key`", error)
    }
  }
  if (path === undefined && inline === undefined) {
    for (const key of soundKeys((await keys?.lines('ed25519', 'trusted')) ?? [])) trusted.push(key)
  }
  if (required && trusted.length === 0) {
    throw new NotFoundError('ed25519', 'No keys found for required signapi type ed25519')
  }
  return { trusted, revoked }
}

/** Returns the keys among lines of the system's files; lines that are not keys are skipped. */
function soundKeys(lines: readonly string[]): Uint8Array[] {
  return lines.flatMap((line) => {
    try {
      return [parseEd25519Key(line)]
    } catch {
      return []
    }
  })
}

/** @throws {DeniedError} when the file does not exist, has an empty line, or has no line that is a key */
async function keysOfFile(keys: KeySource | undefined, path: string): Promise<Uint8Array[]> {
  try {
    const text = decodeUtf8((await keys?.file(path)) ?? new Uint8Array(1).fill(0xff))
    if (text === undefined) throw new DeniedError(path, 'Cannot read the file')
    return parseEd25519Keys(text)
  } catch (error) {
    // As in ostree, the quote is not closed.
    throw withContext(`Failed loading 'ed25519' keys from '${path}`, error)
  }
}
