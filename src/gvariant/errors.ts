/** What can be wrong with a type string, a value or a text given to us. Bytes are never wrong: see `Codec.decode`. */

import { OstreeError } from '../errors.ts'

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`
}

/** Not a GVariant type string, or one nested or long beyond the limits. */
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

/** A value that its type cannot hold: an integer out of range, a string with a NUL, a lone surrogate. */
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

/** A text that is no GVariant in text form. `message` is `RANGE:MESSAGE`, as GLib words it. */
export class GVariantTextError extends OstreeError {
  override get name() {
    return 'GVariantTextError' as const
  }
  readonly code = 'invalid'
  /** `range`: offsets into the UTF-8 of the text, `start-end`, `position`, or two of these with a comma between. */
  readonly data: { text: string; range: string; problem: string }

  constructor(text: string, range: string, problem: string) {
    super(`${range}:${problem}`)
    this.data = { text, range, problem }
  }
}
