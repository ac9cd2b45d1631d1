/**
 * Writes JSON with one spelling for each value: no spaces, keys in the order of their UTF-16 code units, strings escaped
 * as `JSON.stringify` does. Documents in commit metadata have this form, so the checksum of a commit depends on it.
 * Source: RFC 8785.
 */
import { LimitError, UsageError } from '../../errors.ts'

/** Nesting of a document: far more than real ones have, and far less than overflows the stack. */
const MAX_DEPTH = 256

/**
 * Returns a value as canonical JSON.
 * @param value null, booleans, strings, finite numbers, integers as bigint, and arrays and plain objects of these;
 *   members that are `undefined` are left out
 * @throws {UsageError} on other values, also on an unpaired surrogate; {LimitError} when the value is nested too deeply
 */
export function canonicalJson(value: unknown): string {
  const parts: string[] = []
  append(value, parts, 0)
  return parts.join('')
}

function append(value: unknown, parts: string[], depth: number): void {
  if (depth > MAX_DEPTH) throw new LimitError('JSON depth', MAX_DEPTH)
  if (Array.isArray(value)) {
    parts.push('[')
    value.forEach((item: unknown, index) => {
      if (index > 0) parts.push(',')
      append(item, parts, depth + 1)
    })
    parts.push(']')
  } else if (typeof value === 'object' && value !== null) {
    // Written key by key, because an object built in sorted order has its integer-like keys first.
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    members.sort(([a], [b]) => (a < b ? -1 : 1))
    parts.push('{')
    members.forEach(([key, member], index) => {
      if (index > 0) parts.push(',')
      parts.push(scalar(key), ':')
      append(member, parts, depth + 1)
    })
    parts.push('}')
  } else {
    parts.push(scalar(value))
  }
}

function scalar(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return JSON.stringify(value)
  if (typeof value === 'boolean' || value === null || Number.isFinite(value)) return JSON.stringify(value)
  throw new UsageError(`No JSON value: ${String(value)}`)
}
