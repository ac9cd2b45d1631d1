/** What a codec is; the declared ones are made of `numbers.ts`, `strings.ts`, `byte-arrays.ts`, `containers.ts` and `variant.ts`. */

import { type Align, measureType } from './type-string.ts'
import { collect, type Writer } from './writer.ts'

/**
 * Maps values of `T` to GVariant bytes and back. Pure: no I/O, no clock, and nothing remembered.
 * Integers are little-endian unless the codec is a big-endian twin.
 */
export interface Codec<T> {
  /** Such as `(uuua(ayay))`. */
  readonly type: string
  /** Bytes. */
  readonly align: Align
  /** Bytes; `undefined` when it varies. */
  readonly fixedSize: number | undefined
  /**
   * @returns the normal form, in a buffer of its own
   * @throws {GVariantValueError} when the type cannot hold the value
   */
  encode(value: T): Uint8Array
  /**
   * Total: bytes not in normal form decode as GVariant prescribes, each broken part to its type's default. Byte arrays
   * in the result are views of `bytes`.
   */
  decode(bytes: Uint8Array): T
  /** `encode`, appended to `writer`, which must stand at a multiple of `align`. */
  encodeTo(writer: Writer, value: T): void
  /** `decode` of `bytes[start, end)`, `0 <= start <= end <= bytes.length`. An empty range gives the type's default. */
  decodeAt(bytes: Uint8Array, start: number, end: number): T
}

/** The values of a codec. */
export type Value<C> = C extends Codec<infer T> ? T : never

/** Completes a codec from its two halves. @throws {GVariantTypeError} on an invalid or too deep type */
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
 * The same bytes as other values: a name for a number, hex for a byte array.
 * @param decode must be total, as `Codec.decode` is, unless the caller wants to hear of malformed bytes
 * @example mapCodec(bytes, toHex, fromHex)
 */
export function mapCodec<T, U>(codec: Codec<T>, decode: (value: T) => U, encode: (value: U) => T): Codec<U> {
  return makeCodec<U>(
    codec.type,
    (writer, value) => codec.encodeTo(writer, encode(value)),
    (bytes, start, end) => decode(codec.decodeAt(bytes, start, end)),
  )
}
