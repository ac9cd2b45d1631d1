/** Listing directories by their paths. */

import { readdirSync, statSync } from 'node:fs'
import { unless, withIo } from './errno.ts'

/**
 * Lists a directory in the order of the file system. Empty when there is no such directory.
 * @param shown the path in messages. @throws {IoError} `opendir(…): …` when it cannot be read
 */
export function namesIn(path: string, shown = path): string[] {
  return unless(['ENOENT', 'ENOTDIR'], shown, () => readdirSync(path)) ?? []
}

/** Tells whether `path` is a directory or a symbolic link to one. @throws {IoError} when its status cannot be read */
export function isDirectory(path: string): boolean {
  return withIo(path, () => statSync(path, { throwIfNoEntry: false }))?.isDirectory() ?? false
}
