/**
 * Converts names in an archive to paths below the root of a tree.
 *
 * Source: ostree-repo-libarchive.c, path_relative; ot-unix-utils.c, ot_util_path_split_validate.
 */

import { displayUtf8, encodeUtf8 } from '../../../bytes.ts'
import { InvalidNameError } from '../../../errors.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes a name. @throws {InvalidNameError} when it is not UTF-8, or contains a NUL */
export function decodeTarName(bytes: Uint8Array, what: 'pathname' | 'linkname' | 'symlink target'): string {
  let text: string
  try {
    text = strict.decode(bytes)
  } catch {
    throw new InvalidNameError(displayUtf8(bytes), `Archive entry ${what} is not valid UTF-8`)
  }
  if (text.includes('\0')) throw new InvalidNameError(text, `Archive entry ${what} contains a NUL byte`)
  return text
}

/**
 * Removes leading `/`, `./` and `/../`. The rest of the path is unchanged, including `//` and `.` in it.
 * @returns `''` for the root
 * @throws {InvalidNameError} when there is `..` at another place
 */
export function relativeTarPath(path: string): string {
  const start = skipLeading(path)
  const relative = start === 0 ? path : path.slice(start)
  if (relative === '.') return ''
  if (hasUplink(relative)) {
    // libostree's message has no space after the colon.
    throw new InvalidNameError(path, `While making relative path "${relative}":Invalid uplink '..' in path ${relative}`)
  }
  return relative
}

function skipLeading(path: string): number {
  let at = 0
  for (;;) {
    if (path.startsWith('/../', at)) at += 3
    else if (path.startsWith('./', at)) at += 2
    else if (path.startsWith('/', at)) at += 1
    else return at
  }
}

function hasUplink(path: string): boolean {
  return path.includes('..') && path.split('/').includes('..')
}

/** Removes all slashes at the end of a path. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--
  return end === path.length ? path : path.slice(0, end)
}

/** Splits a path into names, without empty ones and `.`. @throws {InvalidNameError} when one is `..` */
export function splitTarPath(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) throw new InvalidNameError(path, `Invalid uplink '..' in path ${path}`)
  return names
}

/** Length of a string, in UTF-16 units, up to which slices of it are not copied. */
const MAX_SHARED = 1024

/**
 * Copies a slice of a long string. JavaScript engines let a slice refer to the whole string, so that a short name would
 * keep a path of a megabyte in memory.
 */
export function detached(part: string, whole: string): string {
  return whole.length <= MAX_SHARED ? part : strict.decode(encodeUtf8(part))
}
