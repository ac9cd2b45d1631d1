/**
 * Variants `v`: values stored with their type as `child │ NUL │ type string`. The child is aligned to 8 bytes; the type
 * string starts after the last NUL.
 * Source: GLib, gvariant-serialiser.c (gvs_variant_get_child).
 */

import { type Codec, makeCodec } from './codec.ts'
import { dict } from './containers.ts'
import { GVariantValueError } from './errors.ts'
import { readAscii, string } from './strings.ts'
import { MAX_VARIANT_DEPTH, MAX_VARIANT_TYPE_LENGTH, tryMeasureType } from './type-string.ts'

/** A value with its type. */
export interface Variant {
  /** Type string of the child. */
  readonly type: string
  /** The child, serialised little-endian. */
  readonly bytes: Uint8Array
}

/**
 * Reads the variant in `bytes[start, end)`. The child is a view.
 * @param depth number of containers around the variant
 * @returns `undefined` if the type string is missing, invalid or too deep, or the child has not the size of its type
 */
export function readVariant(bytes: Uint8Array, start: number, end: number, depth: number): Variant | undefined {
  const least = Math.max(start, end - MAX_VARIANT_TYPE_LENGTH - 1)
  let nul = end - 1
  while (nul > least && bytes[nul] !== 0) nul--
  if (nul < start || bytes[nul] !== 0) return undefined
  const type = readAscii(bytes, nul + 1, end)
  const measure = type === undefined ? undefined : tryMeasureType(type)
  if (type === undefined || measure === undefined || depth + measure.depth >= MAX_VARIANT_DEPTH) return undefined
  if (measure.fixedSize !== undefined && measure.fixedSize !== nul - start) return undefined
  return { type, bytes: bytes.subarray(start, nul) }
}

/** `v`. The child is neither decoded nor checked; see `variantAs`. Decoding returns a view. The default is `<()>`. */
export const variant: Codec<Variant> = makeCodec(
  'v',
  (writer, value) => {
    const measure = tryMeasureType(value.type)
    if (measure === undefined || measure.depth >= MAX_VARIANT_DEPTH)
      throw new GVariantValueError('v', value.type, 'it is not a type string')
    if (measure.fixedSize !== undefined && measure.fixedSize !== value.bytes.length)
      throw new GVariantValueError('v', value, `a child of type ${value.type} takes ${measure.fixedSize} bytes`)
    writer.append(value.bytes)
    writer.byte(0)
    for (let i = 0; i < value.type.length; i++) writer.byte(value.type.charCodeAt(i))
  },
  (bytes, start, end) => readVariant(bytes, start, end, 0) ?? { type: '()', bytes: new Uint8Array(1) },
)

/** Entries of a dictionary of variants, in their order and with duplicates. */
export type Vardict = readonly (readonly [key: string, value: Variant])[]

/** `a{sv}`: a dictionary of variants. */
export const vardict: Codec<Vardict> = dict(string, variant)

/**
 * Encodes a value to a variant.
 * @throws {GVariantValueError} if the type cannot hold the value
 */
export function variantOf<T>(codec: Codec<T>, value: T): Variant {
  return { type: codec.type, bytes: codec.encode(value) }
}

/** Decodes a variant. Returns `undefined` if it has another type than the codec. */
export function variantAs<T>(codec: Codec<T>, value: Variant): T | undefined {
  return value.type === codec.type ? codec.decode(value.bytes) : undefined
}

/**
 * Returns the value of the first entry with that key, as GLib does; `undefined` if there is none or it has another type
 * than the codec.
 */
export function lookup<T>(entries: Vardict, key: string, codec: Codec<T>): T | undefined {
  const entry = entries.find(([name]) => name === key)
  return entry && variantAs(codec, entry[1])
}
