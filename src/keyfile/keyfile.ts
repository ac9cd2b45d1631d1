/**
 * Key files: repository configuration, remotes, origins.
 *
 *     # a comment
 *     [core]
 *     repo_version=1
 *     mode=bare-user
 *
 * Source: GLib's GKeyFile (gkeyfile.c), which libostree uses. An edited file has the bytes that GLib would write: groups
 * in the order of their first appearance, separated by empty lines; groups of the same name merged; repeated keys kept,
 * of which the last counts.
 */

import { FormatError, InvalidNameError, NotFoundError } from '../errors.ts'
import { isGroupName, isKeyName, isTranslation, parseLine } from './grammar.ts'
import {
  escapeValue,
  formatList,
  isSpace,
  parseBoolean,
  parseInteger,
  parseList,
  parseUint64,
  unescapeValue,
} from './values.ts'

/** A line after a group header. `key` is `undefined` for comments and empty lines. */
interface Entry {
  readonly key: string | undefined
  value: string
}

interface Group {
  /** `undefined` for the lines before the first header. */
  readonly name: string | undefined
  readonly entries: Entry[]
  /** The last entry of each key. */
  readonly pairs: Map<string, Entry>
}

/** Options of `KeyFile.parse`. */
export interface KeyFileOptions {
  /**
   * - `everything` keeps comments, empty lines and translated keys (`Name[de]`) in their places (default)
   * - `values`     drops them, as libostree does before it edits the configuration of a repository
   */
  readonly keep?: 'everything' | 'values' | undefined
}

/** The value to return if the group or key is missing. If it is not given, that is a NotFoundError. */
export type KeyFileFallback<T> = [] | [T]

/** A key file in memory: groups of keys with values. */
export class KeyFile {
  readonly #groups: Group[] = [newGroup(undefined)]
  readonly #byName = new Map<string, Group>()

