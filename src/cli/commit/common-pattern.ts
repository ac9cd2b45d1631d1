/**
 * Compiles regular expressions of PCRE, which GLib uses, with JavaScript's engine: those that mean the same in both. Any
 * other is refused, because a different match would silently give a different commit.
 *
 * The same in both are literal characters, escaped punctuation, `\t \n \f \r`, `.`, `^`, `$`, alternatives, groups
 * `( )`, `(?: )` and `(?<NAME> )`, lookahead, greedy and lazy quantifiers `* + ? {N} {N,} {N,M}`, and classes of
 * characters, ranges and `\d \w \s`. These are refused:
 *
 *   [[:alpha:]]  [a&&b]  [[a]]         POSIX classes, and a bracket within a class
 *   \Q \E \A \Z \z \G \K \R \h \v …    other escapes of letters and digits, also back references: to a group that has not
 *                                      matched, JavaScript's matches the empty string and PCRE's fails
 *   a++  (?>…)  (?i)  (?P<…>)  (*…)    possessive quantifiers, atomic groups, flags, verbs
 *   (?<=…)  (?<!…)                     lookbehind, which JavaScript matches from right to left
 *   (…)*                               a group in a repeated group: JavaScript forgets it in each round
 *
 * Source: PCRE2, pcre2pattern; ECMA-262, 22.2.
 */

import { UnsupportedError, UsageError } from '../../errors.ts'

