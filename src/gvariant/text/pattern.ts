/**
 * Patterns: what is known of an expression's type without its context. A pattern is a type string, with
 *
 *     *   any type              N   some number          S   a string, an object path or a signature
 *     M   zero or more `m`
 *
 * Source: GLib, gvariant-parser.c (pattern_coalesce).
 */

const NUMBER_TYPES = 'ynqiuxthd'
const STRING_TYPES = 'sog'

/** Returns the index after the pattern that starts at `at`. */
function patternEnd(pattern: string, at: number): number {
  let end = at
  while (end < pattern.length && 'amM'.includes(pattern.charAt(end))) end++
  let depth = 0
  do {
    const character = pattern.charAt(end++)
    if (character === '(' || character === '{') depth++
    else if (character === ')' || character === '}') depth--
  } while (depth > 0 && end < pattern.length)
  return end
}

/** A match of the next part of two patterns: the text it adds to the result, and the indices after it in both. */
interface Step {
  readonly taken: string
  readonly general: number
  readonly special: number
}

/** Matches a wildcard at `at` in `general` with the pattern at `specialAt` in `special`. */
function narrow(general: string, at: number, special: string, specialAt: number): Step | undefined {
  const wanted = general.charAt(at)
  const found = special.charAt(specialAt)
  if (wanted === '*' && found !== ')') {
    const end = patternEnd(special, specialAt)
    return { taken: special.slice(specialAt, end), general: at + 1, special: end }
  }
  if (wanted === 'M' && found === 'm') return { taken: found, general: at, special: specialAt + 1 }
  if (wanted === 'M' && found !== '*') return { taken: '', general: at + 1, special: specialAt }
  const choices = wanted === 'N' ? NUMBER_TYPES : wanted === 'S' ? STRING_TYPES : ''
  return choices.includes(found) && choices !== ''
    ? { taken: found, general: at + 1, special: specialAt + 1 }
    : undefined
}

/** Returns the pattern of the types that both patterns match; `undefined` if there are none. */
export function coalesce(left: string, right: string): string | undefined {
  const taken: string[] = []
  let l = 0
  let r = 0
  while (l < left.length && r < right.length) {
    if (left[l] === right[r]) {
      taken.push(left.charAt(l))
      l++
      r++
      continue
    }
    const onLeft = narrow(left, l, right, r)
    if (onLeft !== undefined) {
      taken.push(onLeft.taken)
      l = onLeft.general
      r = onLeft.special
      continue
    }
    const onRight = narrow(right, r, left, l)
    if (onRight === undefined) return undefined
    taken.push(onRight.taken)
    r = onRight.general
    l = onRight.special
  }
  return l < left.length || r < right.length ? undefined : taken.join('')
}

/**
 * Returns the default type of a pattern: without optional maybes, with `s` for strings and `i` for numbers; `undefined`
 * if a part can be of any type.
 */
export function defaultType(pattern: string): string | undefined {
  if (pattern.includes('*')) return undefined
  return pattern.replaceAll('M', '').replaceAll('S', 's').replaceAll('N', 'i')
}
