/**
 * JSON with one spelling for each value: no spaces, keys in the order of their UTF-16 units, strings escaped as
 * `JSON.stringify` does. Commit metadata holds documents this way, so a commit's checksum depends on it.
 * Source: RFC 8785.
 */
import { LimitError, UsageError } from '../../errors.ts'

/** Far above any document of the field, far below the depth of the stack. */
const MAX_DEPTH = 256

/**
 * @param value of null, booleans, strings, finite numbers, integers as bigint, arrays and plain objects; members that
 *   are `undefined` are left out
 * @throws {UsageError} on anything else, half a surrogate pair included; {LimitError} when nested too deep
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
    // Key by key: an object rebuilt in sorted order would list its integer-like keys first.
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
