/**
 * Splits the text form into tokens. Positions are offsets in the UTF-8 of the text, as in GLib's errors.
 * Source: GLib, gvariant-parser.c (token_stream_prepare).
 */

import { displayUtf8, encodeUtf8 } from '../../bytes.ts'
import { GVariantTextError } from '../errors.ts'

/** A range `[start, end)` of byte offsets in the text. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

const BACKSLASH = 0x5c

/** Returns whether a byte is a space as in g_ascii_isspace, which excludes the vertical tab. */
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

/** The tokens of a text. `current` stays the same until `next` or `consume` is called. */
export class TokenStream {
  readonly #text: string
  /** The text in UTF-8. */
  readonly bytes: Uint8Array
  #current: TextRange | undefined
  /** End of the current token, or of the last one consumed. */
  position: number

  /**
   * @param text ends at its first NUL
   * @throws {GVariantTextError} if it has a lone surrogate
   */
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

  /** Range of the current token; empty at the end of the text. */
  get current(): TextRange {
    if (this.#current === undefined) {
      const start = this.#skipSpace(this.position)
      this.position = start < this.bytes.length ? this.#tokenEnd(start) : start
      this.#current = { start, end: this.position }
    }
    return this.#current
  }

  /** Text of the current token. */
  get currentText(): string {
    return this.textOf(this.current)
  }

  /** Returns the text in a range. */
  textOf({ start, end }: TextRange): string {
    return displayUtf8(this.bytes.subarray(start, end))
  }

  /** Moves on to the next token. */
  next(): void {
    this.#current = undefined
  }

  /** Returns whether the current token starts with one of these ASCII characters. */
  beginsWith(characters: string): boolean {
    const { start, end } = this.current
    return start < end && isOneOf(characters, this.bytes[start] as number)
  }

  /** Returns whether the second character of the current token is one of these. */
  secondIs(characters: string): boolean {
    const { start, end } = this.current
    return start + 1 < end && isOneOf(characters, this.bytes[start + 1] as number)
  }

  /** Returns whether the current token is `token`, which must be ASCII. */
  is(token: string): boolean {
    const { start, end } = this.current
    return end - start === token.length && this.textOf(this.current) === token
  }

  /** Moves on to the next token if the current one is `token`, and returns whether it was. */
  consume(token: string): boolean {
    if (!this.is(token)) return false
    this.next()
    return true
  }

  /**
   * Consumes `token`.
   * @param purpose why it is needed, for the message
   * @throws {GVariantTextError} if the current token is another one
   */
  require(token: string, purpose: string): void {
    if (!this.consume(token)) this.fail(this.current.start, `expected '${token}' ${purpose}`)
  }

  /**
   * Checks that only space is left.
   * @throws {GVariantTextError} if something else follows
   */
  requireEnd(): void {
    const at = this.#skipSpace(this.position)
    if (at < this.bytes.length) this.fail(at, 'expected end of input')
  }

  /**
   * Throws an error.
   * @param at range of the error, or the offset at which something is missing
   * @param other range that contradicts `at`
   * @throws {GVariantTextError} always
   */
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

  /** Returns the end of a type declaration: a space, one of `, : > ]`, or an unmatched closing bracket. */
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
