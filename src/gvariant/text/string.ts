/** Decodes string literals. Source: GLib, gvariant-parser.c (string_parse, bytestring_parse). */

import { byteKey, encodeUtf8 } from '../../bytes.ts'
import type { TextRange, TokenStream } from './tokens.ts'

const BACKSLASH = 0x5c
const LINE_FEED = 0x0a

const LETTER_ESCAPES = new Map([
  ['a', 0x07],
  ['b', 0x08],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
])

/**
 * Decodes the literal in `range`, whose quote is at `quoteAt`.
 * @param special decodes an escape other than a single letter: called with the index after the backslash, it returns the
 *   index after the escape, or the same index if it is not one
 */
function unquote(
  stream: TokenStream,
  range: TextRange,
  quoteAt: number,
  special: (at: number, out: number[]) => number,
): Uint8Array {
  const { bytes } = stream
  const out: number[] = []
  const quote = bytes[quoteAt]
  let at = quoteAt + 1
  while (true) {
    if (at >= range.end) stream.fail(range, 'unterminated string constant')
    const byte = bytes[at++] as number
    if (byte === quote) return Uint8Array.from(out)
    if (byte !== BACKSLASH) {
      out.push(byte)
      continue
    }
    if (at >= range.end) stream.fail(range, 'unterminated string constant')
    const escaped = bytes[at] as number
    const letter = LETTER_ESCAPES.get(String.fromCharCode(escaped))
    const after = special(at, out)
    if (after > at) at = after
    else {
      at++
      if (escaped !== LINE_FEED) out.push(letter ?? escaped)
    }
  }
}

/**
 * Decodes `'…'` or `"…"` and returns the bytes, which have no NUL.
 * @throws {GVariantTextError} if the literal is unterminated or has an invalid escape
 */
export function unquoteString(stream: TokenStream, range: TextRange): Uint8Array {
  return unquote(stream, range, range.start, (at, out) => {
    const digits = stream.bytes[at] === 0x75 ? 4 : stream.bytes[at] === 0x55 ? 8 : 0
    if (digits === 0) return at
    const text = byteKey(stream.bytes.subarray(at + 1, Math.min(at + 1 + digits, range.end)))
    const hex = /^[0-9a-fA-F]*/.exec(text)?.[0] ?? ''
    const point = hex.length === digits ? Number.parseInt(hex, 16) : 0
    const isCharacter = point > 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff)
    if (!isCharacter)
      stream.fail({ start: at + 1, end: at + 1 + hex.length }, `invalid ${digits}-character unicode escape`)
    for (const byte of encodeUtf8(String.fromCodePoint(point))) out.push(byte)
    return at + 1 + digits
  })
}

/**
 * Decodes `b'…'` or `b"…"` and returns the bytes before the first NUL.
 * @throws {GVariantTextError} if the literal is unterminated
 */
export function unquoteBytes(stream: TokenStream, range: TextRange): Uint8Array {
  const bytes = unquote(stream, range, range.start + 1, (at, out) => {
    const octal = /^[0-7]{0,3}/.exec(byteKey(stream.bytes.subarray(at, at + 3)))?.[0] ?? ''
    if (octal !== '') out.push(Number.parseInt(octal, 8) & 0xff)
    return at + octal.length
  })
  const nul = bytes.indexOf(0)
  return nul < 0 ? bytes : bytes.subarray(0, nul)
}
