/**
 * Reads extended attributes from the PAX records of an archive, in three formats:
 *
 * ```
 * SCHILY.xattr.NAME=VALUE              name and value as bytes
 * LIBARCHIVE.xattr.NAME=VALUE          name URL-encoded; value in base64, with optional padding
 * RHT.security.selinux=VALUE           the attribute security.selinux
 * ```
 *
 * bsdtar writes each attribute in the first two formats. libostree then stores the attribute twice, which it considers
 * invalid when it reads the object. Here the last record of a name is used. Values may be empty.
 *
 * Source: libarchive, archive_read_support_format_tar.c, pax_attribute.
 */

import { encodeUtf8 } from '../../../bytes.ts'
import { sortXattrs, type Xattr, type Xattrs } from '../../../objects/index.ts'
import type { PaxRecord } from '../../../tar/index.ts'

const SCHILY = 'SCHILY.xattr.'
const LIBARCHIVE = 'LIBARCHIVE.xattr.'
const SELINUX = 'RHT.security.selinux'

export const NO_XATTRS: Xattrs = []

/** Returns the extended attributes in PAX records, in canonical order. Values are copied. */
export function xattrsFromPax(records: readonly PaxRecord[]): Xattrs {
  if (records.length === 0) return NO_XATTRS
  const found = new Map<string, Xattr>()
  for (const { key, value } of records) {
    if (key.startsWith(SCHILY)) put(found, key.slice(SCHILY.length), value)
    else if (key === SELINUX) put(found, 'security.selinux', value)
    else if (key.startsWith(LIBARCHIVE)) {
      const decoded = fromBase64(value)
      if (decoded !== undefined) put(found, fromUrl(key.slice(LIBARCHIVE.length)), decoded)
    }
  }
  return found.size === 0 ? NO_XATTRS : sortXattrs([...found.values()])
}

/** Adds an attribute. @param name one character per byte (latin1); it ends at a NUL, as a C string does */
function put(found: Map<string, Xattr>, name: string, value: Uint8Array): void {
  const nul = name.indexOf('\0')
  const text = nul < 0 ? name : name.slice(0, nul)
  if (text === '') return
  // Copied, because the record is a view into the buffer of the tar parser.
  found.set(text, [Uint8Array.from(text, (character) => character.charCodeAt(0)), new Uint8Array(value)])
}

/** Decodes `%XX` sequences; invalid ones are unchanged. */
function fromUrl(name: string): string {
  return name.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const SEXTETS = new Int8Array(256).fill(-1)
for (const [sextet, code] of encodeUtf8(ALPHABET).entries()) SEXTETS[code] = sextet

/** Decodes base64 up to the padding or the end. @returns `undefined` when a character is not base64 */
function fromBase64(text: Uint8Array): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4))
  let length = 0
  let bits = 0
  let count = 0
  for (const code of text) {
    if (code === 0x3d) break
    const sextet = SEXTETS[code] as number
    if (sextet < 0) return undefined
    bits = ((bits << 6) | sextet) & 0xffffff
    count += 6
    if (count >= 8) {
      count -= 8
      bytes[length++] = bits >> count
    }
  }
  return bytes.slice(0, length)
}
