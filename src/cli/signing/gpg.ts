/** GPG keys, as options of commands give them. */

import { resolve } from 'node:path'
import type { KeyRings, Signer, Verification } from '../../repo/index.ts'
import { createGpgSigner, readKeyRings } from '../../repo/local.ts'
import { withIo } from '../../system/errno.ts'
import { directoryPath } from '../../system/raw-path.ts'

/** Returns signers for the keys of `--gpg-sign`. */
export function gpgSignersOf(keyIds: readonly string[], homedir: string | undefined): Signer[] {
  return keyIds.map((keyId) => createGpgSigner(keyId, { homedir }))
}

/** Returns the system's keyrings and those of `--gpg-homedir`. @throws {IoError} `opendir(…): …` */
export async function keyRingsOf({ keys }: Verification, homedir: string | undefined): Promise<KeyRings> {
  const own = homedir === undefined ? [] : readKeyRings(withIo(homedir, () => directoryPath(resolve(homedir))))
  return [...((await keys?.system()) ?? []), ...own]
}
