/** `ay` as one byte array instead of an array of numbers. */

import { EMPTY_BYTES } from '../bytes.ts'
import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'

/** `ay`. Decoding returns a view. */
export const bytes: Codec<Uint8Array> = makeCodec(
  'ay',
  (writer, value) => writer.append(value),
  (from, start, end) => from.subarray(start, end),
)

/**
 * `ay` with a NUL at its end: a C string that need not be UTF-8. Values are the bytes before the first NUL; decoding
 * returns a view, which is empty if the array does not end with a NUL.
 * Source: g_variant_get_bytestring.
 */
export const byteString: Codec<Uint8Array> = makeCodec(
  'ay',
  (writer, value) => {
    if (value.includes(0)) throw new GVariantValueError('ay', value, 'it contains a NUL')
    writer.append(value)
    writer.byte(0)
  },
  (from, start, end) => {
    if (end === start || from[end - 1] !== 0) return EMPTY_BYTES
    return from.subarray(start, from.indexOf(0, start))
  },
)
