/**
 * `--tar-pathname-filter=REGEX,REPLACEMENT`. The regular expression is JavaScript's, which agrees with PCRE on the
 * syntax that such filters use. The replacement is GLib's: `\1`, `\g<1>` and `\g<name>` for groups, `\0` for the whole
 * match, and escapes such as `\n`. Source: ot-builtin-commit.c, GLib's g_regex_replace.
 */

import { UsageError, withContext } from '../../errors.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  e: '\u001b',
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
 */
export function pathnameFilter(text: string): (path: string) => string {
  const comma = text.indexOf(',')
  if (comma < 0) throw new UsageError("Missing ',' in --tar-pathname-filter")
  try {
    const pattern = compile(text.slice(0, comma))
    const parts = parseReplacement(text.slice(comma + 1))
    return (path) => path.replace(pattern, (...match) => fill(parts, match))
  } catch (error) {
    throw withContext('--tar-pathname-filter', error)
  }
}

function compile(pattern: string): RegExp {
  for (const flags of ['gu', 'g']) {
    try {
      return new RegExp(pattern, flags)
    } catch (error) {
      // PCRE accepts a backslash before any other character; JavaScript does so only without the flag `u`.
      if (flags === 'g') throw new UsageError(error instanceof Error ? error.message : String(error))
    }
  }
  throw new UsageError(`Error while compiling regular expression ${pattern}`)
}

function parseReplacement(text: string): Part[] {
  const parts: Part[] = []
  const grammar = /\\(?:g<(\w+)>|(\d)|([^\d]))|([^\\]+)|(\\)$/gsu
  for (const [, named, digit, escaped, plain, trailing] of text.matchAll(grammar)) {
    if (plain !== undefined) parts.push(plain)
    else if (trailing !== undefined) throw new UsageError(`Error while parsing replacement text “${text}”`)
    else if (digit !== undefined) parts.push({ group: Number(digit) })
    else if (named !== undefined) parts.push({ group: /^\d+$/.test(named) ? Number(named) : named })
    else if (escaped !== undefined) parts.push(ESCAPES[escaped] ?? escaped)
  }
  return parts
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
