/** Strings: the bytes and a NUL. What is not text, or not of the narrower grammar, reads as the default. */

import { decodeUtf8 } from '../bytes.ts'
import { type Codec, makeCodec } from './codec.ts'
import { GVariantValueError } from './errors.ts'
import { isObjectPath, isSignature } from './type-string.ts'
import type { Writer } from './writer.ts'

/** Names are short and ASCII: up to here, four characters at a time beat a TextDecoder. */
const LONGEST_BY_HAND = 32

/** @returns the text of `bytes[start, end)` if it is UTF-8, without NUL but for one at its end; else `undefined` */
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

/** @returns the text, or `undefined` when some byte is a NUL or not ASCII */
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

/** Appends the UTF-8 of `value` and a NUL. */
export function writeString(writer: Writer, type: string, value: string): void {
  if (typeof value !== 'string') throw new GVariantValueError(type, value, 'wanted a string')
  const length = value.length
  // A UTF-16 unit takes three bytes at most; a pair of them four.
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

/** `s`. Default `''`. */
export const string: Codec<string> = makeCodec(
  's',
  (writer, value) => writeString(writer, 's', value),
  (bytes, start, end) => readString(bytes, start, end) ?? '',
)

/** `o`, such as `/org/example`. Default `/`. */
export const objectPath: Codec<string> = makeCodec(
  'o',
  (writer, value) => {
    if (!isObjectPath(value)) throw new GVariantValueError('o', value, 'it is no object path')
    writeString(writer, 'o', value)
  },
  (bytes, start, end) => {
    const path = readString(bytes, start, end)
    return path !== undefined && isObjectPath(path) ? path : '/'
  },
)

/** `g`: zero or more type strings. Default `''`. */
export const signature: Codec<string> = makeCodec(
  'g',
  (writer, value) => {
    if (!isSignature(value)) throw new GVariantValueError('g', value, 'it is no signature')
    writeString(writer, 'g', value)
  },
  (bytes, start, end) => {
    const types = readString(bytes, start, end)
    return types !== undefined && isSignature(types) ? types : ''
  },
)
