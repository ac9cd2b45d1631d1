/**
 * Options as GOption reads them, over `util.parseArgs`: `--opt=VALUE`, `--opt VALUE`, `-oVALUE`, `-o VALUE`, grouped
 * flags, options between positionals, `--` ends them. Wordings are GLib's. Source: GOption (goption.c).
 */
import { type ParseArgsConfig, parseArgs } from 'node:util'
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

const HELP: OptionSpec = { type: 'flag', short: 'h' }

function integer(text: string, option: string): number {
  if (!/^\s*[+-]?(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) {
    throw new UsageError(`Cannot parse integer value “${text}” for ${option}`, option)
  }
  const value = Number(text)
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
  const config: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, spec] of Object.entries({ help: HELP, ...table })) {
    config[name] = {
      type: spec.type === 'flag' ? 'boolean' : 'string',
      ...(spec.short === undefined ? {} : { short: spec.short }),
    }
  }
  const { tokens } = parseArgs({
    args: [...args],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })

  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(table)) {
    values[name] = spec.type === 'flag' ? false : spec.type === 'strings' ? [] : undefined
  }
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const unknown = (): UsageError => new UsageError(`Unknown option ${args[token.index]}`, token.rawName)
    const spec = table[token.name] ?? (token.name === 'help' ? HELP : undefined)
    if (spec === undefined) throw unknown()
    if (spec.type === 'flag') {
      if (token.value !== undefined) throw unknown()
      // GOption acts on --help where it meets it: what stands behind is not looked at.
      if (spec === HELP) return { values: values as OptionValues<T>, positionals, help: true }
      values[token.name] = true
      continue
    }
    if (token.value === undefined) throw new UsageError(`Missing argument for ${token.rawName}`, token.rawName)
    if (spec.type === 'strings') (values[token.name] as string[]).push(token.value)
    else if (spec.type === 'integer') values[token.name] = integer(token.value, token.rawName)
    else if (spec.type === 'number') values[token.name] = decimal(token.value, token.rawName)
    else values[token.name] = token.value
  }
  return { values: values as OptionValues<T>, positionals, help: false }
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
