/** How sequences of commands print. */

import type fc from 'fast-check'
import { block, printedAs } from '../printing.ts'

/** Commands in the order in which they run. */
export interface CommandSequence<Command> {
  [Symbol.iterator](): IterableIterator<Command>
}

/** Makes sequences of commands print one line for each command that ran. */
export function printedCommands<Model extends object, Real>(
  commands: fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Real, true>>>,
): fc.Arbitrary<CommandSequence<fc.AsyncCommand<Model, Real, true>>> {
  return commands.map((sequence) => {
    const print = () => {
      const ran = [...sequence].filter((command) => (command as { hasRan?: boolean }).hasRan !== false)
      // With it, `replayPath` of fc.commands repeats the shortest failure.
      const [, path] = /\/\*(replayPath=.*)\*\//.exec(String(sequence)) ?? []
      return ran.length === 0 ? 'no commands' : block([...ran.map(String), ...(path === undefined ? [] : [path])])
    }
    return printedAs({ [Symbol.iterator]: () => sequence[Symbol.iterator]() as IterableIterator<never> }, print)
  })
}
