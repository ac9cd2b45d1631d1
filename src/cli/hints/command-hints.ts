/** Hints about commands and options that do not exist. */
import { UnsupportedError, UsageError } from '../../errors.ts'
import { COMMANDS } from '../command-list.ts'
import { MISSING_COMMANDS } from '../missing-commands.ts'
import type { Failure, Rule } from './failure.ts'
import { nearestNames } from './nearest.ts'

/** Names what to type instead: "did you mean `a`?", or "did you mean `a` or `b`?". */
export function didYouMean(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : `did you mean ${names.map((name) => `\`${name}\``).join(' or ')}?`
}

const missingCommand: Rule = ({ error }) => {
  if (!(error instanceof UnsupportedError) || !error.data.feature.startsWith('command ')) return undefined
  return MISSING_COMMANDS[error.data.feature.slice('command '.length)]
}

const unknownCommand: Rule = ({ error, found: { entry, group, path, word } }) => {
  if (!(error instanceof UsageError) || entry !== undefined || word === undefined) return undefined
  const members = (group?.members ?? COMMANDS).filter(({ hidden }) => hidden !== true).map(({ name }) => name)
  const missing = Object.keys(MISSING_COMMANDS).filter((name) => !name.includes(' '))
  const near = nearestNames(word, new Set(group === undefined ? [...members, ...missing] : members))
  if (near.length > 0) return didYouMean(near.map((name) => ['ostree-ts', ...path, name].join(' ')))
  const program = ['ostree-ts', ...path].join(' ')
  return `\`${program} --help\` lists the commands`
}

const unknownOption: Rule = (failure) => {
  const { error, table, found } = failure
  const [, given] = /^Unknown option --?([^=]+)/.exec(error.message) ?? []
  if (!(error instanceof UsageError) || given === undefined || table === undefined) return undefined
  const isLong = error.message.startsWith('Unknown option --')
  const near = isLong ? nearestNames(given, Object.keys(table)) : []
  // A long option that is written with one dash.
  if (!isLong && Object.hasOwn(table, given)) near.push(given)
  const hint = didYouMean(near.map((name) => `--${name}`))
  return hint ?? valueOfShort(failure, given) ?? `\`ostree-ts ${found.path.join(' ')} --help\` lists the options`
}

const missingValue: Rule = ({ error, argv }) => {
  const [, letter] = /^Missing argument for -(\w)$/.exec(error.message) ?? []
  const given = argv.find((arg) => arg.length > 2 && arg.startsWith(`-${letter}`))
  if (!(error instanceof UsageError) || letter === undefined || given === undefined) return undefined
  return `write a blank between an option and its value: \`-${letter} ${given.slice(2)}\``
}

/** Explains `-bmain`: GOption takes the letters after the first one for options too. */
function valueOfShort({ table = {} }: Failure, given: string): string | undefined {
  const letter = given.charAt(0)
  const takesValue = Object.values(table).some(({ short, type }) => short === letter && type !== 'flag')
  if (!takesValue || given.length < 2) return undefined
  return `write a blank between an option and its value: \`-${letter} ${given.slice(1)}\``
}

export const COMMAND_RULES: readonly Rule[] = [missingCommand, unknownCommand, unknownOption, missingValue]
