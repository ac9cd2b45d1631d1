/**
 * Parses options as GOption does: `--opt=VALUE`, `--opt VALUE`, `-o VALUE`, grouped short options, options between
 * positional arguments, and `--`, which ends the options. The error messages are GLib's. `util.parseArgs` cannot be
 * used: it reads `-oVALUE` as the value of `-o`, whereas GOption reads a group of short options, of which `-o` takes
 * the next argument. Source: GOption (goption.c).
 */

import { hasEscapedBytes } from '../bytes.ts'
import { UsageError } from '../errors.ts'
import { widest } from './text/table.ts'

/** The declaration of an option. */
export interface OptionSpec {
  /** `flag` takes no value. `strings` may be repeated; of the others the last one counts. */
  readonly type: 'flag' | 'string' | 'strings' | 'integer' | 'number'
  /**
   * The value may have bytes that are not UTF-8, escaped as by `escapeUtf8`, as that of GOption's `G_OPTION_ARG_FILENAME`.
   * Other strings that have them are refused.
   */
  readonly raw?: true
  /** The letter of the short form. */
  readonly short?: string
  /** Name of the value, printed after `=` in the help. */
  readonly arg?: string
  readonly help?: string
  /** The option is accepted but not listed in the help. */
  readonly hidden?: boolean
  /** ostree's command of this name does not have the option: see `formatOptions`. */
  readonly added?: true
}

/** Options by their long names, in the order of the help. */
export type OptionTable = Readonly<Record<string, OptionSpec>>

interface Values {
  flag: boolean
  string: string | undefined
  strings: string[]
  integer: number | undefined
  number: number | undefined
}

/** The type of the parsed values of an option table. */
export type OptionValues<T extends OptionTable> = { [K in keyof T]: Values[T[K]['type']] }

/** The result of parsing. */
export interface ParsedOptions<T extends OptionTable> {
  readonly values: OptionValues<T>
  readonly positionals: string[]
  /** A help option was found. Later arguments have not been parsed. */
  readonly help: boolean
}

/** All long and short help options of GOption. */
const HELP_WORDS = ['help', 'help-all']
const HELP_LETTERS = ['h', '?']

/** Parses a 32-bit integer as C's `strtol` with base 0 does: decimal, `0x…` hexadecimal, or `0…` octal. */
function integer(text: string, option: string): number {
  const [, sign, digits = ''] = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text) ?? []
  if (digits === '') throw new UsageError(`Cannot parse integer value “${text}” for ${option}`, option)
  const size = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
  const value = sign === '-' && size !== 0 ? -size : size
  if (value > 0x7fffffff || value < -0x80000000) {
    throw new UsageError(`Integer value “${text}” for ${option} out of range`, option)
  }
  return value
}

function decimal(text: string, option: string): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value)) {
    throw new UsageError(`Cannot parse double value “${text}” for ${option}`, option)
  }
  return value
}

/** GLib's error for text that is not UTF-8. */
export const NOT_UTF8 = 'Invalid byte sequence in conversion input'

/**
 * Parses arguments. Options that are not given are `false`, `[]` or `undefined`.
 * @throws {UsageError} when an option is unknown, or its value is missing or invalid; with GOption's message
 */
export function parseOptions<const T extends OptionTable>(table: T, args: readonly string[]): ParsedOptions<T> {
  return new OptionParser(table, args).run()
}

class OptionParser<T extends OptionTable> {
  readonly #table: T
  readonly #args: readonly string[]
  readonly #values: Record<string, unknown> = {}
  readonly #positionals: string[] = []
  /** Index of the current argument, or of the value taken for it. */
  #at = 0
  #help = false

  constructor(table: T, args: readonly string[]) {
    this.#table = table
    this.#args = args
    for (const [name, { type }] of Object.entries(table)) {
      this.#values[name] = type === 'flag' ? false : type === 'strings' ? [] : undefined
    }
  }

  run(): ParsedOptions<T> {
    let ended = false
    for (; this.#at < this.#args.length && !this.#help; this.#at++) {
      const arg = this.#args[this.#at] ?? ''
      if (ended || !arg.startsWith('-') || arg === '-') this.#positionals.push(arg)
      else if (arg === '--') ended = true
      else if (arg.startsWith('--')) this.#parseLong(arg)
      else this.#parseShort(arg)
    }
    return { values: this.#values as OptionValues<T>, positionals: this.#positionals, help: this.#help }
  }

  #parseLong(arg: string): void {
    const equals = arg.indexOf('=')
    const name = arg.slice(2, equals < 0 ? undefined : equals)
    if (equals < 0 && HELP_WORDS.includes(name)) {
      this.#help = true
      return
    }
    const spec = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined
    if (spec === undefined) throw new UsageError(`Unknown option ${arg}`, arg)
    // The value of a flag is ignored: `--list=no` lists.
    if (spec.type === 'flag') this.#values[name] = true
    else this.#setValue(name, spec, `--${name}`, equals < 0 ? this.#next(`--${name}`) : arg.slice(equals + 1))
  }

  /**
   * Parses a group of short options. A value is always the next argument, as in `-rb NAME`; only one may take a value.
   */
  #parseShort(arg: string): void {
    const start = this.#at
    for (const letter of arg.slice(1)) {
      if (HELP_LETTERS.includes(letter)) {
        this.#help = true
        return
      }
      const [name, spec] = Object.entries(this.#table).find(([, { short }]) => short === letter) ?? []
      if (name === undefined || spec === undefined) throw new UsageError(`Unknown option ${arg}`, arg)
      const shown = `-${letter}`
      if (spec.type === 'flag') this.#values[name] = true
      else if (this.#at > start) throw new UsageError(`Error parsing option ${shown}`, shown)
      else this.#setValue(name, spec, shown, this.#next(shown))
    }
  }

  #next(shown: string): string {
    const value = this.#args[++this.#at]
    if (value === undefined) throw new UsageError(`Missing argument for ${shown}`, shown)
    return value
  }

  #setValue(name: string, { type, raw }: OptionSpec, shown: string, value: string): void {
    const isText = type === 'string' || type === 'strings'
    if (isText && raw !== true && hasEscapedBytes(value)) throw new UsageError(NOT_UTF8, shown)
    if (type === 'strings') (this.#values[name] as string[]).push(value)
    else if (type === 'integer') this.#values[name] = integer(value, shown)
    else if (type === 'number') this.#values[name] = decimal(value, shown)
    else this.#values[name] = value
  }
}

/**
 * Returns the option lists of a help text, one aligned line per option: `  -b, --branch=BRANCH     Branch`.
 * @param exact leave out the options that ostree does not have
 */
export function formatOptions(table: OptionTable, exact = false): { help: string; application: string } {
  const left = (name: string, spec: OptionSpec): string =>
    `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}${spec.arg === undefined ? '' : `=${spec.arg}`}`
  const listed = Object.entries(table).filter(([, spec]) => spec.hidden !== true && !(exact && spec.added))
  const heads = listed.map(([name, spec]) => left(name, spec))
  const width = widest(heads, '-h, --help'.length) + 5
  const line = (head: string, help: string | undefined): string => `  ${head.padEnd(width)}${help ?? ''}\n`
  return {
    help: line('-h, --help', 'Show help options'),
    application: listed.map(([, spec], i) => line(heads[i] ?? '', spec.help)).join(''),
  }
}
