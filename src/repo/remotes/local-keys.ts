/**
 * Reads the keys that this machine trusts.
 *
 * ```
 * /usr/share/ostree/trusted.gpg.d/*.gpg     system keyrings; $OSTREE_GPG_HOME replaces the directory
 * /etc/ostree, /usr/share/ostree            trusted.TYPE and revoked.TYPE, files of keys, where TYPE is ed25519 or spki;
 *                                           trusted.TYPE.d and revoked.TYPE.d, directories of such files
 * ```
 *
 * Source: ostree-gpg-verifier.c (_ostree_gpg_verifier_add_keyring_dir, _ostree_gpg_verifier_add_keyfile_path);
 * ostree-sign-ed25519.c.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { compareUtf8 } from '../../bytes.ts'
import { IoError, LimitError } from '../../errors.ts'
import { namesIn } from '../../system/directories.ts'
import { unless, withIo } from '../../system/errno.ts'
import type { KeySource } from './signature-keys.ts'

const SYSTEM_KEYRINGS = '/usr/share/ostree/trusted.gpg.d/'
const SYSTEM_KEYS = ['/etc/ostree', '/usr/share/ostree']
/** Files of GnuPG that are not public keyrings. */
const NOT_KEYRINGS = ['trustdb.gpg', 'secring.gpg']
/** Maximum size of a key file in bytes. */
const MAX_KEY_FILE = 16 * 1024 * 1024

/** Directories of keys. */
export interface KeySourceOptions {
  /** Directory of the system keyrings: `$OSTREE_GPG_HOME`. Default `/usr/share/ostree/trusted.gpg.d`. */
  readonly gpgHome?: string | undefined
  /** Directories of the files `trusted.TYPE` and `revoked.TYPE`. Default `/etc/ostree` and `/usr/share/ostree`. */
  readonly keysDirectories?: readonly string[] | undefined
}

/** Creates a source of the keys on this machine. A file larger than 16 MiB is refused with `LimitError`. */
export function createKeySource({ gpgHome, keysDirectories = SYSTEM_KEYS }: KeySourceOptions = {}): KeySource {
  return {
    system: async () => readKeyRings(gpgHome || SYSTEM_KEYRINGS, true),
    at: async (path) =>
      isFile(path)
        ? [readKeys(path)]
        : filesIn(
            path,
            withIo(path, () => readdirSync(path)),
          ).map((name) => readKeys(join(path, name))),
    file: async (path) => unless(['ENOENT'], path, () => readKeyFile(path)),
    keyFiles: async (kind, what) =>
      keysDirectories.flatMap((directory) => keyFiles(join(directory, `${what}.${kind}`))),
  }
}

/**
 * Reads the keyrings of a directory: its files `*.gpg`, in byte order.
 * @param mayBeMissing return no keyrings when the directory does not exist
 * @throws {IoError} `opendir(…): …` when the directory cannot be read
 * @throws {LimitError} when a file is larger than 16 MiB
 */
export function readKeyRings(directory: string, mayBeMissing = false): Uint8Array[] {
  const found = mayBeMissing ? namesIn(directory) : withIo(directory, () => readdirSync(directory))
  const names = filesIn(directory, found).filter((name) => name.endsWith('.gpg') && !NOT_KEYRINGS.includes(name))
  return names.map((name) => readKeys(join(directory, name)))
}

/** Reads the file `path` and those of the directory `path.d`. Files that cannot be read are skipped. */
function keyFiles(path: string): Uint8Array[] {
  const files = [path, ...filesIn(`${path}.d`, namesIn(`${path}.d`)).map((name) => join(`${path}.d`, name))]
  return files.filter(isFile).flatMap((file) => {
    try {
      return [readKeys(file)]
    } catch (error) {
      if (error instanceof IoError) return []
      throw error
    }
  })
}

/** Selects the names that are regular files of the directory, in byte order. */
function filesIn(directory: string, names: readonly string[]): string[] {
  return names.filter((name) => isFile(join(directory, name))).sort(compareUtf8)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readKeys(path: string): Uint8Array {
  return withIo(path, () => readKeyFile(path))
}

function readKeyFile(path: string): Uint8Array {
  if (statSync(path).size > MAX_KEY_FILE) throw new LimitError(`size of ${path}`, MAX_KEY_FILE)
  return new Uint8Array(readFileSync(path))
}
