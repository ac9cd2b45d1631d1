/** Booleans and numbers. Source: GLib, gvariant-serialiser.c; the numbers are as in C, the default is 0. */

import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'

/** `b`. Any byte but 0 reads as `true`; only 1 is normal. */
export const bool: Codec<boolean> = makeCodec(
  'b',
  (writer, value) => writer.byte(value ? 1 : 0),
  (bytes, start, end) => end - start === 1 && bytes[start] !== 0,
)

/** One number goes through here at a time: cheaper than a view over every buffer. */
const cell = new DataView(new ArrayBuffer(8))
const cellBytes = new Uint8Array(cell.buffer)

interface NumberKind<T> {
  readonly type: string
  readonly size: 1 | 2 | 4 | 8
  readonly zero: T
  readonly get: (this: DataView, offset: number, little: boolean) => T
  readonly set: (this: DataView, offset: number, value: T, little: boolean) => void
  readonly check: (value: T) => boolean
  readonly range: string
}

function numberCodec<T>(kind: NumberKind<T>, little: boolean): Codec<T> {
  const { type, size, zero, check } = kind
  return makeCodec<T>(
    type,
    (writer, value) => {
      if (!check(value)) throw new GVariantValueError(type, value, `wanted ${kind.range}`)
      kind.set.call(cell, 0, value, little)
      const at = writer.reserve(size)
      for (let i = 0; i < size; i++) writer.bytes[at + i] = cellBytes[i] as number
    },
    (bytes, start, end) => {
      if (end - start !== size) return zero
      for (let i = 0; i < size; i++) cellBytes[i] = bytes[start + i] as number
      return kind.get.call(cell, 0, little)
    },
  )
}

function integer(type: string, size: 1 | 2 | 4, signed: boolean): NumberKind<number> {
  const least = signed ? -(2 ** (8 * size - 1)) : 0
  const most = least + 2 ** (8 * size) - 1
  const { getInt8, getUint8, getInt16, getUint16, getInt32, getUint32 } = DataView.prototype
  const { setInt8, setUint8, setInt16, setUint16, setInt32, setUint32 } = DataView.prototype
  const accessors = {
    1: signed ? { get: getInt8, set: setInt8 } : { get: getUint8, set: setUint8 },
    2: signed ? { get: getInt16, set: setInt16 } : { get: getUint16, set: setUint16 },
    4: signed ? { get: getInt32, set: setInt32 } : { get: getUint32, set: setUint32 },
  }
  return {
    type,
    size,
    zero: 0,
    ...accessors[size],
    check: (value) => Number.isInteger(value) && value >= least && value <= most,
    range: `an integer from ${least} to ${most}`,
  }
}

function integer64(type: string, signed: boolean): NumberKind<bigint> {
  const least = signed ? -(2n ** 63n) : 0n
  const most = least + 2n ** 64n - 1n
  const { getBigInt64, setBigInt64, getBigUint64, setBigUint64 } = DataView.prototype
  return {
    type,
    size: 8,
    zero: 0n,
    get: signed ? getBigInt64 : getBigUint64,
    set: signed ? setBigInt64 : setBigUint64,
    check: (value) => typeof value === 'bigint' && value >= least && value <= most,
    range: `a bigint from ${least} to ${most}`,
  }
}

const I16 = integer('n', 2, true)
const U16 = integer('q', 2, false)
const I32 = integer('i', 4, true)
const U32 = integer('u', 4, false)
const I64 = integer64('x', true)
const U64 = integer64('t', false)
const F64: NumberKind<number> = {
  type: 'd',
  size: 8,
  zero: 0,
  get: DataView.prototype.getFloat64,
  set: DataView.prototype.setFloat64,
  check: (value) => typeof value === 'number',
  range: 'a number',
}

/** `y` */
export const byte: Codec<number> = numberCodec(integer('y', 1, false), true)
/** `n` */
export const i16: Codec<number> = numberCodec(I16, true)
/** `q` */
export const u16: Codec<number> = numberCodec(U16, true)
/** `i` */
export const i32: Codec<number> = numberCodec(I32, true)
/** `u` */
export const u32: Codec<number> = numberCodec(U32, true)
/** `h`: an index into file descriptors sent along; a 32-bit integer to us. */
export const handle: Codec<number> = numberCodec(integer('h', 4, true), true)
/** `x` */
export const i64: Codec<bigint> = numberCodec(I64, true)
/** `t` */
export const u64: Codec<bigint> = numberCodec(U64, true)
/** `d`. The payload of a NaN may change on the way. */
export const f64: Codec<number> = numberCodec(F64, true)

/** Twins for integers that OSTree swaps to big-endian before it puts them in a value: the type string is the same. */
export const i16be: Codec<number> = numberCodec(I16, false)
export const u16be: Codec<number> = numberCodec(U16, false)
export const i32be: Codec<number> = numberCodec(I32, false)
export const u32be: Codec<number> = numberCodec(U32, false)
export const i64be: Codec<bigint> = numberCodec(I64, false)
export const u64be: Codec<bigint> = numberCodec(U64, false)
export const f64be: Codec<number> = numberCodec(F64, false)
