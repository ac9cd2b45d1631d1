/** Finds the entry of the command list that the arguments of the program name. */
import { type CommandEntry, type CommandGroup, isGroup } from './command-entry.ts'
import { COMMANDS } from './command-list.ts'

/** How far the arguments name a command. */
export interface FoundCommand {
  /** The words that name the command or the group: `['container', 'image', 'pull']`. */
  readonly path: readonly string[]
  /** The command; `undefined` when the arguments do not name one. */
  readonly entry: CommandEntry | undefined
  /** The innermost group that was found. */
  readonly group: CommandGroup | undefined
  /** The argument that should name a command but does not. */
  readonly word: string | undefined
  /** The other arguments. */
  readonly rest: string[]
}

/** Follows the words of the arguments through the command list. */
export function walkCommands(argv: readonly string[]): FoundCommand {
  let members = COMMANDS
  let group: CommandGroup | undefined
  let args = [...argv]
  const path: string[] = []
  for (;;) {
    const [word, rest] = takeWord(args, group !== undefined && group.plain !== true)
    const entry: CommandEntry | CommandGroup | undefined = members.find((member) => member.name === word)
    if (word === undefined || entry === undefined) return { path, entry: undefined, group, word, rest }
    args = rest
    path.push(word)
    if (!isGroup(entry)) return { path, entry, group, word, rest }
    group = entry
    members = entry.members
  }
}

/**
 * Removes the first argument that does not begin with `-`.
 * @param stopAtDashes stop looking at `--`
 */
function takeWord(args: readonly string[], stopAtDashes: boolean): [word: string | undefined, rest: string[]] {
  for (const [i, arg] of args.entries()) {
    if (stopAtDashes && arg === '--') break
    if (!arg.startsWith('-')) return [arg, [...args.slice(0, i), ...args.slice(i + 1)]]
  }
  return [undefined, [...args]]
}
