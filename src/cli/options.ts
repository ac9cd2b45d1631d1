/**
 * Options as GOption reads them: `--opt=VALUE`, `--opt VALUE`, `-o VALUE`, grouped letters, options between positionals,
 * `--` ends them. Wordings are GLib's. Not over `util.parseArgs`, which reads `-oVALUE`, where GOption has a group of
 * letters and takes the next argument for the value of the first. Source: GOption (goption.c).
 */

import { UsageError } from '../errors.ts'

export interface OptionSpec {
  /** `strings` may be given more than once. `integer` and `number` take one value. */
  readonly type: 'flag' | 'string' | 'strings' | 'integer' | 'number'
  readonly short?: string
  /** Shown after `=` in the help; a value option without it shows none. */
  readonly arg?: string
  readonly help?: string
  /** Accepted, not listed. */
  readonly hidden?: boolean
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

interface Values {
  flag: boolean
  string: string | undefined
  strings: string[]
  integer: number | undefined
  number: number | undefined
}

export type OptionValues<T extends OptionTable> = { [K in keyof T]: Values[T[K]['type']] }

export interface ParsedOptions<T extends OptionTable> {
  readonly values: OptionValues<T>
  readonly positionals: string[]
  /** `--help` or `-h` stood before anything that is an error. */
  readonly help: boolean
}

/** GOption's own, beside `--help` and `-h`. */
const HELP_WORDS = ['help', 'help-all']
const HELP_LETTERS = ['h', '?']

/** As strtol reads it, in any base a number in C has. */
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

/** @throws {UsageError} with GOption's wording */
export function parseOptions<const T extends OptionTable>(table: T, args: readonly string[]): ParsedOptions<T> {
  return new Scan(table, args).run()
}

class Scan<T extends OptionTable> {
  readonly #table: T
  readonly #args: readonly string[]
  readonly #values: Record<string, unknown> = {}
  readonly #positionals: string[] = []
  /** The argument looked at, and later the value an option took. */
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
      else if (arg.startsWith('--')) this.#long(arg)
      else this.#letters(arg)
    }
    return { values: this.#values as OptionValues<T>, positionals: this.#positionals, help: this.#help }
  }

  #long(arg: string): void {
    const equals = arg.indexOf('=')
    const name = arg.slice(2, equals < 0 ? undefined : equals)
    if (equals < 0 && HELP_WORDS.includes(name)) {
      // What stands behind is not looked at.
      this.#help = true
      return
    }
    const spec = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined
    if (spec === undefined) throw new UsageError(`Unknown option ${arg}`, arg)
    // A flag may be given a value, which means nothing: `--list=no` lists.
    if (spec.type === 'flag') this.#values[name] = true
    else this.#take(name, spec, `--${name}`, equals < 0 ? this.#next(`--${name}`) : arg.slice(equals + 1))
  }

  /** Of `-rb NAME` the value is the next argument; letters never have it attached, and only one of them may take it. */
  #letters(arg: string): void {
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
      else this.#take(name, spec, shown, this.#next(shown))
    }
  }

  #next(shown: string): string {
    const value = this.#args[++this.#at]
    if (value === undefined) throw new UsageError(`Missing argument for ${shown}`, shown)
    return value
  }

  #take(name: string, { type }: OptionSpec, shown: string, value: string): void {
    if (type === 'strings') (this.#values[name] as string[]).push(value)
    else if (type === 'integer') this.#values[name] = integer(value, shown)
    else if (type === 'number') this.#values[name] = decimal(value, shown)
    else this.#values[name] = value
  }
}

/** One line a listed option, aligned: `  -b, --branch=BRANCH     Branch`. */
export function formatOptions(table: OptionTable): { help: string; application: string } {
  const left = (name: string, spec: OptionSpec): string =>
    `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}${spec.arg === undefined ? '' : `=${spec.arg}`}`
  const listed = Object.entries(table).filter(([, spec]) => spec.hidden !== true)
  const heads = listed.map(([name, spec]) => left(name, spec))
  const width = Math.max('-h, --help'.length, ...heads.map((head) => head.length)) + 5
  const line = (head: string, help: string | undefined): string => `  ${head.padEnd(width)}${help ?? ''}\n`
  return {
    help: line('-h, --help', 'Show help options'),
    application: listed.map(([, spec], i) => line(heads[i] ?? '', spec.help)).join(''),
  }
}
