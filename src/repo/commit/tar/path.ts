/**
 * Names in an archive as paths below the root of a tree.
 *
 * Source: ostree-repo-libarchive.c, path_relative; ot-unix-utils.c, ot_util_path_split_validate.
 */

import { displayUtf8, encodeUtf8 } from '../../../bytes.ts'
import { InvalidNameError } from '../../../errors.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws {InvalidNameError} when it is no UTF-8, or holds a NUL, which no file name can */
export function decodeTarName(bytes: Uint8Array, what: 'pathname' | 'linkname'): string {
  let text: string
  try {
    text = strict.decode(bytes)
  } catch {
    throw new InvalidNameError(displayUtf8(bytes), `Archive entry ${what} is not valid UTF-8`)
  }
  if (text.includes('\0')) throw new InvalidNameError(text, `Archive entry ${what} holds a NUL byte`)
  return text
}

/**
 * The path without leading `/`, `./` and `/../`; '' is the root. What else it holds stays as it is, `//` and inner `.`
 * included.
 * @throws {InvalidNameError} on a `..` in any other place
 */
export function relativeTarPath(path: string): string {
  const start = skipLeading(path)
  const relative = start === 0 ? path : path.slice(start)
  if (relative === '.') return ''
  if (hasUplink(relative)) {
    // No space after the colon: so it reads in libostree.
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

export function withoutTrailingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--
  return end === path.length ? path : path.slice(0, end)
}

/** Names on the way to a path; empty ones and `.` vanish. @throws {InvalidNameError} on `..` */
export function splitTarPath(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) throw new InvalidNameError(path, `Invalid uplink '..' in path ${path}`)
  return names
}

/** Strings up to this length may keep each other alive. */
const LONGEST_SHARED = 1024

/**
 * A part of a string that does not keep all of it in memory: engines let a slice refer to what it was cut from, and a
 * name kept for long must not hold on to a path of a megabyte.
 */
export function detached(part: string, whole: string): string {
  return whole.length <= LONGEST_SHARED ? part : strict.decode(encodeUtf8(part))
}
