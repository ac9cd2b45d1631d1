/** Imports public OpenPGP keys into the keyring of a remote, `REPO/NAME.trustedkeys.gpg`. */

import { EMPTY_BYTES } from '../../bytes.ts'
import { FormatError, withContext } from '../../errors.ts'
import { mergeKeyRings, selectKeys } from '../../sign/index.ts'
import { type Repo, requireRepoFiles } from '../repo.ts'
import { findRemote } from './remotes.ts'
import { KEYRING_SUFFIX } from './signature-keys.ts'

/** Which keys `importGpgKeys` takes. */
export interface ImportGpgKeysOptions {
  /** Key IDs or fingerprints in hexadecimal, of keys or their subkeys. Default: all keys. Needs the package openpgp. */
  readonly keyIds?: readonly string[] | undefined
}

/**
 * Adds public keys to the keyring that the signatures of a remote are verified with. From then on the system's keyrings are
 * not used for this remote.
 * @param name the remote
 * @param sources keyrings or exported keys, binary or armored
 * @returns the number of keys that the keyring did not have before
 * @throws {NotFoundError} `GPG: Remote "…" not found`, or `GPG: Unable to find key "…": …`
 * @throws {FormatError} `GPG: Unable to export keys: …` when the sources have no usable public key
 * @throws {UnsupportedError} when the repository is not a directory, or `keyIds` are given without the package openpgp
 */
export async function importGpgKeys(
  repo: Repo,
  name: string,
  sources: readonly Uint8Array[],
  { keyIds = [] }: ImportGpgKeysOptions = {},
): Promise<number> {
  try {
    await findRemote(repo, name)
    const files = requireRepoFiles(repo, 'A keyring')
    const wanted = keyIds.length === 0 ? sources : await selectKeys(sources, keyIds)
    const { ring, found, added } = mergeKeyRings((await files.read(name + KEYRING_SUFFIX)) ?? EMPTY_BYTES, wanted)
    if (found === 0) throw new FormatError('GPG keys', 'Unable to export keys: GPGME: No data')
    await files.write(name + KEYRING_SUFFIX, ring)
    return added
  } catch (error) {
    throw withContext('GPG', error)
  }
}
