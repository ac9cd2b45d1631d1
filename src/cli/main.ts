/**
 * The `ostree` command. The first argument that does not begin with `-` names the command, wherever it stands; all
 * other arguments are passed to that command. A failure prints `error: MESSAGE` on standard error, and the exit status
 * is 1. Source: ostree's main (ot-main.c), GOption.
 */
import { existsSync, readFileSync } from 'node:fs'
import { escapeUtf8 } from '../bytes.ts'
import { UsageError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { isDirectory } from '../system/directories.ts'
import { ioError } from '../system/errno.ts'
import {
  type AnyCommand,
  COMMON_OPTIONS,
  type CommandHost,
  errorPrefix,
  runCommand,
  ShownUsageError,
} from './command.ts'
import type { CommandGroup } from './command-entry.ts'
import { COMMANDS } from './command-list.ts'
import { walkCommands } from './find-command.ts'
import { formatOptions, NOT_UTF8, parseOptions } from './options.ts'
import { isBrokenPipe, Output } from './text/output.ts'
import { widest } from './text/table.ts'
import { usesColor } from './text/terminal.ts'
import { formatVersion } from './version.ts'

const out = new Output(1)
const err = new Output(2, out)

/**
 * Returns the help text of the program or of a group of commands.
 * @param path the words that name the group; `''` for the program
 */
function formatOverview(group: CommandGroup | undefined, path: string): string {
  if (group?.plain) return formatPlainOverview(group, path)
  const shown = COMMANDS.filter(({ hidden }) => hidden !== true)
  const members = group?.members ?? shown.sort((a, b) => (a.name < b.name ? -1 : 1))
  const names = members.map(({ name }) => name)
  const width = widest(names, 16) + 2
  const rows = members.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`).join('')
  const { help, application } = formatOptions(COMMON_OPTIONS)
  const title = path === '' ? 'Builtin Commands' : `Builtin "${path}" Commands`
  const summary = group === undefined ? '' : `${group.summary}\n\n`
  const program = path === '' ? 'ostree' : `ostree ${path}`
  return `Usage:\n  ${program} [OPTION…] COMMAND\n\n${summary}${title}:\n${rows}\nHelp Options:\n${help}\nApplication Options:\n${application}\n`
}

function formatPlainOverview({ members }: CommandGroup, path: string): string {
  const rows = members.map(({ name, summary }) => `  ${name.padEnd(17)}${summary}\n`).join('')
  return `Usage:\n  ostree ${path} [OPTION...] COMMAND\n\nBuiltin "${path}" Commands:\n${rows}\n`
}

/**
 * Finds the command that the arguments name.
 * @returns the command with its arguments, or the exit status when the arguments have been handled already: by an
 *   external command, or by printing the help or the version
 * @throws {ShownUsageError} when the arguments name no known command
 * @throws {UnsupportedError} when they name a command of ostree that is not available
 */
async function findCommand(argv: readonly string[]): Promise<{ command: AnyCommand; args: string[] } | number> {
  const { path, entry, group, word, rest } = walkCommands(argv)
  // A command may have several names; its help shows the one that was typed.
  if (entry !== undefined) return { command: { ...(await entry.load()), name: path.join(' ') }, args: rest }
  if (word !== undefined) {
    if (group === undefined) {
      const { findExtension, runExtension } = await import('./extension.ts')
      const program = findExtension(word, process.env['PATH'])
      if (program !== undefined) return runExtension(program, word, argv)
    }
    const { requireAvailable } = await import('./missing-commands.ts')
    requireAvailable([...path, word].join(' '))
  }
  handleNoCommand(group, path.join(' '), word, rest)
  return 0
}

/**
 * Prints the help or the version of the program or of a group.
 * @param path the words that name the group; `''` for the program
 * @param word the argument that should name a command but does not
 * @throws {ShownUsageError} when the arguments ask for neither
 */
function handleNoCommand(
  group: CommandGroup | undefined,
  path: string,
  word: string | undefined,
  args: string[],
): void {
  const overview = formatOverview(group, path)
  const shown = (message: string): ShownUsageError => new ShownUsageError(message, overview)
  if (group?.plain) {
    if (args.includes('--help') || args.includes('-h')) out.write(overview)
    else throw shown(word === undefined ? 'No command specified' : `Unknown "${path}" subcommand '${word}'`)
    return
  }
  let parsed: ReturnType<typeof parseOptions<typeof COMMON_OPTIONS>>
  try {
    parsed = parseOptions(COMMON_OPTIONS, args)
  } catch (error) {
    throw error instanceof UsageError ? shown(error.message) : error
  }
  if (parsed.help) out.write(overview)
  else if (parsed.values.version) out.write(formatVersion())
  else if (word === undefined) throw shown(path === '' ? 'No command specified' : `No "${path}" subcommand specified`)
  else throw shown(path === '' ? `Unknown command '${word}'` : `Unknown "${path}" subcommand '${word}'`)
}

/**
 * Finds the repository by the rules of ostree: the option; the current directory if it holds `objects/` and `config`;
 * `$OSTREE_REPO`; `/ostree/repo` below `$OSTREE_SYSROOT` or `/`.
 * @returns its path, or `undefined` when there is no option and the default does not exist
 */
function findRepo(option: string | undefined): string | undefined {
  if (option !== undefined) return option
  if (isDirectory('objects') && existsSync('config')) return '.'
  const { OSTREE_REPO, OSTREE_SYSROOT } = process.env
  if (OSTREE_REPO !== undefined && OSTREE_REPO !== '') return existsSync(OSTREE_REPO) ? OSTREE_REPO : undefined
  const system = `${(OSTREE_SYSROOT ?? '/').replace(/\/+$/, '')}/ostree/repo`
  return isDirectory(system) ? system : undefined
}

async function openRepo(path: string, sysroot?: string): Promise<Repo> {
  const local = await import('./local-repo.ts')
  return local.openGivenRepo(path, sysroot)
}

/**
 * Returns the arguments with the bytes that are not UTF-8 escaped (`escapeUtf8`). Node replaces them with U+FFFD, so that
 * such an argument would name a different file or ref.
 * @throws {UsageError} `Invalid byte sequence in conversion input` where `/proc/self/cmdline` cannot be read and an argument
 *   has U+FFFD
 */
function withEscapedBytes(argv: readonly string[]): readonly string[] {
  if (!argv.some((arg) => arg.includes('\ufffd'))) return argv
  let given: Uint8Array
  try {
    given = readFileSync('/proc/self/cmdline')
  } catch {
    throw new UsageError(NOT_UTF8)
  }
  const words: Uint8Array[] = []
  for (let start = 0; start < given.length; ) {
    const end = given.indexOf(0, start)
    words.push(given.subarray(start, end < 0 ? given.length : end))
    start = end < 0 ? given.length : end + 1
  }
  return words.slice(-argv.length).map(escapeUtf8)
}

/** Prints an error, preceded by the help if it has one; with `OSTREE_TS_DEBUG` set, followed by its stack. */
function printError(thrown: unknown): void {
  const error = ioError(thrown, (thrown as NodeJS.ErrnoException | undefined)?.path)
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ShownUsageError) err.write(`${error.help}`)
  const prefix = errorPrefix(error)
  const colored = prefix === 'error' && usesColor(err)
  err.line(colored ? `\u001b[31m\u001b[1merror:\u001b[0m\u001b[22m ${message}` : `${prefix}: ${message}`)
  if (process.env['OSTREE_TS_DEBUG'] === undefined) return
  for (let at = error; at instanceof Error; at = at.cause) err.line(at === error ? `${at.stack}` : `Cause: ${at.stack}`)
}

/** Prints what to do about an error, if that is known. A failure to find it out is not reported. */
async function printHint(error: unknown, argv: readonly string[], host: CommandHost): Promise<void> {
  const { hintFor } = await import('./hints/hint.ts')
  const hint = await hintFor(error, argv, host).catch(() => undefined)
  if (hint !== undefined) err.line(`hint: ${hint}`)
}

/**
 * Turns the first SIGINT or SIGTERM into an abort signal, so that the command can roll back its changes before the
 * process ends. A second one ends the process at once.
 */
class Interruption {
  readonly #controller = new AbortController()
  #listening = false
  #received: NodeJS.Signals | undefined

  get signal(): AbortSignal {
    if (!this.#listening) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, this.#interrupt)
    this.#listening = true
    return this.#controller.signal
  }

  /** Ends the process by the signal that was received, if any, because a shell then stops its script too. */
  reraise(): void {
    if (this.#received !== undefined) process.kill(process.pid, this.#received)
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    this.#received = name
    this.#controller.abort(new Error(`Interrupted by ${name}`))
  }
}

/** Runs the program. @returns its exit status */
async function main(argv: readonly string[]): Promise<number> {
  const interruption = new Interruption()
  const host: CommandHost = {
    out,
    err,
    env: process.env,
    get signal() {
      return interruption.signal
    },
    version: formatVersion,
    findRepo,
    openRepo,
  }
  let status = 0
  try {
    const found = await findCommand(withEscapedBytes(argv))
    if (typeof found === 'number') status = found
    else await runCommand(found.command, found.args, host)
    out.flush()
    err.flush()
    interruption.reraise()
  } catch (error) {
    if (isBrokenPipe(error)) return 141 // what a shell reports for SIGPIPE: 128 + 13
    status = 1
    try {
      out.flush()
      interruption.reraise()
      printError(error)
      if (err.isTerminal) await printHint(error, argv, host)
      err.flush()
    } catch (again) {
      if (!isBrokenPipe(again)) throw again
    }
  }
  return status
}

/**
 * Fails the process when it ends before the command does: Node ends silently, with status 0, when a promise is still
 * pending and nothing can settle it any more.
 */
function failUnfinished(): void {
  process.exitCode = 1
  err.line('error: The command ended before its work was done')
  err.flush()
}

process.once('exit', failUnfinished)
// Not `await`: the command is built as CommonJS, which does not allow it at the top level.
void main(process.argv.slice(2))
  .finally(() => process.off('exit', failUnfinished))
  .then((status) => {
    process.exitCode = status
  })
