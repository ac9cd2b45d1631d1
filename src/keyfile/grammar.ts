/**
 * Parses the lines of a key file like GLib (gkeyfile.c: g_key_file_parse_line and its helpers):
 *
 *     # comment          also an empty line, or one of spaces
 *     [group]            spaces after the bracket are dropped
 *     key = value        spaces around the `=` are dropped, spaces after the value are kept
 */

import { isSpace, trimEnd, trimStart } from './values.ts'

/** A parsed line. */
export type Line =
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'group'; readonly name: string }
  /** `key` is not checked; see `isKeyName`. */
  | { readonly kind: 'pair'; readonly key: string; readonly value: string }
  /** A line of none of these kinds, with GLib's message. */
  | { readonly kind: 'junk'; readonly message: string }

/**
 * Parses a line.
 * @param line without its line break
 */
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

/** Returns whether `name` is a valid group name: not empty, without brackets and control characters. */
export function isGroupName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the rule is about
  return /^[^[\]\0-\x1f\x7f]+$/.test(name)
}

const PLAIN = /^([^=[\]]+)$/u
const WITH_LOCALE = /^([^=[\]]+)\[[\p{L}\p{N}\-_.@]*\]$/u

/**
 * Returns whether `name` is a valid key name. Spaces are allowed inside it, but not at its ends. A locale in brackets may
 * follow: `Name[de]`.
 */
export function isKeyName(name: string): boolean {
  // Most names have no locale, and compiling the expression with Unicode classes takes milliseconds.
  const match = (name.includes('[') ? WITH_LOCALE : PLAIN).exec(name)
  if (match === null) return false
  const key = match[1] ?? ''
  return !key.startsWith(' ') && !key.endsWith(' ') && !key.includes('\0') && !isBroken(key)
}

/**
 * Returns whether a key would be read back differently: it has a line break, space at one of its ends, or is the start of a
 * comment. GLib writes such keys.
 */
function isBroken(key: string): boolean {
  return key.includes('\n') || key.startsWith('#') || isSpace(key.charAt(0)) || isSpace(key.charAt(key.length - 1))
}

/** Returns whether a key is a translation of another, such as `Name[de]`. */
export function isTranslation(key: string): boolean {
  const bracket = key.lastIndexOf('[')
  return bracket >= 0 && key.length - bracket > 2
}
