/**
 * Commands of others: `ostree NAME` runs the program `ostree-NAME`, where there is no command of that name. It gets the
 * arguments as they were given, the name among them. Source: ot-main.c, ostree_command_exec.
 */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { constants as os } from 'node:os'
import { join } from 'node:path'
import { IoError } from '../errors.ts'

/** Where packages put such programs, before those in PATH. */
const EXTENSIONS = '/usr/libexec/libostree/ext'

/** @returns its path */
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
    return false // there is none, or it is not for us
  }
}

/** Runs it with our standard streams. @returns its exit status; a shell's, when a signal ended it */
export function runExtension(path: string, name: string, args: readonly string[]): number {
  const { status, signal, error } = spawnSync(path, args, { stdio: 'inherit', argv0: `ostree-${name}` })
  if (error !== undefined) {
    const errno = 'code' in error ? String(error.code) : ''
    throw new IoError(`Executing ostree-${name}: ${error.message}`, errno, path, { cause: error })
  }
  return status ?? (signal === null ? 1 : 128 + os.signals[signal])
}
