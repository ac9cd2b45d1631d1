/**
 * External commands: `ostree NAME` runs the program `ostree-NAME` when there is no built-in command of that name. The
 * program gets all arguments unchanged, including NAME. Source: ot-main.c, ostree_command_exec.
 */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { constants as os } from 'node:os'
import { join } from 'node:path'
import { IoError } from '../errors.ts'
import { errnoOf } from '../system/errno.ts'

/** Directory in which packages install external commands. Searched before PATH. */
const EXTENSIONS = '/usr/libexec/libostree/ext'

/**
 * Finds the program of an external command.
 * @param path the value of `PATH`
 * @returns the path of the program, or `undefined` when there is none
 */
export function findExtension(name: string, path: string | undefined): string | undefined {
  if (name.includes('/')) return undefined
  const places = [EXTENSIONS, ...(path ?? '').split(':').filter((place) => place !== '')]
  return places.map((place) => join(place, `ostree-${name}`)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // missing, or this user may not execute it
  }
}

/**
 * Runs a program with the standard streams of this process, and waits for its end.
 * @returns its exit status, or, as in a shell, 128 plus the signal number when a signal ended it
 * @throws {IoError} when it cannot be started
 */
export function runExtension(path: string, name: string, args: readonly string[]): number {
  const { status, signal, error } = spawnSync(path, args, { stdio: 'inherit', argv0: `ostree-${name}` })
  if (error !== undefined) {
    const errno = errnoOf(error) ?? ''
    throw new IoError(`Executing ostree-${name}: ${error.message}`, errno, path, { cause: error })
  }
  return status ?? (signal === null ? 1 : 128 + os.signals[signal])
}
