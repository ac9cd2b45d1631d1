/**
 * Declares and runs commands: option parsing, `--help`, `--version`, and opening the repository. A command's own file
 * holds only its options and its output; everything useful to a library user is in the library.
 */
import { setFlagsFromString } from 'node:v8'
import { hasEscapedBytes } from '../bytes.ts'
import { FormatError, IoError, UsageError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { formatOptions, NOT_UTF8, type OptionTable, type OptionValues, parseOptions } from './options.ts'
import type { Output } from './text/output.ts'

/** The argument of a command's `run`. */
export interface CommandContext<T extends OptionTable> {
  readonly options: OptionValues<T>
  /** The arguments that are neither options nor option values. */
  readonly args: readonly string[]
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Aborted on SIGINT or SIGTERM, so that a command can roll back its changes. The signal handlers are installed when
   * this property is first read; until then, both signals end the process at once.
   */
  readonly signal: AbortSignal
  /**
   * Opens the repository given by `--repo` or `--sysroot`, or else the one of the current directory or the environment.
   * Later calls return the same one. It is closed when the command ends.
   * @param path path of the repository, given as an argument instead
   */
  repo(path?: string): Promise<Repo>
  /** Returns the path that `repo()` opens. @throws {UsageError} when no repository is given or found */
  repoPath(): string
  /** Creates an error that prints the command's help before its message, as ostree does for missing arguments. */
  usageError(message: string): UsageError
}

/** The declaration of a command. */
export interface CommandSpec<T extends OptionTable> {
  /** The words that name the command: `rev-parse`, `container image pull`. */
  readonly name: string
  readonly summary: string
  /** The positional arguments as printed after `[OPTION…]` in the usage line. */
  readonly usage: string
  /** Whether the command accepts `--repo`. */
  readonly repo: boolean
  /**
   * Whether a missing SQLite file is created, as for commands that fetch something into it. It is removed when the command
   * ends without having stored anything.
   */
  readonly creates?: true
  /** The command may run for seconds, so V8's memory settings are adjusted first. */
  readonly long?: true
  /**
   * The positional arguments and `--repo` may have bytes that are not UTF-8, escaped as by `escapeUtf8`. Default: they are
   * refused.
   */
  readonly rawArgs?: true
  /** No blank line separates the help from the message of `usageError`, as in some commands of ostree. */
  readonly compactUsage?: true
  readonly options: T
  run(context: CommandContext<T>): Promise<void> | void
}

export type AnyCommand = CommandSpec<OptionTable>

/** Declares a command. Infers the type of `options` in `run` from the option table. */
export function command<const T extends OptionTable>(spec: CommandSpec<T>): AnyCommand {
  return spec as unknown as AnyCommand // sound: runCommand parses the options of this very table, and fills all of them
}

/**
 * Keeps V8's young generation at its initial size. A long command allocates mostly for one file at a time, so a larger
 * young generation does not help: measured, a third less memory in the same time. The flag is set at run time because a
 * flag on the command line makes V8 reject its code caches at every start.
 */
const YOUNG_GENERATION = '--semi-space-growth-factor=1'

const REPO_OPTIONS = {
  repo: {
    type: 'string',
    raw: true,
    arg: 'PATH',
    help: 'Path to OSTree repository (defaults to current directory or /sysroot/ostree/repo)',
  },
} as const satisfies OptionTable

/** Options of every command. */
export const COMMON_OPTIONS = {
  verbose: { type: 'flag', short: 'v', help: 'Print debug information during command processing' },
  version: { type: 'flag', help: 'Print version information and exit' },
} as const satisfies OptionTable

/** A usage error that is printed below the text in `help`. */
export class ShownUsageError extends UsageError {
  readonly help: string

  constructor(message: string, help: string) {
    super(message)
    this.help = help
  }
}

/**
 * Returns the word that ostree prints in front of an error: `error`; or its own name where it reports the error itself,
 * as when it prints a commit that is damaged. Source: ot-dump.c, dump_commit.
 */
export function errorPrefix(error: unknown): 'error' | 'ostree' {
  return error instanceof FormatError && error.message.startsWith('Failed to read commit: ') ? 'ostree' : 'error'
}

/** Returns all options of a command: `--repo`, its own, and the common ones. */
export function allOptions(spec: AnyCommand): OptionTable {
  const own: OptionTable = { ...(spec.repo ? REPO_OPTIONS : {}), ...spec.options }
  // If the command uses `-v` for an option of its own, `--verbose` has no short form.
  const taken = Object.values(own).some(({ short }) => short === COMMON_OPTIONS.verbose.short)
  const { type, help } = COMMON_OPTIONS.verbose
  return { ...own, ...COMMON_OPTIONS, ...(taken ? { verbose: { type, help } } : {}) }
}

/**
 * Returns the text that `--help` prints for a command, in GOption's layout.
 * @param exact leave out the options that ostree does not have, as above the messages of errors, which are ostree's
 */
export function formatHelp(spec: AnyCommand, exact = false): string {
  const { help, application } = formatOptions(allOptions(spec), exact)
  const usage = spec.usage === '' ? '' : ` ${spec.usage}`
  return `Usage:\n  ostree ${spec.name} [OPTION…]${usage}\n\n${spec.summary}\n\nHelp Options:\n${help}\nApplication Options:\n${application}\n`
}

/** The parts of the process that running a command needs. */
export interface CommandHost {
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** The signal of `CommandContext`. Reading this property installs the signal handlers. */
  readonly signal: AbortSignal
  version(): string
  /**
   * Returns the path of the repository to use.
   * @param option the value of `--repo`, returned as it is
   * @returns `undefined` when neither the option, the current directory nor the environment gives one
   */
  findRepo(option: string | undefined): string | undefined
  /** @param sysroot root of the system that the repository belongs to, if `--sysroot` names one */
  openRepo(path: string, sysroot?: string): Promise<Repo>
}

/**
 * Parses the arguments and runs the command, or prints its help or the version.
 * @param args the arguments without the words that name the command
 * @throws {UsageError} when the options cannot be parsed; and whatever the command throws
 */
export async function runCommand(spec: AnyCommand, args: readonly string[], host: CommandHost): Promise<void> {
  const { values, positionals, help } = parseOptions(allOptions(spec), args)
  if (help) return host.out.write(formatHelp(spec))
  const { repo: given, sysroot } = values as { repo?: string; sysroot?: string }
  if (spec.rawArgs !== true && [given ?? '', ...positionals].some(hasEscapedBytes)) throw new UsageError(NOT_UTF8)
  if (values['version'] === true) return host.out.write(host.version())

  if (spec.long) setFlagsFromString(YOUNG_GENERATION)

  const blank = spec.compactUsage ? '' : '\n'
  const usageError = (message: string): UsageError => new ShownUsageError(message, formatHelp(spec, true) + blank)
  const noRepo = (): UsageError => new ShownUsageError('Command requires a --repo argument', formatHelp(spec, true))
  const repoPath = (): string => {
    const path = host.findRepo(sysroot === undefined ? given : `${sysroot}/ostree/repo`)
    if (path === undefined) throw noRepo()
    return path
  }
  const openRepo = async (): Promise<Repo> => {
    try {
      return await host.openRepo(repoPath())
    } catch (error) {
      // Without `--repo`, a default path that does not exist means that no repository was given.
      throw given === undefined && error instanceof IoError && error.data.errno === 'ENOENT' ? noRepo() : error
    }
  }
  let opened: Promise<Repo> | undefined
  let created: string | undefined
  const openOrCreate = async (path: string | undefined): Promise<Repo> => {
    if (spec.creates && sysroot === undefined) {
      const place = path ?? repoPath()
      const { createMissing } = await import('./new-repo.ts')
      const repo = await createMissing(place)
      if (repo !== undefined) {
        created = place
        return repo
      }
    }
    if (path !== undefined) return host.openRepo(path)
    return sysroot === undefined ? openRepo() : openSysrootRepo(sysroot, host)
  }
  const repo = (path?: string): Promise<Repo> => {
    opened ??= openOrCreate(path)
    return opened
  }
  const { out, err, env } = host
  try {
    await spec.run({
      ...{ options: values, args: positionals, out, err, env, repo, repoPath, usageError },
      get signal() {
        return host.signal
      },
    })
  } finally {
    const held = await opened?.catch(() => undefined)
    if (held !== undefined && created !== undefined) {
      const { removeIfEmpty } = await import('./new-repo.ts')
      await removeIfEmpty(held, created)
    }
    await held?.[Symbol.asyncDispose]()
  }
}

async function openSysrootRepo(sysroot: string, { openRepo }: CommandHost): Promise<Repo> {
  const { openRepoOfSysroot } = await import('./sysroot-repo.ts')
  return openRepoOfSysroot(sysroot, openRepo)
}
