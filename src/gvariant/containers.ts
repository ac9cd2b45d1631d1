/** Codecs of containers. Their layout is drawn in `framing.ts`. */

import { type Codec, makeCodec, type Value } from './codec.ts'
import { GVariantTypeError, GVariantValueError } from './errors.ts'
import { eachElement, TupleLayout } from './framing.ts'
import { isBasicType, measureType } from './type-string.ts'
import type { Writer } from './writer.ts'

/** Creates the codec of an array `aT`. For `ay` as one byte array see `bytes`. */
export function array<T>(element: Codec<T>): Codec<readonly T[]> {
  const { align, fixedSize } = element
  return makeCodec<readonly T[]>(
    `a${element.type}`,
    (writer, values) => {
      const base = writer.length
      const ends: number[] = []
      for (const value of values) {
        writer.pad(align)
        element.encodeTo(writer, value)
        if (fixedSize === undefined) ends.push(writer.length - base)
      }
      writer.offsets(base, ends, false)
    },
    (bytes, start, end) => {
      const values: T[] = []
      eachElement(bytes, start, end, element, (from, to) => values.push(element.decodeAt(bytes, from, to)))
      return values
    },
  )
}

/** Encodes and decodes the members of tuples, structures and dict entries by their index. */
function membersCodec(type: string, members: readonly Codec<unknown>[]) {
  const { fixedSize } = measureType(type)
  const layout = new TupleLayout(members, fixedSize)
  const last = members.length - 1
  return {
    encode(writer: Writer, valueAt: (index: number) => unknown): void {
      const base = writer.length
      const ends: number[] = []
      for (let i = 0; i <= last; i++) {
        const member = members[i] as Codec<unknown>
        writer.pad(member.align)
        member.encodeTo(writer, valueAt(i))
        if (member.fixedSize === undefined && i < last) ends.push(writer.length - base)
      }
      if (fixedSize === undefined) writer.offsets(base, ends, true)
      else while (writer.length < base + fixedSize) writer.byte(0)
    },
    decode(bytes: Uint8Array, start: number, end: number, take: (index: number, value: unknown) => void): void {
      const spans = layout.locate(bytes, start, end)
      for (let i = 0; i <= last; i++) {
        const member = members[i] as Codec<unknown>
        take(i, member.decodeAt(bytes, spans[2 * i] as number, spans[2 * i + 1] as number))
      }
    },
  }
}

/** The codecs of a tuple's members, in order. */
export type TupleMembers = readonly Codec<unknown>[]
/** The values of a tuple: one for each of its codecs, in order. */
export type TupleValue<C extends TupleMembers> = { readonly [I in keyof C]: Value<C[I]> }

function fixedLengthArray<C extends TupleMembers>(type: string, members: C): Codec<TupleValue<C>> {
  const fields = membersCodec(type, members)
  return makeCodec<TupleValue<C>>(
    type,
    (writer, value) => {
      if (value.length !== members.length)
        throw new GVariantValueError(type, value, `it has ${value.length} members, not ${members.length}`)
      fields.encode(writer, (i) => value[i])
    },
    (bytes, start, end) => {
      const values: unknown[] = []
      fields.decode(bytes, start, end, (_, value) => values.push(value))
      // Each member was decoded by the codec at its place.
      return values as unknown as TupleValue<C>
    },
  )
}

/** Creates the codec of a tuple `(…)`, whose values are arrays. */
export function tuple<const C extends TupleMembers>(...members: C): Codec<TupleValue<C>> {
  return tupleOf(members)
}

/** As `tuple`, for members whose number is not known beforehand. */
export function tupleOf<const C extends TupleMembers>(members: C): Codec<TupleValue<C>> {
  return fixedLengthArray(`(${members.map((member) => member.type).join('')})`, members)
}

/**
 * Creates the codec of a dict entry `{KV}`, whose values are pairs.
 * @throws {GVariantTypeError} if the key is not of a basic type
 */
export function dictEntry<K, V>(key: Codec<K>, value: Codec<V>): Codec<readonly [key: K, value: V]> {
  if (!isBasicType(key.type)) throw new GVariantTypeError(`{${key.type}${value.type}}`)
  return fixedLengthArray<readonly [Codec<K>, Codec<V>]>(`{${key.type}${value.type}}`, [key, value])
}

/** Creates the codec of a dictionary `a{KV}`, whose values are pairs. Their order and duplicate keys are kept. */
export function dict<K, V>(key: Codec<K>, value: Codec<V>): Codec<readonly (readonly [key: K, value: V])[]> {
  return array(dictEntry(key, value))
}

/** The codecs of a structure's members by field name, in order. */
export type StructFields = Readonly<Record<string, Codec<unknown>>>
/** The value of a structure: an object with the fields of its codecs. */
export type StructValue<F extends StructFields> = { readonly [K in keyof F]: Value<F[K]> }

/**
 * Creates the codec of a tuple `(…)` whose values are objects. Its members are the fields in the order they are written.
 * @throws {GVariantTypeError} if a field name is a number, because JavaScript does not keep the order of those
 */
export function struct<const F extends StructFields>(fields: F): Codec<StructValue<F>> {
  const names = Object.keys(fields)
  const codecs = Object.values(fields)
  const type = `(${codecs.map((codec) => codec.type).join('')})`
  const integerName = names.find((name) => /^\d+$/.test(name))
  if (integerName !== undefined) throw new GVariantTypeError(type, `Field name '${integerName}' has no order`)
  const members = membersCodec(type, codecs)
  return makeCodec<StructValue<F>>(
    type,
    (writer, value) => members.encode(writer, (i) => value[names[i] as string]),
    (bytes, start, end) => {
      const value: Record<string, unknown> = {}
      members.decode(bytes, start, end, (i, field) => {
        value[names[i] as string] = field
      })
      // Each field was decoded by the codec of its name.
      return value as StructValue<F>
    },
  )
}

/** A value of `mT`: `undefined` for Nothing, otherwise Just. The object distinguishes Nothing from Just Nothing in `mmT`. */
export type Maybe<T> = { readonly just: T } | undefined

/** Creates the codec of a maybe `mT`. */
export function maybe<T>(element: Codec<T>): Codec<Maybe<T>> {
  const { fixedSize } = element
  return makeCodec<Maybe<T>>(
    `m${element.type}`,
    (writer, value) => {
      if (value === undefined) return
      element.encodeTo(writer, value.just)
      // Distinguishes Just of an empty value from Nothing.
      if (fixedSize === undefined) writer.byte(0)
    },
    (bytes, start, end) => {
      if (fixedSize !== undefined)
        return end - start === fixedSize ? { just: element.decodeAt(bytes, start, end) } : undefined
      return end > start ? { just: element.decodeAt(bytes, start, end - 1) } : undefined
    },
  )
}
