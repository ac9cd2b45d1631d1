/**
 * `--tar-pathname-filter=REGEX,REPLACEMENT`. The regular expression is one of PCRE that means the same in
 * JavaScript (common-pattern.ts). The replacement is GLib's: `\1`, `\g<1>` and `\g<name>` for groups, `\0` for the whole
 * match, and escapes such as `\n`. Source: ot-builtin-commit.c, GLib's g_regex_replace.
 */

import { UnsupportedError, UsageError, withContext } from '../../errors.ts'
import { compileCommonPattern } from './common-pattern.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

type Part = string | { readonly group: string | number }

/**
 * Parses the option and returns the function that rewrites a path.
 * @throws {UsageError} when there is no comma, or the expression or the replacement is malformed
 * @throws {UnsupportedError} when the expression may have another meaning in JavaScript
 */
export function pathnameFilter(text: string): (path: string) => string {
  const comma = text.indexOf(',')
  if (comma < 0) throw new UsageError("Missing ',' in --tar-pathname-filter")
  try {
    const pattern = compileCommonPattern(text.slice(0, comma))
    const parts = parseReplacement(text.slice(comma + 1))
    return (path) => {
      pattern.requireAlike(path)
      return path.replace(pattern.expression, (...match) => fill(parts, match))
    }
  } catch (error) {
    throw withContext('--tar-pathname-filter', error)
  }
}

/**
 * Parses a replacement.
 * @throws {UsageError} when it is malformed, as in GLib
 * @throws {UnsupportedError} when it changes the case of letters, or has a number of several digits, which may be octal
 */
function parseReplacement(text: string): Part[] {
  const parts: Part[] = []
  const grammar = /\\(?:g<(\w+)>|(\d+)|x([0-9a-f]{2})|x\{([0-9a-f]{1,6})\}|(.))|([^\\]+)|\\$/gisu
  for (const [, named, digits, hex, longHex, escaped, plain] of text.matchAll(grammar)) {
    if (plain !== undefined) parts.push(plain)
    else if (digits !== undefined) {
      if (digits.length > 1)
        throw new UnsupportedError('GRegex', `\\${digits} in the replacement text is not supported`)
      parts.push({ group: Number(digits) })
    } else if (named !== undefined) parts.push({ group: /^\d+$/.test(named) ? Number(named) : named })
    else if (hex !== undefined || longHex !== undefined)
      parts.push(codePoint(Number.parseInt(hex ?? longHex ?? '', 16)))
    else if (escaped !== undefined && /[luLUEQ]/.test(escaped)) {
      throw new UnsupportedError('GRegex', `\\${escaped} in the replacement text is not supported`)
    } else if (escaped !== undefined && escaped in ESCAPES) parts.push(ESCAPES[escaped] as string)
    else throw new UsageError(`Error while parsing replacement text “${text}”: unknown escape sequence`)
  }
  return parts
}

/** @throws {UsageError} unless it is a character */
function codePoint(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || code === 0)
    throw new UsageError(`Invalid character \\x{${code}}`)
  return String.fromCodePoint(code)
}

/**
 * Fills a replacement.
 * @param match the arguments of a replacer of `String.replace`: match, groups, offset, text, and named groups if any
 */
function fill(parts: readonly Part[], match: readonly unknown[]): string {
  const last = match.at(-1)
  const names = (typeof last === 'object' && last !== null ? last : {}) as Readonly<Record<string, string>>
  const groups = match.slice(
    0,
    match.findIndex((value) => typeof value === 'number'),
  )
  return parts
    .map((part) => {
      if (typeof part === 'string') return part
      const { group } = part
      return String((typeof group === 'number' ? groups[group] : names[group]) ?? '')
    })
    .join('')
}