/** Characters before which a backslash makes a literal in both, also in classes. */
const PUNCTUATION = /^[!-/:-@[-`{-~]$/
const CONTROLS: Readonly<Record<string, string>> = { t: '\\t', n: '\\n', f: '\\f', r: '\\r' }
/** Escapes that mean the same for ASCII only. */
const ASCII_ONLY = new Set(['d', 'D', 'w', 'W', 's', 'S', 'b', 'B'])
/** Line breaks that `.` does not match in one of both, and before which PCRE's `$` matches. */
const LINE_BREAKS = /[\n\v\f\r\u0085\u2028\u2029]/
const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})/

/** A compiled expression. */
export interface CommonPattern {
  /** With the flags `g` and `u`. */
  readonly expression: RegExp
  /** Checks a text that is to be matched. @throws {UnsupportedError} when both could match it differently */
  requireAlike(text: string): void
}

/**
 * Compiles an expression.
 * @throws {UnsupportedError} when it may have another meaning in PCRE
 * @throws {UsageError} when it is malformed
 */
export function compileCommonPattern(pattern: string): CommonPattern {
  const { source, asciiOnly, lineBreaks } = new Translator(pattern).run()
  let expression: RegExp
  try {
    expression = new RegExp(source, 'gu')
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : `Malformed regular expression ${pattern}`)
  }
  return {
    expression,
    requireAlike(text) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are all characters that are not ASCII.
      const differs = (asciiOnly && /[^\x00-\x7f]/.test(text)) || (lineBreaks && LINE_BREAKS.test(text))
      if (differs)
        throw new UnsupportedError('PCRE', `The pattern ${pattern} may match ${JSON.stringify(text)} differently`)
    },
  }
}

/** One pass over an expression, which writes the same expression for JavaScript. */
class Translator {
  readonly #pattern: string
  #at = 0
  #source = ''
  #asciiOnly = false
  #lineBreaks = false

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  run(): { readonly source: string; readonly asciiOnly: boolean; readonly lineBreaks: boolean } {
    // A verb at the start, such as (*UCP), changes the meaning of the rest.
    this.#alternatives(0)
    if (this.#at < this.#pattern.length) throw new UsageError(`Unmatched ) in regular expression ${this.#pattern}`)
    return { source: this.#source, asciiOnly: this.#asciiOnly, lineBreaks: this.#lineBreaks }
  }

  /** @returns whether there is a group that captures */
  #alternatives(depth: number): boolean {
    if (depth > 100) throw this.#refuse('deep nesting')
    let captures = false
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ')') {
      const isGroup = this.#pattern[this.#at] === '('
      const within = this.#atom(depth)
      captures ||= within
      this.#quantifier(isGroup && within)
    }
    return captures
  }

  /** @returns whether it is, or has, a group that captures */
  #atom(depth: number): boolean {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group(depth)
      case '[':
        this.#class()
        return false
      case '\\':
        this.#escape(false)
        return false
      case '.':
        this.#lineBreaks = true
        break
      case '$':
        this.#lineBreaks = true
        break
      case '{':
      case '}':
      case ']':
        // Literal in PCRE, if not part of a quantifier or class.
        this.#source += `\\${character}`
        return false
      case '*':
      case '+':
      case '?':
        throw new UsageError(`Nothing to repeat at ${character} in regular expression ${this.#pattern}`)
    }
    this.#source += character
    return false
  }

  #group(depth: number): boolean {
    const rest = this.#pattern.slice(this.#at)
    if (rest.startsWith('*')) throw this.#refuse('(*')
    const [special = ''] = /^\?(?:[:=!]|<[A-Za-z_]\w*>)/.exec(rest) ?? []
    if (special === '' && rest.startsWith('?')) throw this.#refuse(`(${rest.slice(0, 3)}`)
    this.#at += special.length
    this.#source += `(${special}`
    const within = this.#alternatives(depth + 1)
    if (this.#pattern[this.#at] !== ')') throw new UsageError(`Missing ) in regular expression ${this.#pattern}`)
    this.#at++
    this.#source += ')'
    return within || special === '' || special.startsWith('?<')
  }

  /** @param repeatsCapture whether what is repeated captures */
  #quantifier(repeatsCapture: boolean): void {
    const [found] = QUANTIFIER.exec(this.#pattern.slice(this.#at)) ?? []
    if (found === undefined) return
    this.#at += found.length
    this.#source += found
    const more = this.#pattern[this.#at]
    if (more === '+') throw this.#refuse(`${found}+`)
    if (more === '?') {
      this.#at++
      this.#source += '?'
    }
    if (QUANTIFIER.test(this.#pattern.slice(this.#at))) throw this.#refuse('a repeated quantifier')
    // Whether a group took part at all, as in (a)?, is the same in both.
    if (repeatsCapture && found !== '?') throw this.#refuse('a repeated group that captures')
  }

  #escape(inClass: boolean): void {
    const escaped = this.#next()
    if (PUNCTUATION.test(escaped)) {
      // JavaScript allows the backslash before its own syntax characters only.
      this.#source += /[$()*+./?[\\\]^{|}]/.test(escaped) || (inClass && escaped === '-') ? `\\${escaped}` : escaped
      return
    }
    const control = CONTROLS[escaped]
    if (control !== undefined) this.#source += control
    else if (ASCII_ONLY.has(escaped) && !(inClass && /[bB]/.test(escaped))) {
      this.#asciiOnly = true
      this.#source += `\\${escaped}`
    } else throw this.#refuse(`\\${escaped}`)
  }

  #class(): void {
    this.#source += '['
    if (this.#pattern[this.#at] === '^') this.#source += this.#next()
    // In PCRE a bracket that comes first is literal; in JavaScript it ends the class.
    if (this.#pattern[this.#at] === ']') {
      this.#at++
      this.#source += '\\]'
    }
    while (this.#pattern[this.#at] !== ']') {
      const character = this.#next(`Missing ] in regular expression ${this.#pattern}`)
      if (character === '[' && /[[:.=]/.test(this.#pattern[this.#at] ?? ''))
        throw this.#refuse(`[${this.#pattern[this.#at]}`)
      if (character === '\\') this.#escape(true)
      else this.#source += character === '[' ? '\\[' : character
    }
    this.#source += this.#next()
  }

  /** Takes the next character, which may be a surrogate pair. */
  #next(message = `\\ at the end of regular expression ${this.#pattern}`): string {
    const code = this.#pattern.codePointAt(this.#at)
    if (code === undefined) throw new UsageError(message)
    const character = String.fromCodePoint(code)
    this.#at += character.length
    return character
  }

  #refuse(what: string): UnsupportedError {
    return new UnsupportedError(
      'PCRE',
      `The regular expression ${this.#pattern} has ${what}, which JavaScript has not as PCRE`,
    )
  }
}
