/** GVariant: GLib's serialisation format and its text form. */

export { type Codec, makeCodec, mapCodec, type Value } from './codec.ts'
export { array, dict, dictEntry, type Maybe, maybe, struct, tuple } from './containers.ts'
export { GVariantTextError, GVariantTypeError, GVariantValueError } from './errors.ts'
export {
  bool,
  byte,
  byteString,
  bytes,
  f64,
  f64be,
  handle,
  i16,
  i16be,
  i32,
  i32be,
  i64,
  i64be,
  objectPath,
  signature,
  string,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64be,
} from './primitives.ts'
export { isTypeString } from './type-string.ts'
export { lookup, type Vardict, type Variant, vardict, variant, variantAs, variantOf } from './variant.ts'
export type { Writer } from './writer.ts'