  /**
   * Parses the text of a key file.
   * @param what name of the file in errors, to which the line number is appended, as in `config:3`
   * @throws {FormatError} with GLib's message, at the first malformed line
   */
  static parse(text: string, what = 'key file', options: KeyFileOptions = {}): KeyFile {
    const file = new KeyFile()
    const values = options.keep === 'values'
    let group: Group = file.#groups[0] as Group // created by the class
    const lines = text.split('\n')
    const breaks = lines.length - 1
    // The text after the last line break is a line if it is not empty.
    if (lines[breaks] === '') lines.pop()
    for (const [index, text] of lines.entries()) {
      const fail = (message: string) => new FormatError(`${what}:${index + 1}`, message)
      const line = parseLine(index < breaks && text.endsWith('\r') ? text.slice(0, -1) : text)
      switch (line.kind) {
        case 'junk':
          throw fail(line.message)
        case 'group':
          group = file.#ensureGroup(line.name)
          break
        case 'comment':
          if (!values) group.entries.push({ key: undefined, value: line.text })
          break
        case 'pair': {
          if (group.name === undefined) throw fail('Key file does not start with a group')
          if (!isKeyName(line.key)) throw fail(`Invalid key name: ${line.key}`)
          if (line.key === 'Encoding' && group === file.#groups[1] && line.value.toUpperCase() !== 'UTF-8')
            throw fail(`Key file contains unsupported encoding “${line.value}”`)
          if (!values || !isTranslation(line.key)) addPair(group, line.key, line.value)
        }
      }
    }
    return file
  }

  /** Returns the text of the file, which ends with a line break unless it is empty. */
  toString(): string {
    let text = ''
    for (const { name, entries } of this.#groups) {
      if (text.length >= 2 && text.at(-2) !== '\n') text += '\n'
      if (name !== undefined) text += `[${name}]\n`
      for (const { key, value } of entries) text += key === undefined ? `${value}\n` : `${key}=${value}\n`
    }
    return text
  }

  /** Returns the names of the groups in order. */
  groups(): string[] {
    return [...this.#byName.keys()]
  }

  /**
   * Returns the keys of a group in order. A repeated key is repeated.
   * @throws {NotFoundError} if there is no such group
   */
  keys(group: string): string[] {
    return this.#group(group).entries.flatMap(({ key }) => (key === undefined ? [] : [key]))
  }

  /** Returns whether there is a group or, if `key` is given, whether it has that key. */
  has(group: string, key?: string): boolean {
    const found = this.#byName.get(group)
    return found !== undefined && (key === undefined || found.pairs.has(key))
  }

  /**
   * Returns a value with its escapes decoded; `undefined` if the group or key is missing.
   * @throws {FormatError} if the value has an invalid escape
   */
  get(group: string, key: string): string | undefined {
    return this.getString(group, key, undefined)
  }

  /**
   * Returns a value as it is in the file, with escapes and trailing spaces.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   */
  getRaw<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string | T {
    const value = this.#byName.get(group)?.pairs.get(key)?.value
    if (value !== undefined) return value
    if (fallback.length > 0) return fallback[0] as T // given, as its length shows
    this.#group(group)
    throw new NotFoundError(`${group}.${key}`, `Key file does not have key “${key}” in group “${group}”`)
  }

  /**
   * Returns a value with its escapes decoded.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   * @throws {FormatError} if the value has an invalid escape
   */
  getString<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string | T {
    return this.#read(group, key, unescapeValue, unreadable, fallback)
  }

  /**
   * Returns a value as a boolean.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   * @throws {FormatError} if the value is not `true`, `1`, `false` or `0`
   */
  getBoolean<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): boolean | T {
    return this.#read(group, key, parseBoolean, unreadable, fallback)
  }

  /**
   * Returns a value as a signed 32-bit decimal number.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   * @throws {FormatError} if the value is not such a number
   */
  getInteger<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): number | T {
    return this.#read(
      group,
      key,
      parseInteger,
      () => `Key file contains key “${key}” in group “${group}” which has a value that cannot be interpreted.`,
      fallback,
    )
  }

  /**
   * Returns a value as an unsigned 64-bit decimal number.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   * @throws {FormatError} if the value is not such a number
   */
  getUint64<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): bigint | T {
    return this.#read(
      group,
      key,
      parseUint64,
      (_, raw) => `Key “${key}” in group “${group}” has value “${raw}” where uint64 was expected`,
      fallback,
    )
  }

  /**
   * Returns a value as a list of items, separated by `;`. A separator after the last item is allowed.
   * @param fallback returned if the group or key is missing
   * @throws {NotFoundError} if the group or key is missing and there is no fallback
   * @throws {FormatError} if the value has an invalid escape
   */
  getList<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string[] | T {
    return this.#read(group, key, (raw) => parseList(raw, LIST_SEPARATOR), unreadable, fallback)
  }

  /**
   * Sets a value, which is escaped. An existing key keeps its place; a new key is added at the end of its group, and a new
   * group at the end of the file.
   * @throws {InvalidNameError} if the group or key is not a valid name
   */
  set(group: string, key: string, value: string | boolean | number | bigint): void {
    this.setRaw(group, key, escapeValue(String(value)))
  }

  /**
   * Sets a value to a list. Each item is escaped and followed by `;`.
   * @throws {InvalidNameError} if the group or key is not a valid name
   */
  setList(group: string, key: string, items: readonly string[]): void {
    this.setRaw(group, key, formatList(items, LIST_SEPARATOR))
  }

  /**
   * Sets a value without escaping it.
   * @throws {InvalidNameError} if the group or key is not a valid name, or the value would be read back differently: it has
   *   a line break, a NUL, half of a surrogate pair, space at its start or a carriage return at its end, or is an encoding
   *   other than UTF-8 that the file claims to have
   */
  setRaw(group: string, key: string, value: string): void {
    if (!isGroupName(group)) throw new InvalidNameError(group, `Invalid group name: ${group}`)
    if (!isKeyName(key)) throw new InvalidNameError(key, `Invalid key name: ${key}`)
    for (const name of [group, key]) if (HALF_PAIR.test(name)) throw new InvalidNameError(name, `Invalid name: ${name}`)
    const isEncoding = key === 'Encoding' && (this.#groups[1]?.name ?? group) === group
    const isBroken = /[\n\0]|\r$/.test(value) || isSpace(value.charAt(0)) || HALF_PAIR.test(value)
    if (isBroken || (isEncoding && value.toUpperCase() !== 'UTF-8')) {
      throw new InvalidNameError(value, `Invalid value for key ${key}`)
    }
    const target = this.#ensureGroup(group)
    const known = target.pairs.get(key)
    if (known === undefined) addPair(target, key, value)
    else known.value = value
  }

  /**
   * Removes a key, and returns whether it existed. Of a repeated key the last entry is removed; the others stay in the
   * text, but have no value any more, as in GLib.
   */
  remove(group: string, key: string): boolean {
    const found = this.#byName.get(group)
    const pair = found?.pairs.get(key)
    if (found === undefined || pair === undefined) return false
    found.entries.splice(found.entries.indexOf(pair), 1)
    return found.pairs.delete(key)
  }

  /** Removes a group with its keys and comments, and returns whether it existed. */
  removeGroup(group: string): boolean {
    const found = this.#byName.get(group)
    if (found === undefined) return false
    this.#groups.splice(this.#groups.indexOf(found), 1)
    return this.#byName.delete(group)
  }

  #group(name: string): Group {
    const group = this.#byName.get(name)
    if (group === undefined) throw new NotFoundError(name, `Key file does not have group “${name}”`)
    return group
  }

  #ensureGroup(name: string): Group {
    let group = this.#byName.get(name)
    if (group === undefined) {
      group = newGroup(name)
      this.#groups.push(group)
      this.#byName.set(name, group)
    }
    return group
  }

  #read<V, T>(
    group: string,
    key: string,
    parse: (raw: string) => V | undefined,
    complaint: (key: string, raw: string) => string,
    fallback: KeyFileFallback<T>,
  ): V | T {
    const raw = fallback.length > 0 ? this.getRaw(group, key, undefined) : this.getRaw(group, key)
    if (raw === undefined) return fallback[0] as T // given, or getRaw would have thrown
    const value = parse(raw)
    if (value === undefined) throw new FormatError(`${group}.${key}`, complaint(key, raw))
    return value
  }
}

const LIST_SEPARATOR = ';'
/** Half of a surrogate pair, which UTF-8 cannot encode. */
const HALF_PAIR = /[\ud800-\udfff]/u

function unreadable(key: string): string {
  return `Key file contains key “${key}” which has a value that cannot be interpreted.`
}

function newGroup(name: string | undefined): Group {
  return { name, entries: [], pairs: new Map() }
}

function addPair(group: Group, key: string, value: string): void {
  const pair: Entry = { key, value }
  group.entries.push(pair)
  group.pairs.set(key, pair)
}
