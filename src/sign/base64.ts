/** Keys in base64, as GLib decodes it. */

import { decodeBase64 } from './packets.ts'

/** Decodes whole groups of four characters and skips characters outside the alphabet; the remainder is dropped. */
export function decodeLenient(text: string): Uint8Array | undefined {
  const characters = text.replaceAll(/[^A-Za-z0-9+/=]/g, '')
  return decodeBase64(characters.slice(0, characters.length - (characters.length % 4)))
}
