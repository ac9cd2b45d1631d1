/**
 * Key files: repository configuration, remotes, origins.
 *
 *     # a comment
 *     [core]
 *     repo_version=1
 *     mode=bare-user
 *
 * Source: GLib's GKeyFile (gkeyfile.c), which libostree reads and writes them with. An edited file comes out as GLib
 * would write it, byte for byte: groups in order of first appearance, parted by an empty line, a group opened twice
 * merged into one, a key given twice still twice with the last one counting.
 */

import { FormatError, InvalidNameError, NotFoundError } from '../errors.ts'
import { isGroupName, isKeyName, isTranslation, parseLine } from './grammar.ts'
import { escapeValue, formatList, parseBoolean, parseInteger, parseList, parseUint64, unescapeValue } from './values.ts'

/** A line below a group header; `key` is `undefined` for comments and blank lines. */
interface Entry {
  readonly key: string | undefined
  value: string
}

interface Group {
  /** `undefined` for what stands before the first header. */
  readonly name: string | undefined
  readonly entries: Entry[]
  /** The entry that counts for each key. */
  readonly pairs: Map<string, Entry>
}

export interface KeyFileOptions {
  /**
   * - `everything` comments, blank lines and translated keys (`Name[de]`) stay where they are (the default)
   * - `values`     they are dropped: what libostree does before it edits the configuration of a repository
   */
  readonly keep?: 'everything' | 'values' | undefined
}

/** What to answer when group or key is missing; without it that is a NotFoundError. */
export type KeyFileFallback<T> = [] | [T]

export class KeyFile {
  readonly #groups: Group[] = [newGroup(undefined)]
  readonly #byName = new Map<string, Group>()

  /**
   * @param what names the file in errors; the line number is appended as in `config:3`
   * @throws {FormatError} with GLib's words, at the first line that is none of the three kinds
   */
  static parse(text: string, what = 'key file', options: KeyFileOptions = {}): KeyFile {
    const file = new KeyFile()
    const values = options.keep === 'values'
    let group: Group = file.#groups[0] as Group // made above
    const lines = text.split('\n')
    const breaks = lines.length - 1
    // what follows the last line break is a line only if it is not empty
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

  /** The whole file, ending in a line break unless empty. */
  toString(): string {
    let text = ''
    for (const { name, entries } of this.#groups) {
      if (text.length >= 2 && text.at(-2) !== '\n') text += '\n'
      if (name !== undefined) text += `[${name}]\n`
      for (const { key, value } of entries) text += key === undefined ? `${value}\n` : `${key}=${value}\n`
    }
    return text
  }

  /** Names in order. */
  groups(): string[] {
    return [...this.#byName.keys()]
  }

  /**
   * Names in order; a key given twice stands twice.
   * @throws {NotFoundError} as do all readers below when they got no fallback
   */
  keys(group: string): string[] {
    return this.#group(group).entries.flatMap(({ key }) => (key === undefined ? [] : [key]))
  }

  /** Whether there is such a group, or such a key in it. */
  has(group: string, key?: string): boolean {
    const found = this.#byName.get(group)
    return found !== undefined && (key === undefined || found.pairs.has(key))
  }

  /** As `getString`, but `undefined` when group or key is missing. */
  get(group: string, key: string): string | undefined {
    return this.getString(group, key, undefined)
  }

  /** The value as it stands in the file, escapes and trailing spaces included. */
  getRaw<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string | T {
    const value = this.#byName.get(group)?.pairs.get(key)?.value
    if (value !== undefined) return value
    if (fallback.length > 0) return fallback[0] as T // its length says so
    this.#group(group)
    throw new NotFoundError(`${group}.${key}`, `Key file does not have key “${key}” in group “${group}”`)
  }

  /** The value with its escapes resolved. @throws {FormatError} on one that is none, as do all readers below */
  getString<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string | T {
    return this.#read(group, key, unescapeValue, unreadable, fallback)
  }

  /** `true`, `1`, `false`, `0`. */
  getBoolean<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): boolean | T {
    return this.#read(group, key, parseBoolean, unreadable, fallback)
  }

  /** A signed 32-bit number in decimal digits. */
  getInteger<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): number | T {
    return this.#read(
      group,
      key,
      parseInteger,
      () => `Key file contains key “${key}” in group “${group}” which has a value that cannot be interpreted.`,
      fallback,
    )
  }

  getUint64<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): bigint | T {
    return this.#read(
      group,
      key,
      parseUint64,
      (_, raw) => `Key “${key}” in group “${group}” has value “${raw}” where uint64 was expected`,
      fallback,
    )
  }

  /** Items parted by `;`, one behind the last allowed. To part at something else, read `getString` and split. */
  getList<T = never>(group: string, key: string, ...fallback: KeyFileFallback<T>): string[] | T {
    return this.#read(group, key, (raw) => parseList(raw, LIST_SEPARATOR), unreadable, fallback)
  }

  /**
   * A known key keeps its place, a new one goes to the end of its group, a new group to the end of the file.
   * @throws {InvalidNameError} when group or key cannot be written, as do the other setters
   */
  set(group: string, key: string, value: string | boolean | number | bigint): void {
    this.setRaw(group, key, escapeValue(String(value)))
  }

  setList(group: string, key: string, items: readonly string[]): void {
    this.setRaw(group, key, formatList(items, LIST_SEPARATOR))
  }

  /** @param value goes into the file as it is, so no line break may be in it */
  setRaw(group: string, key: string, value: string): void {
    if (!isGroupName(group)) throw new InvalidNameError(group, `Invalid group name: ${group}`)
    if (!isKeyName(key)) throw new InvalidNameError(key, `Invalid key name: ${key}`)
    if (/[\n\0]/.test(value)) throw new InvalidNameError(value, `Invalid value for key ${key}`)
    const target = this.#ensureGroup(group)
    const known = target.pairs.get(key)
    if (known === undefined) addPair(target, key, value)
    else known.value = value
  }

  /** @returns whether it was there. Of a key given twice the last one goes, and the first is not seen again. */
  remove(group: string, key: string): boolean {
    const found = this.#byName.get(group)
    const pair = found?.pairs.get(key)
    if (found === undefined || pair === undefined) return false
    found.entries.splice(found.entries.indexOf(pair), 1)
    return found.pairs.delete(key)
  }

  /** Takes the comments below its header along. @returns whether it was there */
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
    const raw = this.getRaw(group, key, ...(fallback.length > 0 ? [undefined] : []))
    if (raw === undefined) return fallback[0] as T // getRaw would have thrown without one
    const value = parse(raw)
    if (value === undefined) throw new FormatError(`${group}.${key}`, complaint(key, raw))
    return value
  }
}

const LIST_SEPARATOR = ';'

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
