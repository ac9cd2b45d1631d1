/**
 * What a command is, and what running one means: parsing, `--help`, `--version`, the repository, the `error: ` prefix.
 * A command's own file holds its options and what it prints; whatever a library user would miss is on a floor below.
 */
import { setFlagsFromString } from 'node:v8'
import { IoError, UsageError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { formatOptions, type OptionTable, type OptionValues, parseOptions } from './options.ts'
import type { Output } from './text/output.ts'

export interface CommandContext<T extends OptionTable> {
  readonly options: OptionValues<T>
  /** Positional arguments. */
  readonly args: readonly string[]
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Aborted by SIGINT and SIGTERM, which end the process at once until this is first looked at: for commands that have
   * something to take back. The others leave what a killed process leaves.
   */
  readonly signal: AbortSignal
  /** Opens the repository of `--repo`, the current directory or the environment; once. */
  repo(): Promise<Repo>
  /** The path `repo()` would open. @throws {UsageError} when there is none */
  repoPath(): string
  /** An error that shows the whole help before its message, as ostree does for arguments that are missing. */
  usageError(message: string): UsageError
}

export interface CommandSpec<T extends OptionTable> {
  /** As typed after the program: `rev-parse`, `container image pull`. */
  readonly name: string
  readonly summary: string
  /** Behind `[OPTION…]` in the usage line. */
  readonly usage: string
  /** Takes `--repo`. */
  readonly repo: boolean
  /** May run for seconds. */
  readonly long?: true
  readonly options: T
  run(context: CommandContext<T>): Promise<void> | void
}

export type AnyCommand = CommandSpec<OptionTable>

/** Ties the types of a command's options to its `run`. */
export function command<const T extends OptionTable>(spec: CommandSpec<T>): AnyCommand {
  return spec as unknown as AnyCommand // the options a run sees are those of its own table: parseOptions fills all
}

/**
 * What one file needs dies with it, so the young generation need not grow: a third less memory in the same time. To set
 * its size on the command line would cost every start the code caches of V8.
 */
const YOUNG_GENERATION = '--semi-space-growth-factor=1'

const REPO_OPTIONS = {
  repo: {
    type: 'string',
    arg: 'PATH',
    help: 'Path to OSTree repository (defaults to current directory or /sysroot/ostree/repo)',
  },
} as const satisfies OptionTable

export const COMMON_OPTIONS = {
  verbose: { type: 'flag', short: 'v', help: 'Print debug information during command processing' },
  version: { type: 'flag', help: 'Print version information and exit' },
} as const satisfies OptionTable

/** An error after which the help of the command has been shown. */
export class ShownUsageError extends UsageError {
  readonly help: string

  constructor(message: string, help: string) {
    super(message)
    this.help = help
  }
}

function tableOf(spec: AnyCommand): OptionTable {
  const own: OptionTable = { ...(spec.repo ? REPO_OPTIONS : {}), ...spec.options }
  // A command may give `-v` a meaning of its own; the common option then goes without.
  const taken = Object.values(own).some(({ short }) => short === COMMON_OPTIONS.verbose.short)
  const { type, help } = COMMON_OPTIONS.verbose
  return { ...own, ...COMMON_OPTIONS, ...(taken ? { verbose: { type, help } } : {}) }
}

export function formatHelp(spec: AnyCommand): string {
  const { help, application } = formatOptions(tableOf(spec))
  const usage = spec.usage === '' ? '' : ` ${spec.usage}`
  return `Usage:\n  ostree ${spec.name} [OPTION…]${usage}\n\n${spec.summary}\n\nHelp Options:\n${help}\nApplication Options:\n${application}\n`
}

export interface Surroundings {
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** See `CommandContext`. */
  readonly signal: AbortSignal
  version(): string
  /** @returns `undefined` when neither option, current directory nor environment name one */
  findRepo(option: string | undefined): string | undefined
  openRepo(path: string): Promise<Repo>
}

/** Runs one command with the arguments that are left of it. */
export async function runCommand(spec: AnyCommand, args: readonly string[], around: Surroundings): Promise<void> {
  const { values, positionals, help } = parseOptions(tableOf(spec), args)
  if (help) return around.out.write(formatHelp(spec))
  if (values['version'] === true) return around.out.write(around.version())

  if (spec.long) setFlagsFromString(YOUNG_GENERATION)

  const usageError = (message: string): UsageError => new ShownUsageError(message, `${formatHelp(spec)}\n`)
  const { repo: given, sysroot } = values as { repo?: string; sysroot?: string }
  const noRepo = (): UsageError => new ShownUsageError('Command requires a --repo argument', formatHelp(spec))
  const repoPath = (): string => {
    const path = around.findRepo(sysroot === undefined ? given : `${sysroot}/ostree/repo`)
    if (path === undefined) throw noRepo()
    return path
  }
  const openRepo = async (): Promise<Repo> => {
    try {
      return await around.openRepo(repoPath())
    } catch (error) {
      // What nobody named, and turns out to be no repository, is none.
      throw given === undefined && error instanceof IoError && error.data.errno === 'ENOENT' ? noRepo() : error
    }
  }
  let opened: Promise<Repo> | undefined
  const repo = (): Promise<Repo> => {
    opened ??= sysroot === undefined ? openRepo() : openOfSysroot(sysroot, around)
    return opened
  }
  const { out, err, env } = around
  try {
    await spec.run({
      ...{ options: values, args: positionals, out, err, env, repo, repoPath, usageError },
      get signal() {
        return around.signal
      },
    })
  } finally {
    const held = await opened?.catch(() => undefined)
    await held?.[Symbol.asyncDispose]()
  }
}

async function openOfSysroot(sysroot: string, { openRepo }: Surroundings): Promise<Repo> {
  const { openRepoOfSysroot } = await import('./sysroot-repo.ts')
  return openRepoOfSysroot(sysroot, openRepo)
}
