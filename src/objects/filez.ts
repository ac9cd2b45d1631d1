/**
 * The head of a loose `.filez`: `(tuuuusa(ayay))`, big-endian, framed (frame.ts), then the content as a raw deflate
 * stream. A symbolic link has no content at all. Source: ostree-core.c, _ostree_zlib_file_header_new.
 */

import { FormatError } from '../errors.ts'
import { struct, u64be } from '../gvariant/index.ts'
import { acceptHeader, headerFields } from './file-header.ts'
import { frameHeader, unframeHeader } from './frame.ts'
import { type FileInfo, isSymlink } from './interface.ts'

const FilezHeader = struct({ size: u64be, ...headerFields })

/** @returns the framed header; what follows it in the file is `deflateRaw(content)`, or nothing for a link */
export function encodeFilezHeader(info: FileInfo): Uint8Array {
  return frameHeader(FilezHeader.encode({ ...info.header, size: BigInt(info.size), rdev: 0 }))
}

/**
 * @param size bytes of the whole file, of which `bytes` may be the first; they must reach to the end of the header
 *   (`framedSize` tells)
 * @returns the offset of the deflate stream; names and values of xattrs are views
 * @throws {FormatError}
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
