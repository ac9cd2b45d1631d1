/**
 * Writes xz that is not compressed: one block of LZMA2 with plain bytes, and CRC-64 as its check. For readers that take
 * nothing but xz, where there is no encoder.
 *
 * Source: the .xz file format 1.2.
 */
import { concatBytes } from '../../../bytes.ts'
import { crc32 } from '../crc32.ts'
import { Crc64 } from './crc64.ts'

const FLAGS = Uint8Array.of(0, 4)
/** Most plain bytes of an LZMA2 chunk. */
const CHUNK = 1 << 16
/** Plain bytes that reset the dictionary, or do not. */
const RESET = 1
const PLAIN = 2
/** One filter, LZMA2 (0x21), whose only property is the smallest dictionary, 4 KiB; three bytes of padding. */
const BLOCK_HEADER = withCrc(Uint8Array.of(2, 0, 0x21, 1, 0, 0, 0, 0))

/** Writes a stream as xz. The source may reuse the memory of a chunk once the next one is requested. */
export async function* storeXz(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const check = new Crc64()
  let size = 0
  let packed = 0
  yield concatBytes([Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), withCrc(FLAGS), BLOCK_HEADER])
  for await (const bytes of from) {
    check.update(bytes)
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const piece = bytes.subarray(at, at + CHUNK)
      const last = piece.length - 1
      yield Uint8Array.of(size === 0 ? RESET : PLAIN, last >> 8, last & 0xff)
      yield piece
      size += piece.length
      packed += 3 + piece.length
    }
  }
  packed += 1
  const unpadded = BLOCK_HEADER.length + packed + 8
  yield concatBytes([new Uint8Array(1 + (-packed & 3)), check.digest()])
  const records = concatBytes([Uint8Array.of(0, 1), number(unpadded), number(size)])
  const index = withCrc(concatBytes([records, new Uint8Array(-records.length & 3)]))
  const backward = new Uint8Array(4)
  new DataView(backward.buffer).setUint32(0, index.length / 4 - 1, true)
  const footer = concatBytes([backward, FLAGS])
  const sum = new Uint8Array(4)
  new DataView(sum.buffer).setUint32(0, crc32(footer), true)
  yield concatBytes([index, sum, footer, Uint8Array.of(0x59, 0x5a)])
}

/** Appends the CRC-32 of bytes. */
function withCrc(bytes: Uint8Array): Uint8Array {
  const sum = new Uint8Array(4)
  new DataView(sum.buffer).setUint32(0, crc32(bytes), true)
  return concatBytes([bytes, sum])
}

/** Encodes a number, seven bits a byte, the lowest first. */
function number(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
