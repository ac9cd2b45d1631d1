/** Checks of column values: SQLite stores a value of any type in any column, and the file may be damaged or forged. */

import { FormatError } from '../../../errors.ts'

/** Returns a plain Uint8Array on the same bytes: drivers return subclasses. @throws {FormatError} on another type */
export function blobOf(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.length)
  throw new FormatError(what, `${what}: expected a blob, found ${typeof value}`)
}

/** Returns a string. @throws {FormatError} on another type */
export function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw new FormatError(what, `${what}: expected text, found ${typeof value}`)
}

/** Returns a safe integer from 0. @throws {FormatError} on anything else */
export function countOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new FormatError(what, `${what}: expected a count, found ${typeof value === 'number' ? value : typeof value}`)
}
