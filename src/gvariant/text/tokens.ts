/**
 * Tokens of the text form. They are runs of UTF-8: positions in errors are byte offsets.
 * Source: GLib, gvariant-parser.c (token_stream_prepare).
 */

import { displayUtf8, encodeUtf8 } from '../../bytes.ts'
import { GVariantTextError } from '../errors.ts'

/** `bytes[start, end)` of the text. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

const BACKSLASH = 0x5c

/** g_ascii_isspace: no vertical tab. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}

function isOneOf(characters: string, byte: number): boolean {
  return characters.includes(String.fromCharCode(byte))
}

function isQuote(byte: number | undefined): boolean {
  return byte === 0x27 || byte === 0x22
}

/** One token at a time: `current` stays until it is consumed. */
export class TokenStream {
  readonly #text: string
  readonly bytes: Uint8Array
  #current: TextRange | undefined
  /** End of the current token, or of the last one consumed. */
  position: number

  constructor(text: string) {
    const nul = text.indexOf('\0')
    this.#text = nul < 0 ? text : text.slice(0, nul)
    this.#current = undefined
    this.position = 0
    const surrogate = text.search(/\p{Cs}/u)
    if (surrogate >= 0) {
      const offset = encodeUtf8(text.slice(0, surrogate)).length
      throw new GVariantTextError(text, String(offset), 'not valid UTF-8: lone surrogate')
    }
    this.bytes = encodeUtf8(this.#text)
  }

  /** Empty at the end of the text. */
  get current(): TextRange {
    if (this.#current === undefined) {
      const start = this.#skipSpace(this.position)
      this.position = start < this.bytes.length ? this.#tokenEnd(start) : start
      this.#current = { start, end: this.position }
    }
    return this.#current
  }

  get currentText(): string {
    return this.textOf(this.current)
  }

  textOf({ start, end }: TextRange): string {
    return displayUtf8(this.bytes.subarray(start, end))
  }

  next(): void {
    this.#current = undefined
  }

  /** Whether the current token begins with one of these ASCII characters. */
  beginsWith(characters: string): boolean {
    const { start, end } = this.current
    return start < end && isOneOf(characters, this.bytes[start] as number)
  }

  /** Whether a second character of the current token is one of these. */
  secondIs(characters: string): boolean {
    const { start, end } = this.current
    return start + 1 < end && isOneOf(characters, this.bytes[start + 1] as number)
  }

  /** Whether the current token is this one, of ASCII characters. */
  is(token: string): boolean {
    const { start, end } = this.current
    return end - start === token.length && this.textOf(this.current) === token
  }

  consume(token: string): boolean {
    if (!this.is(token)) return false
    this.next()
    return true
  }

  /** @throws {GVariantTextError} unless the token comes next */
  require(token: string, purpose: string): void {
    if (!this.consume(token)) this.fail(this.current.start, `expected '${token}' ${purpose}`)
  }

  /** @throws {GVariantTextError} unless nothing but space is left */
  requireEnd(): void {
    const at = this.#skipSpace(this.position)
    if (at < this.bytes.length) this.fail(at, 'expected end of input')
  }

  /** @param at a range, or the offset of what is missing @param other where the text contradicts itself */
  fail(at: TextRange | number, problem: string, other?: TextRange): never {
    const first = formatRange(typeof at === 'number' ? { start: at, end: at } : at)
    throw new GVariantTextError(this.#text, other ? `${first},${formatRange(other)}` : first, problem)
  }

  #skipSpace(from: number): number {
    let at = from
    while (isSpace(this.bytes[at])) at++
    return at
  }

  #tokenEnd(start: number): number {
    const { bytes } = this
    const first = bytes[start] as number
    if (isDigit(first) || isOneOf('+-.', first))
      return this.#endOfRun(start, (byte) => isDigit(byte) || isLetter(byte) || isOneOf('+-.', byte))
    if (isQuote(first)) return this.#endOfString(start)
    if (first === 0x62 && isQuote(bytes[start + 1])) return this.#endOfString(start + 1)
    if (first >= 0x61 && first <= 0x7a) return this.#endOfRun(start, (byte) => isDigit(byte) || isLetter(byte))
    if (isOneOf('@%', first)) return this.#endOfType(start)
    return start + 1
  }

  #endOfRun(start: number, belongs: (byte: number) => boolean): number {
    let end = start
    while (end < this.bytes.length && belongs(this.bytes[end] as number)) end++
    return end
  }

  #endOfString(quoteAt: number): number {
    const { bytes } = this
    const quote = bytes[quoteAt]
    let end = quoteAt + 1
    while (end < bytes.length && bytes[end] !== quote) end += bytes[end] === BACKSLASH ? 2 : 1
    return Math.min(end + 1, bytes.length)
  }

  /** A type declaration goes on to a space or to what cannot be part of it: `, : > ]` or a bracket too many. */
  #endOfType(start: number): number {
    let depth = 0
    return this.#endOfRun(start, (byte) => {
      if (isSpace(byte) || isOneOf(',:>]', byte)) return false
      if (isOneOf('({', byte)) depth++
      else if (isOneOf(')}', byte) && depth-- === 0) return false
      return true
    })
  }
}

function formatRange({ start, end }: TextRange): string {
  return start === end ? String(start) : `${start}-${end}`
}
