/**
 * What stands around the deflate stream of a gzip member. Source: RFC 1952.
 *
 *   1f 8b 08 flg mtime(4) xfl os │ [extra] [name\0] [comment\0] [crc16] │ deflate … │ crc32(4) isize(4)
 */

/**
 * The ten bytes in front of our own streams: no name, no time, no machine, so that the same input gives the same blob
 * everywhere the deflate encoder agrees. `xfl` as zlib sets it.
 */
export function gzipHeader(level: number): Uint8Array {
  const xfl = level === 9 ? 2 : level <= 1 ? 4 : 0
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff)
}

/** @param size bytes of content; only the low 32 bits are kept */
export function gzipTrailer(crc: number, size: number): Uint8Array {
  const trailer = new Uint8Array(8)
  const view = new DataView(trailer.buffer)
  view.setUint32(0, crc, true)
  view.setUint32(4, size % 2 ** 32, true)
  return trailer
}
