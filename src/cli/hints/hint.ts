/**
 * Says on a terminal what to do about an error, in a line below it:
 *
 *     error: Unknown option --recursve
 *     hint: did you mean `--recursive`?
 *
 * The error itself stays that of ostree, which scripts compare.
 */
import type { CommandHost } from '../command.ts'
import { COMMAND_RULES } from './command-hints.ts'
import { describeFailure, type Rule } from './failure.ts'
import { IMAGE_RULES } from './image-hints.ts'
import { REPO_RULES } from './repo-hints.ts'

const RULES: readonly Rule[] = [...COMMAND_RULES, ...REPO_RULES, ...IMAGE_RULES]

/**
 * Returns what to do about an error.
 * @param argv the arguments of the program
 * @returns a text of one line; `undefined` when there is nothing to say
 */
export async function hintFor(
  error: unknown,
  argv: readonly string[],
  host: Pick<CommandHost, 'findRepo' | 'openRepo'>,
): Promise<string | undefined> {
  const failure = await describeFailure(error, argv, host)
  if (failure === undefined) return undefined
  for (const rule of RULES) {
    const hint = await rule(failure)
    if (hint !== undefined) return hint.replaceAll(/[\p{Cc}]+/gu, ' ')
  }
  return undefined
}
