/**
 * What is hashed before the content of a file: `(uuuusa(ayay))`, big-endian, framed (frame.ts). The same bytes open the
 * uncompressed content stream that pulls and deltas use. Source: ostree-core.c, _ostree_file_header_new.
 */

import { FormatError } from '../errors.ts'
import { string, struct, u32be } from '../gvariant/index.ts'
import { frameHeader, unframeHeader } from './frame.ts'
import { type FileHeader, isSymlink, S_IFMT, S_IFREG } from './interface.ts'
import { Xattrs } from './xattrs.ts'

/** The members that come after a size in `.filez`, and alone when hashed. `rdev` is always 0: there are no devices. */
export const headerFields = { uid: u32be, gid: u32be, mode: u32be, rdev: u32be, target: string, xattrs: Xattrs }

const Header = struct(headerFields)

/** @returns the framed header, ready to be hashed. Xattrs keep their order. */
export function encodeFileHeader(header: FileHeader): Uint8Array {
  return frameHeader(Header.encode({ ...header, rdev: 0 }))
}

/**
 * Reads the framed header of an uncompressed content stream. Names and values of xattrs are views.
 * @param size bytes of the stream, of which `bytes` may be the first; they must reach to the end of the header
 * @throws {FormatError}
 */
export function decodeFileHeader(bytes: Uint8Array, size = bytes.length): { header: FileHeader; bodyOffset: number } {
  const framed = unframeHeader(bytes, size)
  const header = acceptHeader(Header.decode(framed))
  return { header, bodyOffset: framed.byteOffset - bytes.byteOffset + framed.length }
}

/** @throws {FormatError} unless it describes a regular file or a symbolic link */
export function acceptHeader(fields: FileHeader & { readonly rdev: number }): FileHeader {
  const { uid, gid, mode, rdev, target, xattrs } = fields
  if (rdev !== 0) throw new FormatError('file header', `Corrupted archive file; invalid rdev ${rdev}`)
  const header = { uid, gid, mode, target, xattrs }
  if (isSymlink(header)) return header
  if ((mode & S_IFMT) !== S_IFREG) throw new FormatError('file header', `Corrupted archive file; invalid mode ${mode}`)
  // A link target on a regular file is not read by ostree, and so not part of what it hashes.
  return target === '' ? header : { ...header, target: '' }
}

/** Headers with more bytes of xattrs are not remembered. */
const LARGEST_KEY = 1024

/**
 * Framed headers by what they say, for hashing many files that differ in content only: a layer has few distinct ones.
 * Symbolic links, each with its own target, are encoded and forgotten.
 */
export class FileHeaderCache {
  readonly #limit: number
  readonly #framed = new Map<string, Uint8Array>()

  /** @param limit headers kept; when they are full the cache starts afresh */
  constructor(limit = 4096) {
    this.#limit = limit
  }

  /** As `encodeFileHeader`. The result is shared: do not write to it. */
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
    key += `,${name.length},${value.length},${latin1(name)}${latin1(value)}`
  }
  return key
}

/** One character a byte, reversibly: a TextDecoder('latin1') reads windows-1252. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[])
}
