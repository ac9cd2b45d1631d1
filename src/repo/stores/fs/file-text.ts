import { decodeUtf8 } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'

/**
 * Decodes the text of a file that holds a ref or the configuration.
 * @param shown path of the file in the repository, for errors
 * @throws {FormatError} `Invalid UTF-8` if the bytes are not UTF-8, or one of them is NUL; in ostree's words
 */
export function fileText(bytes: Uint8Array, shown: string): string {
  const text = bytes.includes(0) ? undefined : decodeUtf8(bytes)
  if (text === undefined) throw new FormatError(shown, 'Invalid UTF-8')
  return text
}
