/** Checksums inside values: `ay`, 32 bytes there, hex here. */

import { type Checksum, toHex, writeHex } from '../bytes.ts'
import { type Codec, makeCodec } from '../gvariant/index.ts'

/**
 * Total, as every codec: an array that is not 32 bytes long gives hex of its own length, which names no object. The
 * functions of `validate.ts` refuse it.
 */
export const checksum: Codec<Checksum> = makeCodec(
  'ay',
  (writer, value) => {
    // Not through an array of its own: a tree of 10 000 names has as many checksums.
    const at = writer.reserve(value.length >> 1)
    writeHex(value, writer.bytes, at)
  },
  (bytes, start, end) => toHex(bytes, start, end) as Checksum,
)

/** Empty for `undefined`. */
export const optionalChecksum: Codec<Checksum | undefined> = makeCodec(
  'ay',
  (writer, value) => {
    if (value !== undefined) checksum.encodeTo(writer, value)
  },
  (bytes, start, end) => (start === end ? undefined : checksum.decodeAt(bytes, start, end)),
)
