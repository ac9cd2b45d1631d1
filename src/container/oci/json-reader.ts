/**
 * Typed access to JSON that others wrote, in the way of two readers.
 *
 *     strict   names match exactly, wrong types are errors, null is absent     (Rust, serde: manifests)
 *     lenient  names match in any case, the last one wins, null is absent      (Go, encoding/json: configs)
 */
import { decodeUtf8, displayUtf8 } from '../../bytes.ts'
import { FormatError, LimitError } from '../../errors.ts'

/** Larger documents are refused. Bytes. Source: the limit registries put on manifests. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024
/** Deeper documents are refused, as serde does; a recursive reader must not meet the end of its stack. */
const MAX_JSON_DEPTH = 128

/** An object whose members are not looked at yet. */
export type JsonObject = ReadonlyMap<string, unknown>

export interface JsonReader {
  /** Names the document in errors. */
  readonly what: string
  readonly anyCase: boolean
  /** Default: `MAX_MANIFEST_SIZE`. */
  readonly maxBytes?: number
}

/** @throws {FormatError} {LimitError} */
export function parseJsonObject(bytes: Uint8Array, reader: JsonReader): JsonObject {
  return asObject(parseJson(bytes, reader), reader.what, reader)
}

/** A document that is a list. @throws {FormatError} {LimitError} */
export function parseJsonArray(bytes: Uint8Array, reader: JsonReader): readonly unknown[] {
  const value = parseJson(bytes, reader)
  if (!Array.isArray(value)) throw mismatch(reader.what, reader.what, 'a list')
  return value
}

function parseJson(bytes: Uint8Array, { what, anyCase, maxBytes = MAX_MANIFEST_SIZE }: JsonReader): unknown {
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

/** Brackets outside strings; `JSON.parse` alone would go as deep as the text does. */
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

export function asObject(value: unknown, path: string, { what, anyCase }: JsonReader): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(what, path, 'an object')
  const members = new Map<string, unknown>()
  for (const [name, member] of Object.entries(value)) {
    if (anyCase && member === null) continue
    members.set(anyCase ? foldCase(name) : name, member)
  }
  return members
}

/** Go folds the long s and the Kelvin sign like the letters they resemble. */
function foldCase(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's')
}

/** Reads the members of one object; `path` leads to it, for errors. */
export class ObjectReader {
  readonly #members: JsonObject
  readonly #path: string
  readonly #reader: JsonReader

  constructor(value: unknown, path: string, reader: JsonReader) {
    this.#members = value instanceof Map ? value : asObject(value, path, reader)
    this.#path = path
    this.#reader = reader
  }

  /** @returns `undefined` when absent or null */
  get(name: string): unknown {
    return this.#members.get(this.#reader.anyCase ? foldCase(name) : name) ?? undefined
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

  /** A whole number from 0 up to 2^53 - 1. */
  integer(name: string): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.#mismatch(name, 'a whole number')
  }

  object(name: string): ObjectReader | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : new ObjectReader(value, this.#at(name), this.#reader)
  }

  /** @returns items in order; null where the text has it */
  list(name: string): readonly unknown[] | undefined {
    const value = this.get(name)
    if (value === undefined || Array.isArray(value)) return value
    throw this.#mismatch(name, 'a list')
  }

  /** In the lenient way null is an object without members. */
  objects(name: string): ObjectReader[] | undefined {
    return this.list(name)?.map((item, index) => {
      const value = item === null && this.#reader.anyCase ? {} : item
      return new ObjectReader(value, `${this.#at(name)}[${index}]`, this.#reader)
    })
  }

  /** In the lenient way null is the empty string. */
  strings(name: string): string[] | undefined {
    return this.list(name)?.map((item, index) => this.#text(item, `${name}[${index}]`))
  }

  /** Names as they are written. In the lenient way null is the empty string. */
  stringMap(name: string): Record<string, string> | undefined {
    return this.#map(name, (item, key) => this.#text(item, `${name}.${key}`))
  }

  /** The names of a map; values must be objects (or null, leniently) and what they hold is dropped. */
  nameSet(name: string): Record<string, object> | undefined {
    return this.#map(name, (item, key) => {
      if (typeof item !== 'object' || Array.isArray(item)) throw this.#mismatch(`${name}.${key}`, 'an object')
      return {}
    })
  }

  /** @throws {FormatError} */
  required<T>(name: string, value: T | undefined): T {
    if (value !== undefined) return value
    const { what } = this.#reader
    throw new FormatError(what, `Invalid ${what}: missing field \`${this.#at(name)}\``)
  }

  #map<T>(name: string, convert: (item: unknown, key: string) => T): Record<string, T> | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) throw this.#mismatch(name, 'an object')
    // Entries, not assignments: a key may be called `__proto__`.
    return Object.fromEntries(
      Object.entries(value ?? {}).map(([key, item]) => [this.#wellFormed(key, name), convert(item, key)]),
    )
  }

  #text(item: unknown, name: string): string {
    if (typeof item === 'string') return this.#wellFormed(item, name)
    if (item === null && this.#reader.anyCase) return ''
    throw this.#mismatch(name, 'a string')
  }

  /** JSON can spell half of a surrogate pair, which is no text. */
  #wellFormed(text: string, name: string): string {
    if (this.#reader.anyCase) return text.replaceAll(/\p{Surrogate}/gu, '\ufffd')
    if (/\p{Surrogate}/u.test(text)) throw this.#mismatch(name, 'well-formed text')
    return text
  }

  #at(name: string): string {
    return this.#path === this.#reader.what ? name : `${this.#path}.${name}`
  }

  #mismatch(name: string, wanted: string): FormatError {
    return mismatch(this.#reader.what, this.#at(name), wanted)
  }
}

function mismatch(what: string, path: string, wanted: string): FormatError {
  const where = path === what ? '' : `\`${path}\` `
  return new FormatError(what, `Invalid ${what}: ${where}must be ${wanted}`)
}
