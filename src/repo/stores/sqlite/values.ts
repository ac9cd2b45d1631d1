/** SQLite keeps any value in any column: what a damaged or forged file holds is checked where it is used. */

import { FormatError } from '../../../errors.ts'

/** @returns a plain view, whatever subclass the driver hands out. @throws {FormatError} */
export function blobOf(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.length)
  throw new FormatError(what, `${what}: expected a blob, found ${typeof value}`)
}

/** @throws {FormatError} */
export function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw new FormatError(what, `${what}: expected text, found ${typeof value}`)
}

/** A count: an integer from 0. @throws {FormatError} */
export function countOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new FormatError(what, `${what}: expected a count, found ${typeof value === 'number' ? value : typeof value}`)
}
