/** What a hint is made from: the error of a command, and the arguments that led to it. */
import { OstreeError } from '../../errors.ts'
import type { AnyCommand, CommandHost } from '../command.ts'
import { allOptions } from '../command.ts'
import { type FoundCommand, walkCommands } from '../find-command.ts'
import { type OptionTable, parseOptions } from '../options.ts'

/** A failed run of the program. */
export interface Failure {
  readonly error: OstreeError
  /** The arguments of the program. */
  readonly argv: readonly string[]
  readonly found: FoundCommand
  /** The options of the command; `undefined` when the arguments name no command. */
  readonly table: OptionTable | undefined
  /** The values of the options; empty when they cannot be parsed. */
  readonly values: Readonly<Record<string, unknown>>
  /** The arguments that are not options; empty when the options cannot be parsed. */
  readonly positionals: readonly string[]
  /** The path of the repository that the command uses by `--repo` or by default. */
  readonly repoPath: string | undefined
  readonly openRepo: CommandHost['openRepo']
}

/** A rule returns what to do about a failure, or `undefined` when it does not know the failure. */
export type Rule = (failure: Failure) => string | undefined | Promise<string | undefined>

/** Collects what the rules need. @returns `undefined` for errors that are not an `OstreeError` */
export async function describeFailure(
  error: unknown,
  argv: readonly string[],
  { findRepo, openRepo }: Pick<CommandHost, 'findRepo' | 'openRepo'>,
): Promise<Failure | undefined> {
  if (!(error instanceof OstreeError)) return undefined
  const found = walkCommands(argv)
  const command: AnyCommand | undefined = await found.entry?.load()
  const table = command === undefined ? undefined : allOptions(command)
  let values: Record<string, unknown> = {}
  let positionals: string[] = []
  try {
    if (table !== undefined) ({ values, positionals } = parseOptions(table, found.rest))
  } catch {
    // The error to explain is that of the options.
  }
  const { repo, sysroot } = values as { repo?: string; sysroot?: string }
  const repoPath = findRepo(sysroot === undefined ? repo : `${sysroot}/ostree/repo`)
  return { error, argv, found, table, values, positionals, repoPath, openRepo }
}

/** Returns the failure's first argument that is not an option and has the given property. */
export function findPositional({ positionals }: Failure, test: (text: string) => boolean): string | undefined {
  return positionals.find(test)
}
