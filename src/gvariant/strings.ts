/** Codecs of strings, which are UTF-8 followed by a NUL. Malformed strings decode to the default. */

import { decodeUtf8 } from '../bytes.ts'
import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'
import { isObjectPath, isSignature } from './type-string.ts'
import type { Writer } from './writer.ts'

/** Length in bytes up to which reading ASCII by hand, four characters at a time, is faster than a TextDecoder. */
const LONGEST_BY_HAND = 32

/**
 * Returns the text of `bytes[start, end)` without the NUL at its end; `undefined` if it is not UTF-8, does not end with a
 * NUL, or has others.
 */
export function readString(bytes: Uint8Array, start: number, end: number): string | undefined {
  const last = end - 1
  if (last < start || bytes[last] !== 0) return undefined
  if (last - start <= LONGEST_BY_HAND) {
    const text = readAscii(bytes, start, last)
    if (text !== undefined) return text
  }
  if (bytes.indexOf(0, start) !== last) return undefined
  return decodeUtf8(bytes.subarray(start, last))
}

/** Returns the text of `bytes[start, end)`; `undefined` if a byte is NUL or not ASCII. */
export function readAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  let at = start
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    if ((a | b | c | d) > 0x7f || a * b * c * d === 0) return undefined
    text += String.fromCharCode(a, b, c, d)
  }
  for (; at < end; at++) {
    const byte = bytes[at] as number
    if (byte === 0 || byte > 0x7f) return undefined
    text += String.fromCharCode(byte)
  }
  return text
}

/**
 * Appends the UTF-8 of `value` and a NUL.
 * @param type type string, for errors
 * @throws {GVariantValueError} if `value` is not a string, or has a NUL or a lone surrogate
 */
export function writeString(writer: Writer, type: string, value: string): void {
  if (typeof value !== 'string') throw new GVariantValueError(type, value, 'wanted a string')
  const length = value.length
  // A UTF-16 unit takes at most three bytes of UTF-8, a surrogate pair four.
  const start = writer.reserve(length * 3 + 1)
  const bytes = writer.bytes
  let at = start
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i)
    if (unit < 0x80) {
      if (unit === 0) throw new GVariantValueError(type, value, 'it contains a NUL')
      bytes[at++] = unit
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes[at++] = 0xe0 | (unit >> 12)
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else {
      const point = value.codePointAt(i) as number
      if (point < 0x10000 || unit > 0xdbff) throw new GVariantValueError(type, value, 'it has a lone surrogate')
      i++
      bytes[at++] = 0xf0 | (point >> 18)
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f)
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f)
      bytes[at++] = 0x80 | (point & 0x3f)
    }
  }
  bytes[at++] = 0
  writer.length = at
}

/** `s`. The default is `''`. */
export const string: Codec<string> = makeCodec(
  's',
  (writer, value) => writeString(writer, 's', value),
  (bytes, start, end) => readString(bytes, start, end) ?? '',
)

/** `o`: a D-Bus object path, such as `/org/example`. The default is `/`. */
export const objectPath: Codec<string> = makeCodec(
  'o',
  (writer, value) => {
    if (!isObjectPath(value)) throw new GVariantValueError('o', value, 'it is not an object path')
    writeString(writer, 'o', value)
  },
  (bytes, start, end) => {
    const path = readString(bytes, start, end)
    return path !== undefined && isObjectPath(path) ? path : '/'
  },
)

/** `g`: a D-Bus signature, zero or more type strings. The default is `''`. */
export const signature: Codec<string> = makeCodec(
  'g',
  (writer, value) => {
    if (!isSignature(value)) throw new GVariantValueError('g', value, 'it is not a signature')
    writeString(writer, 'g', value)
  },
  (bytes, start, end) => {
    const types = readString(bytes, start, end)
    return types !== undefined && isSignature(types) ? types : ''
  },
)
