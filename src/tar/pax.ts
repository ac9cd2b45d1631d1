/**
 * PAX records: `LENGTH KEY=VALUE\n`, LENGTH in decimal and counting the whole record, its own digits included. Values are
 * bytes; nothing is decoded here but the numbers the reader itself needs.
 *
 * Source: POSIX.1 pax, "pax Extended Header"; words of the errors: libarchive.
 */

import { encodeUtf8 } from '../bytes.ts'
import { clampInt64 } from './header.ts'
import type { PaxRecord } from './interface.ts'

export const NO_RECORDS: readonly PaxRecord[] = []

export interface PaxBody {
  readonly records: readonly PaxRecord[]
  /** What is wrong with the first malformed record; `records` holds those before it. */
  readonly fault: string | undefined
}

/**
 * @param body the values are views into it
 * @param memo keys by their place in the last header read with it; entries of an archive tend to have the same ones
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

/** The last record of that name, as later ones override. */
export function paxValue(records: readonly PaxRecord[], key: string): Uint8Array | undefined {
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i]
    if (record?.key === key) return record.value
  }
  return undefined
}

/** Seconds, fraction allowed; what follows the number is ignored, none at all is 0. */
export function parseSeconds(value: Uint8Array): number {
  // no number a double can hold apart is longer
  const digits = /^-?[0-9]+(?:\.[0-9]+)?/.exec(latin1(value, 0, Math.min(value.length, 64)))?.[0]
  return clampInt64(Number(digits ?? 0)) + 0 // no -0
}

/** A decimal integer as `atol` reads it: what follows it is ignored, none at all is 0. */
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

/** @param key latin1, as in `PaxRecord`, without `=` */
export function encodePaxRecord(key: string, value: Uint8Array): Uint8Array {
  // ' ', '=' and '\n' besides key and value; then as many digits as it takes to count themselves too
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
