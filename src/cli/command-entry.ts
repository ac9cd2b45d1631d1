/** The shape of the list of commands. A command's module is loaded when the command is called. */
import type { AnyCommand } from './command.ts'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  /** Not in the overview. */
  readonly hidden?: true
  load(): Promise<AnyCommand>
}

/** A word before which further words choose the command: `ostree container image pull`. */
export interface CommandGroup {
  readonly name: string
  readonly summary: string
  readonly members: readonly (CommandEntry | CommandGroup)[]
  /** Its help is the list of its members and nothing else, and it has no options of its own. */
  readonly plain?: true
  /** Not in the overview. */
  readonly hidden?: true
}

export function isGroup(entry: CommandEntry | CommandGroup): entry is CommandGroup {
  return 'members' in entry
}
