/**
 * The header that is hashed before the content of a file: `(uuuusa(ayay))`, big-endian, framed (frame.ts). The
 * uncompressed content stream of pulls and deltas starts with the same bytes.
 * Source: ostree-core.c, _ostree_file_header_new.
 */

import { byteKey } from '../bytes.ts'
import { FormatError } from '../errors.ts'
import { string, struct, u32be } from '../gvariant/index.ts'
import { frameHeader, unframeHeader } from './frame.ts'
import { type FileHeader, isSymlink, S_IFMT, S_IFREG } from './interface.ts'
import { Xattrs } from './xattrs.ts'

/**
 * Members of the header: alone when hashed, and after a size in `.filez`. `rdev` is always 0, as ostree does not store
 * devices.
 */
export const headerFields = { uid: u32be, gid: u32be, mode: u32be, rdev: u32be, target: string, xattrs: Xattrs }

const Header = struct(headerFields)

/** Encodes the framed header, ready to be hashed. Xattrs keep their order. */
export function encodeFileHeader(header: FileHeader): Uint8Array {
  return frameHeader(Header.encode({ ...header, rdev: 0 }))
}

/**
 * Reads the framed header of an uncompressed content stream. Names and values of xattrs are views.
 * @param bytes start of the stream, at least to the end of the header
 * @param size length of the whole stream, in bytes
 * @returns the header, and the offset of the content in `bytes`
 * @throws {FormatError} when the header is cut off, or not of a regular file or symbolic link
 */
export function decodeFileHeader(bytes: Uint8Array, size = bytes.length): { header: FileHeader; bodyOffset: number } {
  const framed = unframeHeader(bytes, size)
  const header = acceptHeader(Header.decode(framed))
  return { header, bodyOffset: framed.byteOffset - bytes.byteOffset + framed.length }
}

/** Checks a decoded header. @throws {FormatError} unless it describes a regular file or a symbolic link */
export function acceptHeader(fields: FileHeader & { readonly rdev: number }): FileHeader {
  const { uid, gid, mode, rdev, target, xattrs } = fields
  if (rdev !== 0) throw new FormatError('file header', `Corrupted archive file; invalid rdev ${rdev}`)
  const header = { uid, gid, mode, target, xattrs }
  if (isSymlink(header)) return header
  if ((mode & S_IFMT) !== S_IFREG) throw new FormatError('file header', `Corrupted archive file; invalid mode ${mode}`)
  // ostree ignores the link target of a regular file, so it is not part of the hash.
  return target === '' ? header : { ...header, target: '' }
}

/** Headers with more bytes of xattrs are not cached. */
const LARGEST_KEY = 1024

/**
 * Caches framed headers, for hashing many files that differ only in content: a layer has few distinct headers. Headers
 * of symbolic links are not cached, as most have a target of their own.
 */
export class FileHeaderCache {
  readonly #limit: number
  readonly #framed = new Map<string, Uint8Array>()

  /** @param limit most headers kept; the cache is cleared when it is full */
  constructor(limit = 4096) {
    this.#limit = limit
  }

  /** Encodes a header as `encodeFileHeader` does. The result is shared: do not write to it. */
  encode(header: FileHeader): Uint8Array {
    const key = header.target === '' ? keyOf(header) : undefined
    if (key === undefined) return encodeFileHeader(header)
    let framed = this.#framed.get(key)
    if (framed === undefined) {
      framed = encodeFileHeader(header)
      if (this.#framed.size >= this.#limit) this.#framed.clear()
      this.#framed.set(key, framed)
    }
    return framed
  }
}

function keyOf({ uid, gid, mode, xattrs }: FileHeader): string | undefined {
  let key = `${mode},${uid},${gid}`
  let size = 0
  for (const [name, value] of xattrs) {
    size += name.length + value.length
    if (size > LARGEST_KEY) return undefined
    key += `,${name.length},${value.length},${byteKey(name)}${byteKey(value)}`
  }
  return key
}
