/** Completions and man pages, which the build writes into the package. */
import { bashCompletion } from './bash.ts'
import { type CommandList, loadCommandTree } from './command-tree.ts'
import { fishCompletion } from './fish.ts'
import { manPages } from './man.ts'
import { zshCompletion } from './zsh.ts'

const SCRIPTS = { bash: bashCompletion, fish: fishCompletion, zsh: zshCompletion }

/** Returns the script that completes commands and options in a shell. */
export async function completionScript(shell: keyof typeof SCRIPTS, commands: CommandList): Promise<string> {
  return SCRIPTS[shell](await loadCommandTree(commands))
}

/** Returns the files of the package, by their paths below `dist`. */
export async function packageFiles(commands: CommandList): Promise<Map<string, string>> {
  const program = await loadCommandTree(commands)
  return new Map([
    ['completions/ostree-ts.bash', bashCompletion(program)],
    ['completions/ostree-ts.fish', fishCompletion(program)],
    ['completions/_ostree-ts', zshCompletion(program)],
    ...[...manPages(program)].map(([name, text]) => [`man/${name}`, text] as const),
  ])
}
