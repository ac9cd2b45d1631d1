/** The commands with their options, from which completions and man pages are made. */
import { allOptions } from '../command.ts'
import { type CommandEntry, type CommandGroup, isGroup } from '../command-entry.ts'
import type { OptionSpec } from '../options.ts'

/** An option that the help lists. */
export interface ShownOption extends OptionSpec {
  readonly name: string
}

/** A command, or a group of commands; the program itself is a group. */
export interface CommandNode {
  /** The words that name it, without the program: `[]`, `['container', 'image']`. */
  readonly path: readonly string[]
  readonly summary: string
  /** Its positional arguments, as in the usage line. */
  readonly usage: string
  readonly options: readonly ShownOption[]
  /** The commands of a group; empty for a command. */
  readonly members: readonly CommandNode[]
}

/** The options of groups, and the help option of commands. */
export const HELP_OPTION: ShownOption = { name: 'help', short: 'h', type: 'flag', help: 'Show help options' }
const VERSION_OPTION: ShownOption = { name: 'version', type: 'flag', help: 'Print version information and exit' }

/** The list of commands. It is an argument, because it has the command that prints completions. */
export type CommandList = readonly (CommandEntry | CommandGroup)[]

/** Loads all commands that the help lists. @returns the program */
export async function loadCommandTree(commands: CommandList): Promise<CommandNode> {
  const members = await loadNodes(commands, [])
  const summary = 'OSTree repositories and container images'
  return { path: [], summary, usage: 'COMMAND', options: [HELP_OPTION, VERSION_OPTION], members }
}

async function loadNodes(entries: CommandList, above: readonly string[]): Promise<CommandNode[]> {
  const nodes: CommandNode[] = []
  for (const entry of entries) {
    if (entry.hidden) continue
    const path = [...above, entry.name]
    if (isGroup(entry)) {
      const members = await loadNodes(entry.members, path)
      nodes.push({ path, summary: entry.summary, usage: 'COMMAND', options: [HELP_OPTION], members })
      continue
    }
    const command = await entry.load()
    const options = Object.entries(allOptions(command))
      .filter(([, { hidden }]) => !hidden)
      .map(([name, spec]) => ({ name, ...spec }))
    nodes.push({
      path,
      summary: command.summary,
      usage: command.usage,
      options: [HELP_OPTION, ...options],
      members: [],
    })
  }
  return nodes.sort((a, b) => (a.path.join(' ') < b.path.join(' ') ? -1 : 1))
}

/** Yields a node and all nodes below it, each before its members. */
export function* nodesOf(node: CommandNode): Iterable<CommandNode> {
  yield node
  for (const member of node.members) yield* nodesOf(member)
}

/** Names that a repository has, and the words of the command that prints them. */
export const LISTS = { refs: 'refs', remotes: 'remote list', images: 'container image list' } as const

/** Tells which names of a repository the positional arguments of a command may be; `undefined` if none. */
export function listOf({ path, usage }: CommandNode): keyof typeof LISTS | undefined {
  if (path[0] === 'remote' && path[1] !== 'add' && /^\[?NAME\b/.test(usage)) return 'remotes'
  if (/^REMOTE\b/.test(usage)) return 'remotes'
  // A reference of an image that is to be fetched is not that of a stored one.
  if (path[1] === 'image' && path[2] !== 'pull' && /^\[?IMGREF\b/.test(usage)) return 'images'
  return /\b(?:COMMIT|REV|REF|REFS|TO|PREFIX|REV_OR_DIR|SRC_REV)\b/.test(usage) ? 'refs' : undefined
}

/** Names of values that are paths of this machine. */
const PATHS: readonly string[] = ['PATH', 'FILE', 'HOMEDIR', 'DIR']

/** Tells whether the value of an option is a path. */
export function takesPath({ arg }: OptionSpec): boolean {
  return arg !== undefined && PATHS.includes(arg)
}
