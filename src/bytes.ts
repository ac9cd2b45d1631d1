/** Byte arrays and text: hexadecimal, UTF-8, comparison, joining, reading streams. */

declare const brand: unique symbol

/** A SHA-256 as 64 lower-case hex digits, the name of an OSTree object. `parseChecksum` makes one of a string. */
export type Checksum = string & { readonly [brand]: 'Checksum' }

/** A value, or a promise of it where the source is asynchronous. Memory and SQLite stores return values. */
export type MaybePromise<T> = T | Promise<T>

/**
 * The bytes of a file or body: one array, or a stream of chunks in order. The producer of a stream may reuse the memory
 * of a chunk once the next chunk is requested.
 */
export type Content = Uint8Array | AsyncIterable<Uint8Array>

/** An array of length 0. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

const DIGITS = new TextEncoder().encode('0123456789abcdef')
/** Bits of the character codes of hex digits. */
const MASK = 0x7f
/** Value of each hex digit by its character code; -1 for other characters. */
const DIGIT_VALUES = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code | 32)),
)
DIGIT_VALUES.fill(-1, 0, 0x30) // `| 32` maps the codes 0x10..0x19 to digits, too
const ascii = new TextDecoder('latin1')
/** Digits of a checksum, by far the most common length. */
const hexScratch = new Uint8Array(64)

/** Returns two lower-case hex digits for each byte of `bytes[start, end)`. */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const text = end - start === 32 ? hexScratch : new Uint8Array((end - start) * 2)
  for (let i = start, at = 0; i < end; i++, at += 2) {
    const byte = bytes[i] as number
    text[at] = DIGITS[byte >> 4] as number
    text[at + 1] = DIGITS[byte & 15] as number
  }
  // A string made by appending is a chain of pieces, which takes three times as long to hash or compare.
  return ascii.decode(text)
}

/**
 * Decodes hex digits of either case and writes the `text.length / 2` bytes to `into`, from index `at` on.
 * @throws {RangeError} if the length is odd or a character is not a hex digit
 */
export function writeHex(text: string, into: Uint8Array, at: number): void {
  if (text.length % 2 !== 0) throw new RangeError(`hex text of odd length ${text.length}`)
  for (let i = 0, to = at; i < text.length; i += 2, to++) {
    const high = DIGIT_VALUES[text.charCodeAt(i) & MASK] as number
    const low = DIGIT_VALUES[text.charCodeAt(i + 1) & MASK] as number
    if ((high | low) < 0 || ((text.charCodeAt(i) | text.charCodeAt(i + 1)) & ~MASK) !== 0) {
      throw new RangeError(`not hex digits at ${i}: ${JSON.stringify(text.slice(i, i + 2))}`)
    }
    into[to] = (high << 4) | low
  }
}

/**
 * Decodes hex digits of either case.
 * @returns `text.length / 2` bytes
 * @throws {RangeError} if the length is odd or a character is not a hex digit
 */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1)
  writeHex(text, bytes, 0)
  return bytes
}

/** Compares like C's `memcmp`: negative if `a` sorts before `b`, zero if they are equal, positive if it sorts after. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Returns whether both arrays have the same length and content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/**
 * Compares two strings by their UTF-8 bytes, as C's `strcmp` does: negative, zero or positive. JavaScript's `<` compares
 * UTF-16 units, which puts U+10000 and above before U+E000..U+FFFF.
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

/** Joins the parts. The result is always a new array, also for a single part. */
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

/** Joins a relative path and a name in the directory that it leads to; `''` is the directory where the path begins. */
export function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`
}

/** Encodes as UTF-8. A lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Decodes UTF-8, keeping a byte order mark. Returns `undefined` if the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Decodes UTF-8 for display: invalid sequences become U+FFFD. */
export function displayUtf8(bytes: Uint8Array): string {
  return lossyDecoder.decode(bytes)
}

/** A byte that `escapeUtf8` has escaped. With the flag `u`, the second half of a pair does not match. */
const ESCAPED_BYTE = /([\udc80-\udcff])/u

/** Most bytes of a character in UTF-8. */
const LONGEST_CHARACTER = 4

/**
 * Decodes UTF-8 without loss: a byte 0x80 to 0xff that is not part of a valid sequence becomes the lone surrogate U+DC80 to
 * U+DCFF, as in Python's error handler `surrogateescape`. The command prints such text as the bytes.
 */
export function escapeUtf8(bytes: Uint8Array): string {
  const whole = decodeUtf8(bytes)
  if (whole !== undefined) return whole
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    let character: string | undefined
    let length = 1
    for (; length <= LONGEST_CHARACTER && character === undefined; length++) {
      character = decodeUtf8(bytes.subarray(at, at + length))
    }
    text += character ?? String.fromCharCode(0xdc00 + (bytes[at] as number))
    at += character === undefined ? 1 : length - 1
  }
  return text
}

/** Tells whether `escapeUtf8` found bytes that are not UTF-8. */
export function hasEscapedBytes(text: string): boolean {
  return ESCAPED_BYTE.test(text)
}

/** Encodes text of `escapeUtf8` as the bytes that it was made from. */
export function unescapeUtf8(text: string): Uint8Array {
  if (!hasEscapedBytes(text)) return encodeUtf8(text)
  const parts = text.split(ESCAPED_BYTE)
  return concatBytes(
    parts.map((part, at) => (at % 2 === 0 ? encodeUtf8(part) : Uint8Array.of(part.charCodeAt(0) & 0xff))),
  )
}

/**
 * Maps each byte to one UTF-16 unit, different bytes to different units: equal strings are equal bytes. Bytes below 0x80 are
 * ASCII; of the others some become characters of windows-1252, which TextDecoder means by latin1.
 */
export function byteKey(bytes: Uint8Array): string {
  return ascii.decode(bytes)
}

/**
 * Reads a stream to its end. An array is returned as it is, not copied.
 * @param limit bytes
 * @param tooLong makes the error to throw if there are more than `limit` bytes; the default makes a RangeError
 */
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
    parts.push(new Uint8Array(part))
  }
  return concatBytes(parts)
}

/** Returns a view that is a plain `Uint8Array`: `slice` of a `Buffer`, its subclass in Node.js, does not copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Returns a stream of one chunk. */
export async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

/** Files of up to this many bytes (1 MiB) are passed as one array, larger ones as a stream. */
export const SMALL_FILE = 1 << 20
