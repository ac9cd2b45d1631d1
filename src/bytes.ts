/**
 * Bytes: hex, comparison, joining. Nothing here knows a format.
 */

declare const brand: unique symbol

/** 64 lower-case hex digits of a SHA-256: the name of an OSTree object. */
export type Checksum = string & { readonly [brand]: 'Checksum' }

/** A value now, or a promise of it. Memory and SQLite answer at once; a network cannot. */
export type MaybePromise<T> = T | Promise<T>

/** All of it, or a stream of it, in order. A chunk may be reused by its producer once the next one is asked for. */
export type Content = Uint8Array | AsyncIterable<Uint8Array>

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

const DIGITS = new TextEncoder().encode('0123456789abcdef')
/** By character code; -1 is no digit. */
const DIGIT_VALUES = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code | 32)),
)
DIGIT_VALUES.fill(-1, 0, 0x30) // what `| 32` folded onto the digits
const ascii = new TextDecoder('latin1')
/** Room for a checksum, the commonest case by far. */
const hexScratch = new Uint8Array(64)

/**
 * Digits go through a decoder: a string made by appending is a chain of pieces, which costs three times as much once
 * it is hashed or compared.
 * @returns two lower-case hex digits a byte of `bytes[start, end)`
 */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const text = end - start === 32 ? hexScratch : new Uint8Array((end - start) * 2)
  for (let i = start, at = 0; i < end; i++, at += 2) {
    const byte = bytes[i] as number
    text[at] = DIGITS[byte >> 4] as number
    text[at + 1] = DIGITS[byte & 15] as number
  }
  return ascii.decode(text)
}

/**
 * Writes `text.length / 2` bytes to `into` at `at`.
 * @throws {RangeError} on an odd length or a character that is no hex digit
 */
export function writeHex(text: string, into: Uint8Array, at: number): void {
  if (text.length % 2 !== 0) throw new RangeError(`hex text of odd length ${text.length}`)
  for (let i = 0; i < text.length; i += 2) {
    const high = DIGIT_VALUES[text.charCodeAt(i)] ?? -1
    const low = DIGIT_VALUES[text.charCodeAt(i + 1)] ?? -1
    if ((high | low) < 0) throw new RangeError(`no hex digits at ${i}: ${JSON.stringify(text.slice(i, i + 2))}`)
    into[at + i / 2] = (high << 4) | low
  }
}

/** @throws {RangeError} as `writeHex` */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1)
  writeHex(text, bytes, 0)
  return bytes
}

/** Byte order: negative, zero or positive as `a` sorts before, equals or sorts after `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/**
 * Orders two strings as their UTF-8 bytes would be (strcmp). JavaScript's own `<` orders UTF-16 units, which puts
 * U+10000 and above before U+E000..U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const xSurrogate = x >= 0xd800 && x <= 0xdfff
    const ySurrogate = y >= 0xd800 && y <= 0xdfff
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1
    return x - y
  }
  return a.length - b.length
}

/** @returns one new array, also for a single part: the result never aliases its input */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lossyDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** @returns the text, or `undefined` when the bytes are not valid UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** For messages: invalid sequences show as U+FFFD. */
export function displayUtf8(bytes: Uint8Array): string {
  return lossyDecoder.decode(bytes)
}

/** Reads a stream whole. @throws whatever `tooLong` makes once more than `limit` bytes came */
export async function readAll(
  from: Content,
  limit = Number.POSITIVE_INFINITY,
  tooLong: (limit: number) => Error = (most) => new RangeError(`more than ${most} bytes`),
): Promise<Uint8Array> {
  if (from instanceof Uint8Array) {
    if (from.length > limit) throw tooLong(limit)
    return from
  }
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of from) {
    length += part.length
    if (length > limit) throw tooLong(limit)
    parts.push(part.slice())
  }
  return concatBytes(parts)
}

/** Content up to this many bytes travels as one array; above, as a stream. 1 MiB. */
export const SMALL_FILE = 1 << 20
