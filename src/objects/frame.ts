/**
 * How a header stands in front of content:
 *
 *   u32 length, big-endian │ 4 zero bytes │ header, so that it starts aligned to 8 │ content …
 *
 * Source: ostree-core.c (_ostree_file_header_new, _ostree_zlib_file_header_new, ostree_content_stream_parse).
 */

import { FormatError } from '../errors.ts'

const PREFIX = 8

/** @returns the header with its length in front, in a buffer of its own */
export function frameHeader(header: Uint8Array): Uint8Array {
  const framed = new Uint8Array(PREFIX + header.length)
  new DataView(framed.buffer).setUint32(0, header.length, false)
  framed.set(header, PREFIX)
  return framed
}

/**
 * Bytes from the start of a file or stream to its content.
 * @param prefix its first bytes; four are enough
 * @param size bytes in all
 * @throws {FormatError} when there is no room for what the length claims
 */
export function framedSize(prefix: Uint8Array, size: number): number {
  if (prefix.length < 4) throw new FormatError('file header', `File header of ${size} bytes is truncated`)
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0, false)
  if (length === 0) throw new FormatError('file header', 'File header size is zero')
  if (length > size - PREFIX) throw new FormatError('file header', `File header size ${length} exceeds size ${size}`)
  return PREFIX + length
}

/** @returns the header, a view; `bytes` must reach to its end */
export function unframeHeader(bytes: Uint8Array, size: number): Uint8Array {
  const end = framedSize(bytes, size)
  if (end > bytes.length) throw new FormatError('file header', `File header needs ${end} bytes, got ${bytes.length}`)
  return bytes.subarray(PREFIX, end)
}
