/**
 * What stands around the deflate stream of a gzip member. Source: RFC 1952.
 *
 *   1f 8b 08 flg mtime(4) xfl os │ [extra] [name\0] [comment\0] [crc16] │ deflate … │ crc32(4) isize(4)
 */

/**
 * The ten bytes in front of our own streams: no name, no time, no machine, so that the same input gives the same blob
 * everywhere the deflate encoder agrees. `xfl` as zlib sets it.
 */
function header(level: number): Uint8Array {
  const xfl = level === 9 ? 2 : level <= 1 ? 4 : 0
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff)
}

/** @param size bytes of content; only the low 32 bits are kept */
function trailer(crc: number, size: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, crc, true)
  view.setUint32(4, size % 2 ** 32, true)
  return bytes
}

/** One member around what `deflate` makes of the source. */
export async function* gzipMember(
  from: AsyncIterable<Uint8Array>,
  level: number,
  deflate: (from: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  crc32: (bytes: Uint8Array, crc: number) => number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let crc = 0
  let size = 0
  async function* measured() {
    for await (const chunk of from) {
      crc = crc32(chunk, crc)
      size += chunk.length
      yield chunk
    }
  }
  yield header(level)
  yield* deflate(measured())
  yield trailer(crc, size)
}
