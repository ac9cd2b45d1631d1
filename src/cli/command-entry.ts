/** The types of the command list. A command's module is loaded only when the command is run. */
import type { AnyCommand } from './command.ts'

/** A command in the list. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  /** Omitted from the list of commands that `--help` prints. */
  readonly hidden?: true
  load(): Promise<AnyCommand>
}

/** Commands that share a first word, such as `image` in `ostree container image pull`. Groups can be nested. */
export interface CommandGroup {
  readonly name: string
  readonly summary: string
  readonly members: readonly (CommandEntry | CommandGroup)[]
  /** The help lists the members only, and the group takes no options of its own, as `ostree static-delta`. */
  readonly plain?: true
  /** Omitted from the list of commands that `--help` prints. */
  readonly hidden?: true
}

export function isGroup(entry: CommandEntry | CommandGroup): entry is CommandGroup {
  return 'members' in entry
}
