/** Commands of `ostree-ts` in the process of the test, which is faster than a process for each. */
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { type AnyCommand, errorPrefix, runCommand, ShownUsageError } from '../../src/cli/command.ts'
import { type CommandEntry, isGroup } from '../../src/cli/command-entry.ts'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { hintFor } from '../../src/cli/hints/hint.ts'
import { Output } from '../../src/cli/text/output.ts'
import { OstreeError } from '../../src/errors.ts'
import { openRepo } from '../../src/repo/local.ts'

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

let count = 0

/**
 * Runs a command.
 * @param words the words of the command line, without the program. Paths have to be absolute, and `--repo` has to be given.
 * @param scratch a directory for files with what is printed
 * @param env the environment of the command
 * @throws an error that is not an `OstreeError`, because that is a bug
 */
export async function runInProcess(
  words: readonly string[],
  scratch: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const { stdout, ...result } = await runForBytes(words, scratch, env)
  return { stdout: new TextDecoder('utf-8', { ignoreBOM: true }).decode(stdout), ...result }
}

/**
 * Runs a command like `runInProcess`, and returns the bytes that it printed, which may be other than text.
 * @param onError called with the error of a command that fails
 */
export async function runForBytes(
  words: readonly string[],
  scratch: string,
  env: Readonly<Record<string, string>> = {},
  onError?: (error: OstreeError) => void,
): Promise<Omit<Outcome, 'stdout'> & { readonly stdout: Uint8Array }> {
  const { command, args } = await find(words)
  const id = count++
  const files = { out: `${scratch}/.out${id}`, err: `${scratch}/.err${id}` }
  const fds = { out: openSync(files.out, 'wx'), err: openSync(files.err, 'wx') }
  const out = new Output(fds.out)
  const err = new Output(fds.err)
  let status = 0
  try {
    await runCommand(command, args, {
      out,
      err,
      env,
      signal: new AbortController().signal,
      version: () => '',
      findRepo: (option) => option,
      openRepo: (path, sysroot) => openRepo(path, { sysroot }),
    })
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    onError?.(error)
    status = 1
    if (error instanceof ShownUsageError) err.write(error.help)
    err.line(`${errorPrefix(error)}: ${error.message}`)
  } finally {
    out.flush()
    err.flush()
    closeSync(fds.out)
    closeSync(fds.err)
  }
  const [stdout, stderr] = [readFileSync(files.out), readFileSync(files.err, 'utf8')]
  rmSync(files.out)
  rmSync(files.err)
  return { stdout, stderr, status }
}

/** Runs a command that fails. @returns its error, and the hint that a terminal shows below it */
export async function hintOf(
  words: readonly string[],
  scratch: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ error: OstreeError; hint: string | undefined }> {
  const errors: OstreeError[] = []
  await runForBytes(words, scratch, env, (error) => errors.push(error))
  const [error] = errors
  if (error === undefined) throw new Error(`${words.join(' ')} does not fail`)
  return {
    error,
    hint: await hintFor(error, words, { findRepo: (option) => option, openRepo: (path) => openRepo(path) }),
  }
}

async function find(words: readonly string[]): Promise<{ command: AnyCommand; args: readonly string[] }> {
  let members = COMMANDS
  for (const [index, word] of words.entries()) {
    const entry: (typeof members)[number] | undefined = members.find(({ name }) => name === word)
    if (entry === undefined) break
    if (!isGroup(entry)) return { command: await (entry as CommandEntry).load(), args: words.slice(index + 1) }
    members = entry.members
  }
  throw new Error(`no command ${words.join(' ')}`)
}
