/** Files with OpenPGP keys, and what is printed of their import. */

import { resolve } from 'node:path'
import { displayUtf8, unescapeUtf8 } from '../../../bytes.ts'
import { readBytes } from '../../values.ts'

/** Reads a file with keys. @throws {IoError} `Error opening file …` */
export function readKeyFile(path: string): Uint8Array {
  return readBytes(path, (reason) => `Error opening file ${displayUtf8(unescapeUtf8(resolve(path)))}: ${reason}`)
}

/** Returns the line that tells how many keys are new to a remote. */
export function importedText(remote: string, count: number): string {
  return `Imported ${count} GPG ${count === 1 ? 'key' : 'keys'} to remote "${remote}"`
}
