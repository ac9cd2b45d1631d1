/**
 * Extended attributes as archives carry them, in PAX records of three spellings:
 *
 * ```
 * SCHILY.xattr.NAME=VALUE              both raw
 * LIBARCHIVE.xattr.NAME=VALUE          name URL-encoded, value base64, padding optional
 * RHT.security.selinux=VALUE           the attribute security.selinux
 * ```
 *
 * libostree stores a name given twice, as bsdtar writes each, twice, which it then calls invalid; here the last record
 * of a name wins. Values may be empty.
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

/** @param name as latin1, up to a NUL as the C string it is */
function put(found: Map<string, Xattr>, name: string, value: Uint8Array): void {
  const nul = name.indexOf('\0')
  const text = nul < 0 ? name : name.slice(0, nul)
  if (text === '') return
  // Copied: the record is a view into the reader's buffer.
  found.set(text, [Uint8Array.from(text, (character) => character.charCodeAt(0)), value.slice()])
}

/** Sequences that are none stay as they are. */
function fromUrl(name: string): string {
  return name.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const SEXTETS = new Int8Array(256).fill(-1)
for (const [sextet, code] of encodeUtf8(ALPHABET).entries()) SEXTETS[code] = sextet

/** Ends at the padding or the end; `undefined` when a character is of no base64. */
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
