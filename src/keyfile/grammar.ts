/**
 * The lines of a key file, told apart as GLib does (gkeyfile.c: g_key_file_parse_line and its helpers):
 *
 *     # comment          also: an empty line, or one of spaces
 *     [group]            spaces behind the bracket are dropped
 *     key = value        spaces around the `=` are dropped, spaces behind the value stay
 */

import { isSpace, trimEnd, trimStart } from './values.ts'

export type Line =
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'group'; readonly name: string }
  /** `key` may still be none: `isKeyName` says. */
  | { readonly kind: 'pair'; readonly key: string; readonly value: string }
  | { readonly kind: 'junk'; readonly message: string }

/** @param line without its line break */
export function parseLine(line: string): Line {
  const start = trimStart(line)
  if (start === '' || start.startsWith('#')) return { kind: 'comment', text: line }

  const bracket = start.startsWith('[') ? start.indexOf(']') : -1
  if (bracket > 0 && /^[ \t]*$/.test(start.slice(bracket + 1))) {
    const name = start.slice(1, bracket)
    return isGroupName(name) ? { kind: 'group', name } : { kind: 'junk', message: `Invalid group name: ${name}` }
  }

  const equals = start.indexOf('=')
  if (equals > 0) {
    return { kind: 'pair', key: trimEnd(start.slice(0, equals)), value: trimStart(start.slice(equals + 1)) }
  }
  return {
    kind: 'junk',
    message: `Key file contains line “${line}” which is not a key-value pair, group, or comment`,
  }
}

export function isGroupName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the rule is about
  return /^[^[\]\0-\x1f\x7f]+$/.test(name)
}

const PLAIN = /^([^=[\]]+)$/u
const WITH_LOCALE = /^([^=[\]]+)\[[\p{L}\p{N}\-_.@]*\]$/u

/** Spaces inside are fine, at the ends they are not. A locale in brackets may follow: `Name[de]`. */
export function isKeyName(name: string): boolean {
  // Most have no locale behind them, and to compile the classes of Unicode takes milliseconds.
  const match = (name.includes('[') ? WITH_LOCALE : PLAIN).exec(name)
  if (match === null) return false
  const key = match[1] ?? ''
  return !key.startsWith(' ') && !key.endsWith(' ') && !key.includes('\0') && !isBroken(key)
}

/** A line break in a name would be another line when read again. */
function isBroken(key: string): boolean {
  return key.includes('\n') || isSpace(key.charAt(0))
}

/** Whether the key is a translation of another: `Name[de]`. */
export function isTranslation(key: string): boolean {
  const bracket = key.lastIndexOf('[')
  return bracket >= 0 && key.length - bracket > 2
}
