/** The interface of codecs. `numbers.ts`, `strings.ts`, `byte-arrays.ts`, `containers.ts` and `variant.ts` provide them. */

import { type Align, measureType } from './type-string.ts'
import { collect, type Writer } from './writer.ts'

/**
 * Converts values of `T` to GVariant bytes and back. A codec has no state. Numbers are little-endian unless the codec is
 * a big-endian one.
 */
export interface Codec<T> {
  /** Type string, such as `(uuua(ayay))`. */
  readonly type: string
  /** Alignment in bytes. */
  readonly align: Align
  /** Size of every value in bytes; `undefined` if it varies. */
  readonly fixedSize: number | undefined
  /**
   * Returns the normal form of the value, in a new buffer.
   * @throws {GVariantValueError} if the type cannot hold the value
   */
  encode(value: T): Uint8Array
  /**
   * Returns the value of `bytes`. Any bytes have a value: as GVariant specifies, malformed parts decode to the default of
   * their type. Byte arrays in the result are views of `bytes`.
   */
  decode(bytes: Uint8Array): T
  /**
   * Appends the normal form of the value to `writer`, whose length must be a multiple of `align`.
   * @throws {GVariantValueError} if the type cannot hold the value
   */
  encodeTo(writer: Writer, value: T): void
  /**
   * Returns the value of `bytes[start, end)`, where `0 <= start <= end <= bytes.length`; the default of the type if the
   * range is empty.
   */
  decodeAt(bytes: Uint8Array, start: number, end: number): T
}

/** The type of a codec's values. */
export type Value<C> = C extends Codec<infer T> ? T : never

/**
 * Creates a codec.
 * @param encodeTo see `Codec.encodeTo`
 * @param decodeAt see `Codec.decodeAt`
 * @throws {GVariantTypeError} if `type` is invalid or nested too deeply
 */
export function makeCodec<T>(
  type: string,
  encodeTo: (writer: Writer, value: T) => void,
  decodeAt: (bytes: Uint8Array, start: number, end: number) => T,
): Codec<T> {
  const { align, fixedSize } = measureType(type)
  return {
    type,
    align,
    fixedSize,
    encode: (value) => collect((writer) => encodeTo(writer, value)),
    decode: (bytes) => decodeAt(bytes, 0, bytes.length),
    encodeTo,
    decodeAt,
  }
}

/**
 * Creates a codec for the same bytes but other values, such as hex text instead of a byte array.
 * @param decode converts a decoded value. If it throws, so does decoding, which codecs otherwise do not
 * @param encode converts back
 * @example mapCodec(bytes, toHex, fromHex)
 */
export function mapCodec<T, U>(codec: Codec<T>, decode: (value: T) => U, encode: (value: U) => T): Codec<U> {
  return makeCodec<U>(
    codec.type,
    (writer, value) => codec.encodeTo(writer, encode(value)),
    (bytes, start, end) => decode(codec.decodeAt(bytes, start, end)),
  )
}
