/**
 * Paths with bytes that are not UTF-8. As text they have these bytes escaped (`escapeUtf8`); `node:fs` would look for a
 * name with U+FFFD in their place.
 */

import { constants, openSync } from 'node:fs'
import { hasEscapedBytes, unescapeUtf8 } from '../bytes.ts'

/** Returns a path as the functions of `node:fs` take it: bytes if some are escaped, else the text. */
export function fsPath(path: string): string | Buffer {
  return hasEscapedBytes(path) ? Buffer.from(unescapeUtf8(path)) : path
}

/**
 * Returns a path to a directory to which names can be joined. A path with escaped bytes is replaced by that of a descriptor,
 * `/proc/self/fd/N`, which stays open until the process ends. Throws errors of `node:fs` when the directory cannot be opened.
 */
export function directoryPath(path: string): string {
  if (!hasEscapedBytes(path)) return path
  return `/proc/self/fd/${openSync(fsPath(path), constants.O_RDONLY | constants.O_DIRECTORY)}`
}
