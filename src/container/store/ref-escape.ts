/**
 * Escapes any text as a ref name, and back: `docker://quay.io/a:b` ↔ `docker_3A__2F__2F_quay_2E_io/a_3A_b`.
 *
 *     A-Z a-z 0-9 -   unchanged
 *     /               unchanged right after a letter or digit, except at the end
 *     _               __
 *     anything else   _<code point in upper-case hex, two digits or more>_
 *
 * Source: ostree-ext, module `refescape`.
 */
import { InvalidNameError } from '../../errors.ts'

/** @throws {InvalidNameError} on empty text, NUL, or an unpaired surrogate */
export function escapeRef(text: string): string {
  if (text === '') throw new InvalidNameError(text, 'Invalid empty string for ref')
  let escaped = ''
  let afterAlphanumeric = false
  let position = 0
  for (const character of text) {
    position += character.length
    const alphanumeric = /^[A-Za-z0-9]$/.test(character)
    const separates = character === '/' && afterAlphanumeric && position < text.length
    if (alphanumeric || separates || character === '-') escaped += character
    else if (character === '_') escaped += '__'
    else escaped += `_${hexOf(character, text)}_`
    afterAlphanumeric = alphanumeric
  }
  return escaped
}

function hexOf(character: string, text: string): string {
  const codePoint = character.codePointAt(0) ?? 0
  if (codePoint === 0) throw new InvalidNameError(text, 'Invalid embedded NUL in string for ostree ref')
  if (isSurrogate(codePoint)) throw new InvalidNameError(text, 'Invalid surrogate in string for ostree ref')
  return codePoint.toString(16).toUpperCase().padStart(2, '0')
}

/** Returns `<prefix>/<escaped text>`. */
export function prefixEscapeRef(prefix: string, text: string): string {
  return `${prefix}/${escapeRef(text)}`
}

/** Reverts `escapeRef`; hex digits may have either case. @throws {InvalidNameError} when the ref is not escaped text */
export function unescapeRef(ref: string): string {
  let text = ''
  for (let at = 0; at < ref.length; ) {
    const character = String.fromCodePoint(ref.codePointAt(at) ?? 0)
    at += character.length
    if (/^[A-Za-z0-9/-]$/.test(character)) {
      text += character
    } else if (character !== '_') {
      throw new InvalidNameError(ref, `Invalid character ${character}`)
    } else if (ref[at] === '_') {
      text += '_'
      at++
    } else if (at < ref.length) {
      const close = ref.indexOf('_', at)
      const end = close < 0 ? ref.length : close
      text += characterOf(ref.slice(at, end), ref)
      at = end + 1
    } // A single `_` at the end is ignored.
  }
  return text
}

function characterOf(hex: string, ref: string): string {
  const codePoint = /^[0-9A-Fa-f]{1,8}$/.test(hex) ? Number.parseInt(hex, 16) : Number.NaN
  if (!(codePoint <= 0x10ffff) || isSurrogate(codePoint)) {
    throw new InvalidNameError(ref, `Invalid escape _${hex}_ in ref ${ref}`)
  }
  return String.fromCodePoint(codePoint)
}

function isSurrogate(codePoint: number): boolean {
  return codePoint >= 0xd800 && codePoint <= 0xdfff
}

/** Reverts `prefixEscapeRef`. @throws {InvalidNameError} as `unescapeRef`, and when `ref` is not below `prefix` */
export function unprefixUnescapeRef(prefix: string, ref: string): string {
  if (!ref.startsWith(`${prefix}/`)) {
    // The message of ostree-ext has ref and prefix in this order.
    throw new InvalidNameError(ref, `ref does not match expected prefix ${ref}/: ${prefix}`)
  }
  return unescapeRef(ref.slice(prefix.length + 1))
}
