/** `ay` as one byte array rather than an array of numbers. */

import { EMPTY_BYTES } from '../bytes.ts'
import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'

/** `ay`. Decoding gives a view. */
export const bytes: Codec<Uint8Array> = makeCodec(
  'ay',
  (writer, value) => writer.append(value),
  (from, start, end) => from.subarray(start, end),
)

/**
 * `ay` that ends with a NUL, as the array without it: a C string that need not be UTF-8. Decoding gives a view; it ends
 * at the first NUL, and is empty unless there is one at the end of the array.
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
