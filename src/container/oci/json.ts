/**
 * Gives typed access to JSON documents, by the rules of two parsers:
 *
 *     strict   names match exactly, wrong types are errors, null is absent     (Rust, serde: manifests)
 *     lenient  names match in any case, the last one wins, null is absent      (Go, encoding/json: configs)
 */
import { decodeUtf8, displayUtf8 } from '../../bytes.ts'
import { FormatError, LimitError } from '../../errors.ts'

/** Bytes of a document; larger ones are refused. Source: the limit that registries have for manifests. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024
/** Nesting of a document; deeper ones are refused, as serde does, because recursive code could overflow the stack. */
const MAX_JSON_DEPTH = 128

/** The members of a JSON object, of any type. */
export type JsonMembers = ReadonlyMap<string, unknown>

/** How a document is read. */
export interface JsonRules {
  /** Names the document in errors. */
  readonly what: string
  /** Read it by the lenient rules; else by the strict ones. */
  readonly anyCase: boolean
  /** Bytes of the document. Default: `MAX_MANIFEST_SIZE`. */
  readonly maxBytes?: number
}

/** Parses a document that is an object. @throws {FormatError} when it is not one; {LimitError} */
export function parseJsonMembers(bytes: Uint8Array, rules: JsonRules): JsonMembers {
  return asMembers(parseJson(bytes, rules), rules.what, rules)
}

/** Parses a document that is a list. @throws {FormatError} when it is not one; {LimitError} */
export function parseJsonArray(bytes: Uint8Array, rules: JsonRules): readonly unknown[] {
  const value = parseJson(bytes, rules)
  if (!Array.isArray(value)) throw mismatch(rules.what, rules.what, 'a list')
  return value
}

function parseJson(bytes: Uint8Array, { what, anyCase, maxBytes = MAX_MANIFEST_SIZE }: JsonRules): unknown {
  if (bytes.length > maxBytes) throw new LimitError(`Size of ${what}`, maxBytes)
  const text = anyCase ? displayUtf8(bytes) : decodeUtf8(bytes)
  if (text === undefined) throw new FormatError(what, `Invalid ${what}: not UTF-8`)
  checkDepth(text, what)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FormatError(what, `Invalid ${what}: ${(error as Error).message}`, { cause: error })
  }
}

/** Counts the brackets outside strings, because `JSON.parse` has no limit. @throws {LimitError} */
function checkDepth(text: string, what: string): void {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (quoted) {
      if (unit === 0x5c) at++
      else if (unit === 0x22) quoted = false
    } else if (unit === 0x22) {
      quoted = true
    } else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) throw new LimitError(`JSON depth of ${what}`, MAX_JSON_DEPTH)
    } else if (unit === 0x7d || unit === 0x5d) {
      depth--
    }
  }
}

/** Returns the members of a value. @param path where it is, for errors @throws {FormatError} when it is not an object */
export function asMembers(value: unknown, path: string, { what, anyCase }: JsonRules): JsonMembers {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(what, path, 'an object')
  const members = new Map<string, unknown>()
  for (const [name, member] of Object.entries(value)) {
    if (anyCase && member === null) continue
    members.set(anyCase ? foldCase(name) : name, member)
  }
  return members
}

/** Folds case as Go does, which takes the long s for an s and the Kelvin sign for a k. */
function foldCase(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's')
}

/** One object of a document; its methods read the members by their type and throw `FormatError` on another one. */
export class JsonObject {
  readonly #members: JsonMembers
  readonly #path: string
  readonly #rules: JsonRules

  /** @param path where the object is in the document, for errors */
  constructor(value: unknown, path: string, rules: JsonRules) {
    this.#members = value instanceof Map ? value : asMembers(value, path, rules)
    this.#path = path
    this.#rules = rules
  }

  /** Returns a member of any type; `undefined` when it is absent or null. */
  get(name: string): unknown {
    return this.#members.get(this.#rules.anyCase ? foldCase(name) : name) ?? undefined
  }

  string(name: string): string | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : this.#text(value, name)
  }

  boolean(name: string): boolean | undefined {
    const value = this.get(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#mismatch(name, 'a boolean')
  }

  /** Reads a whole number from 0 to 2^53 - 1. */
  integer(name: string): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.#mismatch(name, 'a whole number')
  }

  object(name: string): JsonObject | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : new JsonObject(value, this.#at(name), this.#rules)
  }

  /** Reads a list of any types; items that are null stay null. */
  list(name: string): readonly unknown[] | undefined {
    const value = this.get(name)
    if (value === undefined || Array.isArray(value)) return value
    throw this.#mismatch(name, 'a list')
  }

  /** Reads a list of objects. By the lenient rules null is an object without members. */
  objects(name: string): JsonObject[] | undefined {
    return this.list(name)?.map((item, index) => {
      const value = item === null && this.#rules.anyCase ? {} : item
      return new JsonObject(value, `${this.#at(name)}[${index}]`, this.#rules)
    })
  }

  /** Reads a list of strings. By the lenient rules null is the empty string. */
  strings(name: string): string[] | undefined {
    return this.list(name)?.map((item, index) => this.#text(item, `${name}[${index}]`))
  }

  /** Reads an object whose values are strings, with names as they are written. By the lenient rules null is ''. */
  stringMap(name: string): Record<string, string> | undefined {
    return this.#map(name, (item, key) => this.#text(item, `${name}.${key}`))
  }

  /** Reads the names of an object whose values are objects, or by the lenient rules null. The values become empty. */
  nameSet(name: string): Record<string, object> | undefined {
    return this.#map(name, (item, key) => {
      if (typeof item !== 'object' || Array.isArray(item)) throw this.#mismatch(`${name}.${key}`, 'an object')
      return {}
    })
  }

  /** Returns `value`, the member of that name. @throws {FormatError} when it is `undefined` */
  required<T>(name: string, value: T | undefined): T {
    if (value !== undefined) return value
    const { what } = this.#rules
    throw new FormatError(what, `Invalid ${what}: missing field \`${this.#at(name)}\``)
  }

  #map<T>(name: string, convert: (item: unknown, key: string) => T): Record<string, T> | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) throw this.#mismatch(name, 'an object')
    // Not by assignment, because a key may be `__proto__`.
    return Object.fromEntries(
      Object.entries(value ?? {}).map(([key, item]) => [this.#wellFormed(key, name), convert(item, key)]),
    )
  }

  #text(item: unknown, name: string): string {
    if (typeof item === 'string') return this.#wellFormed(item, name)
    if (item === null && this.#rules.anyCase) return ''
    throw this.#mismatch(name, 'a string')
  }

  /** Checks for half of a surrogate pair, which JSON can spell and UTF-8 cannot encode. */
  #wellFormed(text: string, name: string): string {
    if (this.#rules.anyCase) return text.replaceAll(/\p{Surrogate}/gu, '\ufffd')
    if (/\p{Surrogate}/u.test(text)) throw this.#mismatch(name, 'well-formed text')
    return text
  }

  #at(name: string): string {
    return this.#path === this.#rules.what ? name : `${this.#path}.${name}`
  }

  #mismatch(name: string, wanted: string): FormatError {
    return mismatch(this.#rules.what, this.#at(name), wanted)
  }
}

function mismatch(what: string, path: string, wanted: string): FormatError {
  const where = path === what ? '' : `\`${path}\` `
  return new FormatError(what, `Invalid ${what}: ${where}must be ${wanted}`)
}
