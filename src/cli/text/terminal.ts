/**
 * What an output can show: escape sequences only on a terminal that is not called `dumb`, and colours only if the
 * variable NO_COLOR is unset or empty. Source: https://no-color.org, terminfo(5).
 */
import type { Output } from './output.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Tells whether the output is a terminal that can move its cursor. */
export function hasCursor({ isTerminal }: Pick<Output, 'isTerminal'>, env: Environment = process.env): boolean {
  return isTerminal && env['TERM'] !== 'dumb'
}

/** Tells whether text may be coloured. */
export function usesColor(output: Pick<Output, 'isTerminal'>, env: Environment = process.env): boolean {
  return hasCursor(output, env) && (env['NO_COLOR'] ?? '') === ''
}
