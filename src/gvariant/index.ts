/**
 * GVariant: GLib's serialisation format and its text form.
 *
 * @module ostree-ts/gvariant
 */

export { byteString, bytes } from './byte-arrays.ts'
export { byteswap } from './byteswap.ts'
export { type Codec, makeCodec, mapCodec, type Value } from './codec.ts'
export {
  array,
  dict,
  dictEntry,
  type Maybe,
  maybe,
  type StructFields,
  type StructValue,
  struct,
  type TupleMembers,
  type TupleValue,
  tuple,
} from './containers.ts'
export { bigEndian, codecFor } from './dynamic.ts'
export { GVariantTextError, GVariantTypeError, GVariantValueError } from './errors.ts'
export { isNormal } from './is-normal.ts'
export { normalForm } from './normal-form.ts'
export {
  bool,
  byte,
  f64,
  f64be,
  handle,
  i16,
  i16be,
  i32,
  i32be,
  i64,
  i64be,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64be,
} from './numbers.ts'
export { objectPath, signature, string } from './strings.ts'
export { parseVariantText } from './text/parser.ts'
export { printVariant } from './text/print.ts'
export {
  type Align,
  isObjectPath,
  isSignature,
  isTypeString,
  MAX_VARIANT_DEPTH,
  MAX_VARIANT_TYPE_LENGTH,
} from './type-string.ts'
export { lookup, type Vardict, type Variant, vardict, variant, variantAs, variantOf } from './variant.ts'
export { Writer } from './writer.ts'
