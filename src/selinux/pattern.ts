/**
 * Parses the regular expressions of file contexts: PCRE over bytes, where `.` also matches a newline. Constructs that
 * cannot be matched in time linear in the path (back references, look-around) give an error that names them.
 *
 * Source: pcre2pattern(3); libselinux, regex.c (PCRE2_DOTALL, no UTF).
 */

import { FormatError, LimitError, UnsupportedError } from '../errors.ts'

/** A set of bytes: 256 entries, 1 for each byte in the set. */
export type ByteSet = Uint8Array

/** Syntax tree of a pattern. */
export type PatternNode =
  | { readonly kind: 'byte'; readonly byte: number }
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'start' }
  /** Also matches before a newline that ends the text. */
  | { readonly kind: 'end' }
  | { readonly kind: 'sequence' | 'choice'; readonly of: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly of: PatternNode; readonly min: number; readonly max: number }

/** Nested groups; the limit of PCRE. */
const MAX_DEPTH = 250
const MAX_COUNT = 65_535

/**
 * Parses a pattern.
 * @param source ASCII text
 * @throws {FormatError} when PCRE rejects the pattern too
 * @throws {UnsupportedError} when PCRE accepts the pattern but this parser does not
 * @throws {LimitError} when groups are nested too deeply
 */
export function parsePattern(source: string): PatternNode {
  return new PatternParser(source).parse()
}

class PatternParser {
  readonly #source: string
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
  }

  parse(): PatternNode {
    const node = this.#choice()
    if (this.#at < this.#source.length) throw this.#wrong('unmatched closing parenthesis')
    return node
  }

  #choice(): PatternNode {
    if (++this.#depth > MAX_DEPTH) throw new LimitError('depth of a pattern', MAX_DEPTH)
    const of = [this.#sequence()]
    while (this.#take('|')) of.push(this.#sequence())
    this.#depth--
    return of.length === 1 ? (of[0] as PatternNode) : { kind: 'choice', of }
  }

  #sequence(): PatternNode {
    const of: PatternNode[] = []
    for (let next = this.#peek(); next !== '' && next !== '|' && next !== ')'; next = this.#peek()) {
      of.push(this.#repeated(this.#atom()))
    }
    return of.length === 1 ? (of[0] as PatternNode) : { kind: 'sequence', of }
  }

  #repeated(atom: PatternNode): PatternNode {
    const counts = this.#counts()
    if (counts === undefined) return atom
    if (atom.kind === 'start' || atom.kind === 'end') throw this.#unsupported('a repeated assertion')
    if (this.#peek() === '+') throw this.#unsupported('a possessive quantifier')
    // A lazy quantifier matches the same texts as a greedy one.
    this.#take('?')
    return { kind: 'repeat', of: atom, ...counts }
  }

  #counts(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { min: 0, max: 1 }
    const found = /^\{(\d+)(,?)(\d*)\}/.exec(this.#source.slice(this.#at, this.#at + 16))
    if (found === null) return undefined
    const [text, least, comma, most] = found
    this.#at += text.length
    const min = Number(least)
    const max = comma === '' ? min : most === '' ? Number.POSITIVE_INFINITY : Number(most)
    if (min > MAX_COUNT || (max > MAX_COUNT && most !== '')) throw this.#wrong('number too big in {} quantifier')
    if (max < min) throw this.#wrong('numbers out of order in {} quantifier')
    return { min, max }
  }

  #atom(): PatternNode {
    if (this.#counts() !== undefined) throw this.#wrong('quantifier does not follow a repeatable item')
    const next = this.#next()
    switch (next) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'set', set: this.#class() }
      case '.':
        return { kind: 'set', set: new Uint8Array(256).fill(1) }
      case '^':
        return { kind: 'start' }
      case '$':
        return { kind: 'end' }
      case '\\':
        return this.#escape()
      default:
        return { kind: 'byte', byte: next.charCodeAt(0) }
    }
  }

  #group(): PatternNode {
    if (this.#peek() === '*') throw this.#unsupported('a verb')
    if (this.#take('?') && !this.#take(':')) throw this.#unsupported('a group with options')
    const node = this.#choice()
    if (!this.#take(')')) throw this.#wrong('missing closing parenthesis')
    // Wrapped in one node, so that a quantifier applies to the whole group.
    return node.kind === 'sequence' ? { kind: 'sequence', of: [node] } : node
  }

  #escape(): PatternNode {
    if (this.#take('A')) return { kind: 'start' }
    if (this.#take('Z')) return { kind: 'end' }
    const found = this.#escaped()
    return typeof found === 'number' ? { kind: 'byte', byte: found } : { kind: 'set', set: found }
  }

  /** Reads what follows a backslash, outside and inside a class. */
  #escaped(): number | ByteSet {
    if (this.#at === this.#source.length) throw this.#wrong('\\ at end of pattern')
    const next = this.#next()
    const known = CONTROL[next]
    if (known !== undefined) return known
    const members = CLASSES[next.toLowerCase()]
    if (members !== undefined) return next === next.toLowerCase() ? setOf(members) : complement(setOf(members))
    if (next === 'x') return this.#hex()
    if (next === '0') return this.#octal()
    if (/[1-9]/.test(next)) throw this.#unsupported('a back reference')
    if (/[A-Za-z]/.test(next)) {
      if (KNOWN_TO_PCRE.has(next)) throw this.#unsupported(`\\${next}`)
      throw this.#wrong('unrecognized character follows \\')
    }
    return next.charCodeAt(0)
  }

  #hex(): number {
    const [text = '', braced, plain] =
      /^(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{0,2}))/.exec(this.#source.slice(this.#at)) ?? []
    this.#at += text.length
    const value = Number.parseInt(braced ?? plain ?? '', 16)
    if (value > 255) throw this.#wrong('character code point value in \\x{} or \\o{} is too large')
    return Number.isNaN(value) ? 0 : value
  }

  #octal(): number {
    const [text = ''] = /^[0-7]{0,2}/.exec(this.#source.slice(this.#at)) ?? []
    this.#at += text.length
    return Number.parseInt(`0${text}`, 8)
  }

  #class(): ByteSet {
    const set = new Uint8Array(256)
    const negated = this.#take('^')
    let first = true
    while (first || this.#peek() !== ']') {
      if (this.#at === this.#source.length) throw this.#wrong('missing terminating ] for character class')
      first = false
      const low = this.#classItem()
      const isRange = this.#peek() === '-' && !['', ']'].includes(this.#source.charAt(this.#at + 1))
      if (typeof low !== 'number' || !isRange) {
        add(set, low)
        continue
      }
      this.#at++
      const high = this.#classItem()
      if (typeof high !== 'number') throw this.#wrong('invalid range in character class')
      if (high < low) throw this.#wrong('range out of order in character class')
      set.fill(1, low, high + 1)
    }
    this.#at++
    return negated ? complement(set) : set
  }

  #classItem(): number | ByteSet {
    const posix = /^\[([:.=])(\^?)([a-z]*)\1\]/.exec(this.#source.slice(this.#at, this.#at + 16))
    if (posix !== null) {
      const [text, mark, negated, name = ''] = posix
      if (mark !== ':') throw this.#wrong('POSIX collating elements are not supported')
      const members = POSIX[name]
      if (members === undefined) throw this.#wrong('unknown POSIX class name')
      this.#at += text.length
      return negated === '' ? setOf(members) : complement(setOf(members))
    }
    const next = this.#next()
    if (next !== '\\') return next.charCodeAt(0)
    return this.#take('b') ? 0x08 : this.#escaped()
  }

  #peek(): string {
    return this.#source.charAt(this.#at)
  }

  #next(): string {
    return this.#source.charAt(this.#at++)
  }

  #take(text: string): boolean {
    if (this.#peek() !== text) return false
    this.#at++
    return true
  }

  #wrong(reason: string): FormatError {
    return new FormatError('pattern', `${reason} at offset ${this.#at}`)
  }

  #unsupported(what: string): UnsupportedError {
    return new UnsupportedError('pattern', `${what} is not supported, at offset ${this.#at}`)
  }
}

