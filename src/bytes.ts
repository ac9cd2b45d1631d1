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

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** @returns two lower-case hex digits a byte */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i] as number]
  return text
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10
  if (code >= 0x41 && code <= 0x46) return code - 0x41 + 10
  return -1
}

/** @throws {RangeError} on an odd length or a character that is no hex digit */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new RangeError(`hex text of odd length ${text.length}`)
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(text.charCodeAt(2 * i))
    const low = hexDigit(text.charCodeAt(2 * i + 1))
    if (high < 0 || low < 0)
      throw new RangeError(`no hex digits at ${2 * i}: ${JSON.stringify(text.slice(2 * i, 2 * i + 2))}`)
    bytes[i] = (high << 4) | low
  }
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
