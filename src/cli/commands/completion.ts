/** `ostree-ts completion`, which ostree does not have. */
import { UsageError } from '../../errors.ts'
import { type AnyCommand, command } from '../command.ts'
import type { CommandList } from '../completion/command-tree.ts'

const SHELLS = ['bash', 'fish', 'zsh'] as const

/** Returns the command that completes `commands`. */
export const completionOf = (commands: CommandList): AnyCommand =>
  command({
    name: 'completion',
    summary: 'Print the completion of commands and options for a shell',
    usage: 'SHELL',
    repo: false,
    options: {},
    async run({ args: [shell, ...more], out }) {
      const known = SHELLS.find((name) => name === shell)
      if (known === undefined || more.length > 0) throw new UsageError(`SHELL must be one of ${SHELLS.join(', ')}`)
      const { completionScript } = await import('../completion/index.ts')
      out.write(await completionScript(known, commands))
    },
  })
