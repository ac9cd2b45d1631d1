/**
 * The header of a loose `.filez`: `(tuuuusa(ayay))`, big-endian, framed (frame.ts). The content follows as a raw
 * deflate stream; for a symbolic link nothing follows. Source: ostree-core.c, _ostree_zlib_file_header_new.
 */

import { FormatError } from '../errors.ts'
import { struct, u64be } from '../gvariant/index.ts'
import { acceptHeader, headerFields } from './file-header.ts'
import { frameHeader, unframeHeader } from './frame.ts'
import { type FileHeader, type FileInfo, isSymlink } from './interface.ts'

const FilezHeader = struct({ size: u64be, ...headerFields })

/** Offset of the size, which comes first in the framed header. */
const SIZE_OFFSET = 8
/** Framed headers of regular files without xattrs, which many files share. The size in them is 0. */
const templates = new WeakMap<FileHeader, Uint8Array>()

/** Encodes the framed header. `deflateRaw(content)` follows it in the file, or nothing for a symbolic link. */
export function encodeFilezHeader({ header, size }: FileInfo): Uint8Array {
  if (header.target !== '' || header.xattrs.length > 0) return encode(header, size)
  let template = templates.get(header)
  if (template === undefined) {
    template = encode(header, 0)
    templates.set(header, template)
  }
  const framed = template.slice()
  new DataView(framed.buffer).setBigUint64(SIZE_OFFSET, BigInt(size), false)
  return framed
}

function encode(header: FileHeader, size: number): Uint8Array {
  return frameHeader(FilezHeader.encode({ ...header, size: BigInt(size), rdev: 0 }))
}

/**
 * Decodes the framed header. Names and values of xattrs are views.
 * @param bytes start of the file, at least to the end of the header (see `framedSize`)
 * @param size length of the whole file, in bytes
 * @returns the header with the uncompressed size, and the offset of the deflate stream in `bytes`
 * @throws {FormatError} when the header is cut off, or not of a regular file or symbolic link
 */
export function decodeFilezHeader(bytes: Uint8Array, size = bytes.length): { info: FileInfo; bodyOffset: number } {
  const framed = unframeHeader(bytes, size)
  const fields = FilezHeader.decode(framed)
  const header = acceptHeader(fields)
  if (fields.size > Number.MAX_SAFE_INTEGER) {
    throw new FormatError('file header', `Corrupted archive file; invalid size ${fields.size}`)
  }
  const info = { header, size: isSymlink(header) ? 0 : Number(fields.size) }
  return { info, bodyOffset: framed.byteOffset - bytes.byteOffset + framed.length }
}
