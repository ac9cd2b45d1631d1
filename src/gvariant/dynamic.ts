/** Codecs for types known only at run time, and for values of the other byte order. */

import { bytes as byteArray } from './byte-arrays.ts'
import { byteswap } from './byteswap.ts'
import { type Codec, makeCodec } from './codec.ts'
import { array, dictEntry, maybe, tuple } from './containers.ts'
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

/** Without the guard that `codecFor` has: for values, not for bytes of unknown origin. */
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
      return tuple(...members)
  }
}

/**
 * The codec of a type string. Its values are those of the declared codecs: `boolean`, `number`, `bigint` (`x` and `t`),
 * `string`, `Variant`, `Uint8Array` (`ay`), `Maybe`, and arrays for arrays, tuples and dict entries.
 *
 * Unlike theirs, its types may come from anywhere: decoding copies, and throws a `LimitError` for bytes that are made to
 * have a value many times their size.
 * @throws {GVariantTypeError}
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

/** The codec for values written on a big-endian machine: every number in them is big-endian, also inside variants. */
export function bigEndian<T>(codec: Codec<T>): Codec<T> {
  return makeCodec<T>(
    codec.type,
    (writer, value) => writer.append(byteswap(codec.type, codec.encode(value))),
    (bytes, start, end) => codec.decode(byteswap(codec.type, bytes.subarray(start, end))),
  )
}