/** Built on first use: most runs need none. */
const sets = new Map<RegExp, ByteSet>()

function setOf(members: RegExp): ByteSet {
  let set = sets.get(members)
  if (set === undefined) {
    set = Uint8Array.from({ length: 256 }, (_, byte) => (members.test(String.fromCharCode(byte)) ? 1 : 0))
    sets.set(members, set)
  }
  return set
}

function complement(set: ByteSet): ByteSet {
  return set.map((present) => 1 - present)
}

function add(set: ByteSet, item: number | ByteSet): void {
  if (typeof item === 'number') set[item] = 1
  else for (const [byte, present] of item.entries()) if (present === 1) set[byte] = 1
}

const CONTROL: Readonly<Record<string, number>> = { a: 0x07, e: 0x1b, f: 0x0c, n: 0x0a, r: 0x0d, t: 0x09 }
const CLASSES: Readonly<Record<string, RegExp>> = {
  d: /[0-9]/,
  h: /[\t ]/,
  s: /[\t-\r ]/,
  v: /[\n-\r]/,
  w: /[A-Za-z0-9_]/,
}
const POSIX: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what the class is
  ascii: /[\x00-\x7f]/,
  blank: /[\t ]/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what the class is
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  upper: /[A-Z]/,
  word: /[A-Za-z0-9_]/,
  xdigit: /[0-9A-Fa-f]/,
}
/** Letters that PCRE gives a meaning after a backslash, and this parser does not support. */
const KNOWN_TO_PCRE = new Set('bBcCEGgkKNopPQRXz')
