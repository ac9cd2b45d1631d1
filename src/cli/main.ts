/**
 * The `ostree` command. The first argument that is no option names the command, wherever it stands; all others go to
 * it. Failure is `error: MESSAGE` on standard error and exit status 1. Source: ostree's main (ot-main.c), GOption.
 */
import { isUtf8 } from 'node:buffer'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { IoError, UsageError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { type AnyCommand, COMMON_OPTIONS, runCommand, ShownUsageError, type Surroundings } from './command.ts'
import { type CommandEntry, type CommandGroup, isGroup } from './command-entry.ts'
import { COMMANDS } from './command-list.ts'
import { formatOptions, parseOptions } from './options.ts'
import { isBrokenPipe, Output } from './text/output.ts'
import { formatVersion } from './version.ts'

const out = new Output(1)
const err = new Output(2)

function formatOverview(group: CommandGroup | undefined, path: string): string {
  if (group?.plain) return formatPlainOverview(group, path)
  const shown = COMMANDS.filter(({ hidden }) => hidden !== true)
  const members = group?.members ?? shown.sort((a, b) => (a.name < b.name ? -1 : 1))
  const width = Math.max(16, ...members.map(({ name }) => name.length)) + 2
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

/** Takes the first non-option out of `args`. @param ends whether it must stand before `--` */
function takeWord(args: readonly string[], ends: boolean): [word: string | undefined, rest: string[]] {
  for (const [i, arg] of args.entries()) {
    if (ends && arg === '--') break
    if (!arg.startsWith('-')) return [arg, [...args.slice(0, i), ...args.slice(i + 1)]]
  }
  return [undefined, [...args]]
}

/** @returns the command, or the status where all was done here */
async function find(words: readonly string[]): Promise<{ command: AnyCommand; args: string[] } | number> {
  let members = COMMANDS
  let group: CommandGroup | undefined
  let args = [...words]
  const path: string[] = []
  for (;;) {
    const [word, rest] = takeWord(args, group !== undefined && group.plain !== true)
    const name = path.join(' ')
    const entry: CommandEntry | CommandGroup | undefined = members.find((member) => member.name === word)
    if (word === undefined || entry === undefined) {
      if (word !== undefined && group === undefined) {
        const { findExtension, runExtension } = await import('./extension.ts')
        const program = findExtension(word, process.env['PATH'])
        if (program !== undefined) return runExtension(program, word, words)
      }
      answerAlone(group, name, word, rest)
      return 0
    }
    args = rest
    // A command may have several names; it speaks of itself by the one it was called.
    if (!isGroup(entry)) return { command: { ...(await entry.load()), name: [...path, word].join(' ') }, args }
    path.push(word)
    group = entry
    members = entry.members
  }
}

/** What follows where no command is named: help, version, or an error behind the help. @param word that names none */
function answerAlone(group: CommandGroup | undefined, path: string, word: string | undefined, args: string[]): void {
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

/** The rules of ostree: the option, the current directory if it is a repository, $OSTREE_REPO, the system's. */
function findRepo(option: string | undefined): string | undefined {
  if (option !== undefined) return option
  const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  if (isDirectory('objects') && existsSync('config')) return '.'
  const { OSTREE_REPO, OSTREE_SYSROOT } = process.env
  if (OSTREE_REPO !== undefined && OSTREE_REPO !== '') return existsSync(OSTREE_REPO) ? OSTREE_REPO : undefined
  const system = `${(OSTREE_SYSROOT ?? '/').replace(/\/+$/, '')}/ostree/repo`
  return isDirectory(system) ? system : undefined
}

async function openRepo(path: string): Promise<Repo> {
  // Resolved, nothing would be the current directory.
  if (path === '') throw new IoError('opening repo: opendir((null)): Bad address', 'EFAULT', path)
  const node = await import('../repo/local.ts')
  return node.openRepo(resolve(path))
}

/**
 * Node puts U+FFFD in place of bytes that are no UTF-8: what is called by such a name is another thing.
 * @throws {UsageError}
 */
function requireUtf8(words: readonly string[]): void {
  if (!words.some((word) => word.includes('\ufffd'))) return
  let given: Uint8Array
  try {
    given = readFileSync('/proc/self/cmdline')
  } catch {
    return
  }
  if (!isUtf8(given)) throw new UsageError('Invalid byte sequence in conversion input')
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ShownUsageError) err.write(`${error.help}`)
  err.line(err.isTerminal ? `\u001b[31m\u001b[1merror:\u001b[0m\u001b[22m ${message}` : `error: ${message}`)
  if (process.env['OSTREE_TS_DEBUG'] === undefined) return
  for (let at = error; at instanceof Error; at = at.cause) err.line(at === error ? `${at.stack}` : `Cause: ${at.stack}`)
}

/** Signals that end the process, but not before what it is at has been taken back. A second one ends it at once. */
class Interruption {
  readonly #controller = new AbortController()
  #listening = false
  #received: NodeJS.Signals | undefined

  get signal(): AbortSignal {
    if (!this.#listening) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, this.#interrupt)
    this.#listening = true
    return this.#controller.signal
  }

  /** Ends as the signal would have ended it, for a shell stops its script then. */
  follow(): void {
    if (this.#received !== undefined) process.kill(process.pid, this.#received)
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    this.#received = name
    this.#controller.abort(new Error(`Interrupted by ${name}`))
  }
}

async function main(words: readonly string[]): Promise<number> {
  const interruption = new Interruption()
  const around: Surroundings = {
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
    requireUtf8(words)
    const found = await find(words)
    if (typeof found === 'number') status = found
    else await runCommand(found.command, found.args, around)
    out.flush()
    err.flush()
    interruption.follow()
  } catch (error) {
    if (isBrokenPipe(error)) return 141
    status = 1
    try {
      out.flush()
      interruption.follow()
      fail(error)
      err.flush()
    } catch (again) {
      if (!isBrokenPipe(again)) throw again
    }
  }
  return status
}

// No await here: the command is built as CommonJS, which has none at its top.
void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status
})
