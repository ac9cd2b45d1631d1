/**
 * `v`: a value that carries its type. `child │ NUL │ type string`; the child starts at an offset aligned to 8, the type
 * string is what follows the last NUL.
 * Source: GLib, gvariant-serialiser.c (gvs_variant_get_child).
 */

import { type Codec, makeCodec } from './codec.ts'
import { dict } from './containers.ts'
import { GVariantValueError } from './errors.ts'
import { readAscii, string } from './strings.ts'
import { MAX_VARIANT_DEPTH, MAX_VARIANT_TYPE_LENGTH, tryMeasureType } from './type-string.ts'

/** A value of a type known only at run time. */
export interface Variant {
  /** Type string of the child. */
  readonly type: string
  /** The child, serialised little-endian. */
  readonly bytes: Uint8Array
}

/**
 * Reads `bytes[start, end)`; the child is a view.
 * @param depth of the variant: how many containers it is in
 * @returns `undefined` when there is no type, or the child cannot be of it
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

/** `v`. The child is neither decoded nor checked: see `variantAs`. Decoding gives a view. Default `<()>`. */
export const variant: Codec<Variant> = makeCodec(
  'v',
  (writer, value) => {
    const measure = tryMeasureType(value.type)
    if (measure === undefined || measure.depth >= MAX_VARIANT_DEPTH)
      throw new GVariantValueError('v', value.type, 'it is no type string')
    if (measure.fixedSize !== undefined && measure.fixedSize !== value.bytes.length)
      throw new GVariantValueError('v', value, `a child of type ${value.type} takes ${measure.fixedSize} bytes`)
    writer.append(value.bytes)
    writer.byte(0)
    for (let i = 0; i < value.type.length; i++) writer.byte(value.type.charCodeAt(i))
  },
  (bytes, start, end) => readVariant(bytes, start, end, 0) ?? { type: '()', bytes: new Uint8Array(1) },
)

/** Entries of a dictionary of variants: order and duplicates are part of the bytes. */
export type Vardict = readonly (readonly [key: string, value: Variant])[]

/** `a{sv}` */
export const vardict: Codec<Vardict> = dict(string, variant)

export function variantOf<T>(codec: Codec<T>, value: T): Variant {
  return { type: codec.type, bytes: codec.encode(value) }
}

/** @returns `undefined` when the variant is of another type */
export function variantAs<T>(codec: Codec<T>, value: Variant): T | undefined {
  return value.type === codec.type ? codec.decode(value.bytes) : undefined
}

/** The first entry of that key, as GLib finds it. @returns `undefined` when there is none or it is of another type */
export function lookup<T>(entries: Vardict, key: string, codec: Codec<T>): T | undefined {
  const entry = entries.find(([name]) => name === key)
  return entry && variantAs(codec, entry[1])
}
