/** Commands of the built program in this process, which is faster than a process for each. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { runCommand } from '../../dist/cli/command.js'
import { isGroup } from '../../dist/cli/command-entry.js'
import { COMMANDS } from '../../dist/cli/command-list.js'
import { Output } from '../../dist/cli/text/output.js'
import { openRepo } from '../../dist/node.js'

/**
 * Runs a command.
 * @param words the words of the command line without the program
 * @param scratch a file for what is printed
 * @returns what it prints to stdout
 * @throws what the command throws
 */
export async function runWords(words, scratch) {
  const { command, args } = await find(words)
  const fd = openSync(scratch, 'w')
  const out = new Output(fd)
  try {
    const signal = new AbortController().signal
    const findRepo = (option) => option
    const context = { out, err: out, env: process.env, signal, version: () => '', findRepo, openRepo }
    await runCommand(command, args, context)
  } finally {
    out.flush()
    closeSync(fd)
  }
  return readFileSync(scratch, 'utf8')
}

async function find(words) {
  let members = COMMANDS
  for (const [index, word] of words.entries()) {
    const entry = members.find(({ name }) => name === word)
    if (entry === undefined) break
    if (!isGroup(entry)) return { command: await entry.load(), args: words.slice(index + 1) }
    members = entry.members
  }
  throw new Error(`no command ${words.join(' ')}`)
}
