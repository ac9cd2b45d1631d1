/**
 * The commands of ostree that this program does not have, each with what to do instead. The command list is searched
 * first, so an entry has no effect once its command exists.
 */
import { UnsupportedError } from '../errors.ts'

/** What to do instead, by the words that name the command. */
export const MISSING_COMMANDS: Readonly<Record<string, string>> = {
  admin:
    '`ostree-ts container image deploy --sysroot=PATH` deploys an image to a sysroot; use `ostree admin` for everything else',
  'find-remotes': 'configure the remote with `ostree-ts remote add`, or use `ostree find-remotes`',
}

/**
 * Does nothing for a name that is not a command of ostree.
 * @param name the words that name the command: `find-remotes`
 * @throws {UnsupportedError} `Command 'NAME' is not available in ostree-ts` when it is one of `MISSING_COMMANDS`
 */
export function requireAvailable(name: string): void {
  if (Object.hasOwn(MISSING_COMMANDS, name)) {
    throw new UnsupportedError(`command ${name}`, `Command '${name}' is not available in ostree-ts`)
  }
}
