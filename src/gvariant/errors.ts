/** Errors for wrong type strings, values and texts. Bytes are never wrong: see `Codec.decode`. */

import { OstreeError } from '../errors.ts'

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`
}

/** A string is not a GVariant type string, or exceeds the limits on its depth and length. `data.type` is the string. */
export class GVariantTypeError extends OstreeError {
  override get name() {
    return 'GVariantTypeError' as const
  }
  readonly code = 'invalid'
  readonly data: { type: string }

  constructor(type: string, message = `Invalid GVariant type string '${shorten(type, 64)}'`) {
    super(message)
    this.data = { type }
  }
}

/** A value cannot be encoded as its type: an integer out of range, a string with a NUL or a lone surrogate. */
export class GVariantValueError extends OstreeError {
  override get name() {
    return 'GVariantValueError' as const
  }
  readonly code = 'invalid'
  readonly data: { type: string; value: unknown }

  constructor(type: string, value: unknown, problem: string) {
    super(`Cannot encode ${describe(value)} as GVariant '${shorten(type, 64)}': ${problem}`)
    this.data = { type, value }
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value, 64))
  if (value === null || typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return shorten(String(value), 64)
}

/** A text is not a GVariant in text form. `message` is `RANGE:MESSAGE` in GLib's words. */
export class GVariantTextError extends OstreeError {
  override get name() {
    return 'GVariantTextError' as const
  }
  readonly code = 'invalid'
  /**
   * `range` gives byte offsets in the UTF-8 of `text`: `START-END`, `POSITION`, or two of these separated by a comma.
   * `problem` is the message without the range.
   */
  readonly data: { text: string; range: string; problem: string }

  constructor(text: string, range: string, problem: string) {
    super(`${range}:${problem}`)
    this.data = { text, range, problem }
  }
}
