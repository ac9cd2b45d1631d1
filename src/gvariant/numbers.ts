/** Codecs of booleans and numbers. Their default is 0. Source: GLib, gvariant-serialiser.c. */

import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'

/** `b`. Decoding takes any byte except 0 as `true`; the normal form is 1. */
export const bool: Codec<boolean> = makeCodec(
  'b',
  (writer, value) => writer.byte(value ? 1 : 0),
  (bytes, start, end) => end - start === 1 && bytes[start] !== 0,
)

/** Converts one number at a time, which is cheaper than a DataView of every buffer. */
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

/** `y`: 0 to 255. */
export const byte: Codec<number> = numberCodec(integer('y', 1, false), true)
/** `n`: a signed 16-bit integer. */
export const i16: Codec<number> = numberCodec(I16, true)
/** `q`: an unsigned 16-bit integer. */
export const u16: Codec<number> = numberCodec(U16, true)
/** `i`: a signed 32-bit integer. */
export const i32: Codec<number> = numberCodec(I32, true)
/** `u`: an unsigned 32-bit integer. */
export const u32: Codec<number> = numberCodec(U32, true)
/** `h`: a signed 32-bit integer, an index into the file descriptors of a D-Bus message. */
export const handle: Codec<number> = numberCodec(integer('h', 4, true), true)
/** `x`: a signed 64-bit integer. */
export const i64: Codec<bigint> = numberCodec(I64, true)
/** `t`: an unsigned 64-bit integer. */
export const u64: Codec<bigint> = numberCodec(U64, true)
/** `d`: a double. Encoding may change the payload of a NaN. */
export const f64: Codec<number> = numberCodec(F64, true)

// The following have the same type strings. OSTree converts numbers to big-endian before it stores them in a value.

/** `n`, stored big-endian. */
export const i16be: Codec<number> = numberCodec(I16, false)
/** `q`, stored big-endian. */
export const u16be: Codec<number> = numberCodec(U16, false)
/** `i`, stored big-endian. */
export const i32be: Codec<number> = numberCodec(I32, false)
/** `u`, stored big-endian. */
export const u32be: Codec<number> = numberCodec(U32, false)
/** `x`, stored big-endian. */
export const i64be: Codec<bigint> = numberCodec(I64, false)
/** `t`, stored big-endian. */
export const u64be: Codec<bigint> = numberCodec(U64, false)
/** `d`, stored big-endian. */
export const f64be: Codec<number> = numberCodec(F64, false)
