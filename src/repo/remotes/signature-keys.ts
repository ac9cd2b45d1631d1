/**
 * The keys commits are checked with.
 *
 * ```
 * REPO/NAME.trustedkeys.gpg      the keyring of a remote; when it has one, those of the system do not count
 * gpgkeypath                     a key of the remote's group: files and directories, besides
 * the keyrings of the system     /usr/share/ostree/trusted.gpg.d
 * verification-ed25519-key       a key of the remote's group: base64
 * verification-ed25519-file      the same: a file, a key a line
 * ```
 *
 * Source: ostree-repo.c (_ostree_repo_gpg_prepare_verifier), ostree-repo-pull-verify.c (_signapi_load_public_keys).
 */

import { decodeUtf8 } from '../../bytes.ts'
import { DeniedError, NotFoundError, UnsupportedError, withContext } from '../../errors.ts'
import type { Ed25519Keys, KeyRings, TimeFormat } from '../../sign/index.ts'
import { parseEd25519Key } from '../../sign/index.ts'
import type { Repo } from '../repo.ts'
import type { Remote } from './remotes.ts'

/** Where keys are that no repository holds. */
export interface KeySource {
  /** The keyrings of the system. */
  system(): Promise<KeyRings>
  /** A key file, or those of a directory. @throws {IoError} when there is none */
  at(path: string): Promise<KeyRings>
  /** A file whole; `undefined` when there is none. */
  file(path: string): Promise<Uint8Array | undefined>
  /** Keys for signatures of a kind that are trusted, or revoked, on all of the system; a line each. */
  lines(kind: string, what: 'trusted' | 'revoked'): Promise<readonly string[]>
}

/** What verifying asks of its surroundings. */
export interface Verification {
  /** Seconds since the epoch: keys and signatures expire. */
  readonly now: () => number
  /** Default: there are only those in the repository. */
  readonly keys?: KeySource | undefined
  /** How times are told. Default UTC. */
  readonly formatTime?: TimeFormat | undefined
}

const KEYRING = '.trustedkeys.gpg'

/** The rings that signatures for `remote` are checked with. */
export async function remoteKeyRings(repo: Repo, remote: Remote, { keys }: Verification): Promise<KeyRings> {
  const rings: Uint8Array[] = []
  const own = await repo.storage.files?.read(`${remote.name}${KEYRING}`)
  if (own !== undefined) rings.push(own)
  for (const path of remote.config.getList(remote.group, 'gpgkeypath', undefined) ?? []) {
    if (keys === undefined) throw new UnsupportedError('gpgkeypath', `There are no files to read ${path} from`)
    rings.push(...(await keys.at(path)))
  }
  return own === undefined && keys !== undefined ? [...(await keys.system()), ...rings] : rings
}

/** The rings of all remotes, and of the system. */
export async function allKeyRings(repo: Repo, { keys }: Verification): Promise<KeyRings> {
  const { files } = repo.storage
  const rings: Uint8Array[] = []
  for (const name of (await files?.list('')) ?? []) {
    const ring = name.endsWith('.gpg') ? await files?.read(name) : undefined
    if (ring !== undefined) rings.push(ring)
  }
  return keys === undefined ? rings : [...rings, ...(await keys.system())]
}

/** @throws {DeniedError} when what the remote names cannot be read; {NotFoundError} when it names none, if `required` */
export async function remoteEd25519Keys(
  { config, group }: Remote,
  { keys }: Verification,
  required: boolean,
): Promise<Ed25519Keys> {
  const inline = config.get(group, 'verification-ed25519-key')
  const path = config.get(group, 'verification-ed25519-file')
  const revoked = ((await keys?.lines('ed25519', 'revoked')) ?? []).map(parseEd25519Key)
  const trusted: Uint8Array[] = []
  if (path !== undefined) trusted.push(...(await keysOfFile(keys, path)))
  if (inline !== undefined) {
    try {
      trusted.push(parseEd25519Key(inline))
    } catch (error) {
      throw withContext("Failed loading 'ed25519' keys from inline `verification-key`", error)
    }
  }
  if (path === undefined && inline === undefined) {
    trusted.push(...((await keys?.lines('ed25519', 'trusted')) ?? []).map(parseEd25519Key))
  }
  if (required && trusted.length === 0) {
    throw new NotFoundError('ed25519', 'No keys found for required signapi type ed25519')
  }
  return { trusted, revoked }
}

async function keysOfFile(keys: KeySource | undefined, path: string): Promise<Uint8Array[]> {
  const text = decodeUtf8((await keys?.file(path)) ?? new Uint8Array(1).fill(0xff))
  if (text === undefined) throw new DeniedError(path, `Failed loading 'ed25519' keys from '${path}'`)
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '').map(parseEd25519Key)
}
