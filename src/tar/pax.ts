/**
 * PAX records: `LENGTH KEY=VALUE\n`, where LENGTH is the decimal length of the whole record, its own digits included.
 * Values are bytes.
 *
 * Source: POSIX.1 pax, "pax Extended Header"; the error messages are libarchive's.
 */

import { encodeUtf8 } from '../bytes.ts'
import { clampInt64 } from './header.ts'
import type { PaxRecord } from './interface.ts'

/** An empty list. */
export const NO_RECORDS: readonly PaxRecord[] = []

/** Result of `parsePax`. */
export interface PaxBody {
  /** The records in order, up to the first malformed one. */
  readonly records: readonly PaxRecord[]
  /** An error message if a record is malformed. */
  readonly fault: string | undefined
}

/**
 * Parses the data of a PAX header.
 * @param body data, of which values are views
 * @param memo cache of keys by their index, to be passed to each call for an archive, whose entries tend to have the
 *   same keys
 */
export function parsePax(body: Uint8Array, memo: string[] = []): PaxBody {
  const records: PaxRecord[] = []
  let start = 0
  while (start < body.length) {
    let length = 0
    let at = start
    for (; at < body.length && body[at] !== 0x20; at++) {
      const digit = (body[at] as number) - 0x30
      if (digit < 0 || digit > 9) return { records, fault: 'Ignoring malformed pax extended attributes' }
      length = length * 10 + digit
    }
    const end = start + length
    if (length < 1 || end > body.length || body[end - 1] !== 0x0a)
      return { records, fault: 'Ignoring malformed pax extended attribute' }
    const keyStart = at + 1
    let equals = keyStart
    while (equals < end && body[equals] !== 0x3d && body[equals] !== 0) equals++
    if (body[equals] === 0) return { records, fault: 'Invalid pax extended attributes' }
    if (equals >= end - 1 && body[end - 2] !== 0x3d) return { records, fault: 'Invalid pax extended attributes' }
    if (equals === keyStart) return { records, fault: 'Invalid pax extended attributes' }
    const remembered = memo[records.length]
    const key =
      remembered !== undefined && isLatin1(body, keyStart, equals, remembered)
        ? remembered
        : latin1(body, keyStart, equals)
    if (records.length < MEMO_SIZE) memo[records.length] = key
    records.push({ key, value: body.subarray(equals + 1, end - 1) })
    start = end
  }
  return { records, fault: undefined }
}

/** Number of keys that are cached. */
const MEMO_SIZE = 16

function isLatin1(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}

/** Returns the value of the last record with that key, which overrides earlier ones; `undefined` if there is none. */
export function paxValue(records: readonly PaxRecord[], key: string): Uint8Array | undefined {
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i]
    if (record?.key === key) return record.value
  }
  return undefined
}

/** Parses decimal seconds with an optional fraction. Text after the number is ignored; without a number it is 0. */
export function parseSeconds(value: Uint8Array): number {
  // 64 characters have all digits that matter for a double.
  const digits = /^-?[0-9]+(?:\.[0-9]+)?/.exec(latin1(value, 0, Math.min(value.length, 64)))?.[0]
  return clampInt64(Number(digits ?? 0)) + 0 // no -0
}

/** Parses a decimal integer like `atol`: text after the number is ignored; without a number it is 0. */
export function parseInteger(value: Uint8Array): number {
  let i = 0
  while (value[i] === 0x20 || value[i] === 0x09) i++
  const negative = value[i] === 0x2d
  if (negative) i++
  let number = 0
  for (; i < value.length; i++) {
    const digit = (value[i] as number) - 0x30
    if (digit < 0 || digit > 9) break
    number = number * 10 + digit
  }
  return clampInt64(negative ? 0 - number : number)
}

/** Parses the number of an owner as `parseInteger`, and reduces it as `readOwner` in header.ts does. */
export function parseOwner(value: Uint8Array): number {
  const number = parseInteger(value)
  if (Number.isSafeInteger(number)) return number
  // Limits of 64 bits: 2^63 - 1 and -2^63.
  if (Math.abs(number) >= 2 ** 63) return number > 0 ? 0xffffffff : 0
  const digits = /^[ \t]*(-?[0-9]+)/.exec(latin1(value, 0, value.length))?.[1] ?? '0'
  return Number(BigInt.asUintN(32, BigInt(digits)))
}

/**
 * Encodes a record.
 * @param key as in `PaxRecord`, without `=`
 */
export function encodePaxRecord(key: string, value: Uint8Array): Uint8Array {
  // Besides key and value there are ' ', '=' and '\n', and as many digits as their sum has.
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  if (String(length).length !== String(rest).length) length = rest + String(length).length
  const record = new Uint8Array(length)
  const digits = encodeUtf8(`${length} `)
  record.set(digits)
  for (let i = 0; i < key.length; i++) record[digits.length + i] = key.charCodeAt(i)
  record[digits.length + key.length] = 0x3d
  record.set(value, digits.length + key.length + 1)
  record[length - 1] = 0x0a
  return record
}
