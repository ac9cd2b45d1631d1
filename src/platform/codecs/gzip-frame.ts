/**
 * The header and trailer of a gzip member. Source: RFC 1952.
 *
 *   1f 8b 08 flg mtime(4) xfl os │ [extra] [name\0] [comment\0] [crc16] │ deflate … │ crc32(4) isize(4)
 */

/**
 * Returns the header of a stream we write, 10 bytes. It has neither name, time nor operating system (255, unknown), so
 * that the same deflate encoder makes the same blob on every machine. `xfl` is set as zlib does.
 */
function header(level: number): Uint8Array {
  const xfl = level === 9 ? 2 : level <= 1 ? 4 : 0
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff)
}

/**
 * Returns the trailer, 8 bytes.
 * @param size bytes of content, of which the low 32 bits are stored
 */
function trailer(crc: number, size: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, crc, true)
  view.setUint32(4, size % 2 ** 32, true)
  return bytes
}

/**
 * Compresses `from` to a gzip member.
 * @param level 0 to 9, for the header
 * @param deflate compresses a stream to raw deflate
 * @param crc32 continues a CRC-32
 */
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
