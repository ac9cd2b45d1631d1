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

/** Whether `path` leads to a directory, also through links. @throws {IoError} when it cannot be looked at */
export function isDirectory(path: string): boolean {
  return withIo(path, () => statSync(path, { throwIfNoEntry: false }))?.isDirectory() ?? false
}
