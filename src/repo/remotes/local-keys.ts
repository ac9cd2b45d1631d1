/**
 * Keys on this machine.
 *
 * ```
 * /usr/share/ostree/trusted.gpg.d/*.gpg     keyrings of the system; $OSTREE_GPG_HOME in its place
 * /etc/ostree, /usr/share/ostree            trusted.ed25519, revoked.ed25519: a key a line; or directories of such, *.d
 * ```
 *
 * Source: ostree-gpg-verifier.c (_ostree_gpg_verifier_add_keyring_dir, _ostree_gpg_verifier_add_keyfile_path);
 * ostree-sign-ed25519.c.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { compareUtf8 } from '../../bytes.ts'
import { LimitError } from '../../errors.ts'
import { unless, withIo } from '../../system/errno.ts'
import type { KeySource } from './signature-keys.ts'

const SYSTEM_KEYRINGS = '/usr/share/ostree/trusted.gpg.d/'
const SYSTEM_KEYS = ['/etc/ostree', '/usr/share/ostree']
/** What GnuPG keeps beside its keyrings. */
const NO_KEYRINGS = ['trustdb.gpg', 'secring.gpg']
const MAX_KEY_FILE = 16 * 1024 * 1024

export interface KeySourceOptions {
  /** Where the keyrings of the system are: `$OSTREE_GPG_HOME`. */
  readonly gpgHome?: string | undefined
}

export function createKeySource({ gpgHome }: KeySourceOptions = {}): KeySource {
  return {
    system: async () => readKeyRings(gpgHome || SYSTEM_KEYRINGS, true),
    at: async (path) =>
      isFile(path) ? [readKeys(path)] : namesIn(path, false).map((name) => readKeys(join(path, name))),
    file: async (path) => unless(['ENOENT'], path, () => readWhole(path)),
    lines: async (kind, what) => SYSTEM_KEYS.flatMap((directory) => keyLines(join(directory, `${what}.${kind}`))),
  }
}

/**
 * The keyrings of a directory: its files `*.gpg`.
 * @param orNone nothing there is success
 * @throws {IoError} `opendir(…): …`
 */
export function readKeyRings(directory: string, orNone = false): Uint8Array[] {
  const names = namesIn(directory, orNone).filter((name) => name.endsWith('.gpg') && !NO_KEYRINGS.includes(name))
  return names.map((name) => readKeys(join(directory, name)))
}

function keyLines(path: string): string[] {
  const files = [path, ...namesIn(`${path}.d`, true).map((name) => join(`${path}.d`, name))]
  const texts = files.filter(isFile).map((file) => new TextDecoder().decode(readKeys(file)))
  return texts.flatMap((text) => text.split('\n')).flatMap((line) => line.trim() || [])
}

/** Of its files, in byte order. */
function namesIn(directory: string, orNone: boolean): string[] {
  const entries = orNone
    ? unless(['ENOENT', 'ENOTDIR'], directory, () => readdirSync(directory))
    : withIo(directory, () => readdirSync(directory))
  return (entries ?? []).filter((name) => isFile(join(directory, name))).sort(compareUtf8)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readKeys(path: string): Uint8Array {
  return withIo(path, () => readWhole(path))
}

function readWhole(path: string): Uint8Array {
  if (statSync(path).size > MAX_KEY_FILE) throw new LimitError(`size of ${path}`, MAX_KEY_FILE)
  return new Uint8Array(readFileSync(path))
}
