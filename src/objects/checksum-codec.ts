/** Codecs of checksums inside GVariants: 32 bytes of type `ay`, decoded to 64 hex digits. */

import { type Checksum, toHex, writeHex } from '../bytes.ts'
import { type Codec, makeCodec } from '../gvariant/index.ts'

/**
 * Codec of one checksum. Like every codec it decodes any bytes: an array that is not 32 bytes long gives hex of another
 * length, which the functions of `validate.ts` reject.
 */
export const checksum: Codec<Checksum> = makeCodec(
  'ay',
  (writer, value) => {
    // Written in place, without a temporary array: a directory of 10 000 names has as many checksums.
    const at = writer.reserve(value.length >> 1)
    writeHex(value, writer.bytes, at)
  },
  (bytes, start, end) => toHex(bytes, start, end) as Checksum,
)

/** Codec of an optional checksum; `undefined` is an empty array. */
export const optionalChecksum: Codec<Checksum | undefined> = makeCodec(
  'ay',
  (writer, value) => {
    if (value !== undefined) checksum.encodeTo(writer, value)
  },
  (bytes, start, end) => (start === end ? undefined : checksum.decodeAt(bytes, start, end)),
)
