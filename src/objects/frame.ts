/**
 * Frames a header before content:
 *
 *   u32 length of the header, big-endian │ 4 zero bytes, which align the header to 8 │ header │ content …
 *
 * Source: ostree-core.c (_ostree_file_header_new, _ostree_zlib_file_header_new, ostree_content_stream_parse).
 */

import { FormatError } from '../errors.ts'

const PREFIX = 8

/** Puts the frame before a header. @returns a new buffer */
export function frameHeader(header: Uint8Array): Uint8Array {
  const framed = new Uint8Array(PREFIX + header.length)
  new DataView(framed.buffer).setUint32(0, header.length, false)
  framed.set(header, PREFIX)
  return framed
}

/**
 * Reads the length of frame and header: the offset of the content, in bytes.
 * @param prefix first bytes of the file or stream, at least four
 * @param size length of the whole file or stream, in bytes
 * @throws {FormatError} when the length is zero or exceeds `size`, or `prefix` is too short
 */
export function framedSize(prefix: Uint8Array, size: number): number {
  if (prefix.length < 4) throw new FormatError('file header', `File header of ${size} bytes is truncated`)
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0, false)
  if (length === 0) throw new FormatError('file header', 'File header size is zero')
  if (length > size - PREFIX) throw new FormatError('file header', `File header size ${length} exceeds size ${size}`)
  return PREFIX + length
}

/**
 * Removes the frame from a header.
 * @param bytes start of the file or stream, at least to the end of the header
 * @param size length of the whole file or stream, in bytes
 * @returns the header, a view
 * @throws {FormatError} when the header is cut off
 */
export function unframeHeader(bytes: Uint8Array, size: number): Uint8Array {
  const end = framedSize(bytes, size)
  if (end > bytes.length) throw new FormatError('file header', `File header needs ${end} bytes, got ${bytes.length}`)
  return bytes.subarray(PREFIX, end)
}
