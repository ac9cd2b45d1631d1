/** Codecs of types known only at run time, and of big-endian values. */

import { bytes as byteArray } from './byte-arrays.ts'
import { byteswap } from './byteswap.ts'
import { type Codec, makeCodec } from './codec.ts'
import { array, dictEntry, maybe, tupleOf } from './containers.ts'
import { rewrite } from './normal-form.ts'
import * as numbers from './numbers.ts'
import * as strings from './strings.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { variant } from './variant.ts'

const LEAVES: Readonly<Record<string, Codec<unknown>>> = {
  b: numbers.bool,
  y: numbers.byte,
  n: numbers.i16,
  q: numbers.u16,
  i: numbers.i32,
  u: numbers.u32,
  h: numbers.handle,
  x: numbers.i64,
  t: numbers.u64,
  d: numbers.f64,
  s: strings.string,
  o: strings.objectPath,
  g: strings.signature,
  v: variant,
}

/** Returns the codec of a type, without the limits of `codecFor`: not for decoding bytes of unknown origin. */
export function codecOf(node: TypeNode): Codec<unknown> {
  const leaf = LEAVES[node.kind]
  if (leaf !== undefined) return leaf
  if (node.type === 'ay') return byteArray
  const members = node.members.map(codecOf)
  const [first = variant, second = variant] = members
  switch (node.kind) {
    case 'a':
      return array(first)
    case 'm':
      return maybe(first)
    case '{':
      return dictEntry(first, second)
    default:
      return tupleOf(members)
  }
}

/**
 * Returns the codec of a type string. Its values are those of the declared codecs: `boolean`, `number`, `bigint` (`x`
 * and `t`), `string`, `Variant`, `Uint8Array` (`ay`), `Maybe`, and arrays for arrays, tuples and dict entries.
 *
 * Type and bytes may come from an untrusted source. Unlike with declared codecs, decoding copies byte arrays, and throws
 * a `LimitError` if the value would be many times larger than its bytes.
 * @throws {GVariantTypeError} if `type` is invalid
 */
export function codecFor(type: string): Codec<unknown> {
  const node = typeNode(type)
  const codec = codecOf(node)
  return makeCodec(
    type,
    (writer, value) => codec.encodeTo(writer, value),
    (bytes, start, end) => codec.decode(rewrite(node, bytes.subarray(start, end))),
  )
}

/** Returns the codec of values written on a big-endian machine: all numbers are big-endian, also inside variants. */
export function bigEndian<T>(codec: Codec<T>): Codec<T> {
  return makeCodec<T>(
    codec.type,
    (writer, value) => writer.append(byteswap(codec.type, codec.encode(value))),
    (bytes, start, end) => codec.decode(byteswap(codec.type, bytes.subarray(start, end))),
  )
}
