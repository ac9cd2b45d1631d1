/**
 * Values of keys: escapes, lists, booleans, numbers. All rules are GLib's (gkeyfile.c: g_key_file_parse_value_as_string,
 * parse_string_as_value, parse_value_as_boolean, parse_value_as_integer).
 */

const ESCAPES: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' }

/** Decodes the escapes of a value. Returns `undefined` if one is unknown, or there is a backslash at the end. */
export function unescapeValue(raw: string): string | undefined {
  if (!raw.includes('\\')) return raw
  return unescapePieces(raw, undefined)?.[0]
}

/**
 * Splits a value at `separator`, unless a backslash is before it, and decodes escapes. A separator at the end is ignored:
 * `a;b;` and `a;b` are the same list, and an empty value is an empty list.
 * @returns `undefined` if an escape is invalid
 */
export function parseList(raw: string, separator: string): string[] | undefined {
  const pieces = unescapePieces(raw, separator)
  if (pieces?.at(-1) === '') pieces.pop()
  return pieces
}

function unescapePieces(raw: string, separator: string | undefined): string[] | undefined {
  const pieces: string[] = []
  let piece = ''
  for (let i = 0; i < raw.length; i++) {
    const char = raw.charAt(i)
    if (char === '\\') {
      const escaped = raw.charAt(++i)
      const meaning = ESCAPES[escaped] ?? (escaped === separator ? separator : undefined)
      if (meaning === undefined) return undefined
      piece += meaning
    } else if (char === separator) {
      pieces.push(piece)
      piece = ''
    } else {
      piece += char
    }
  }
  pieces.push(piece)
  return pieces
}

/** Escapes a value. Spaces and tabs are escaped at its start only, where a reader would skip them. */
export function escapeValue(text: string): string {
  return escapePiece(text, undefined)
}

/** Joins escaped items, each followed by `separator`, also the last. */
export function formatList(items: readonly string[], separator: string): string {
  return items.map((item) => escapePiece(item, separator) + separator).join('')
}

function escapePiece(text: string, separator: string | undefined): string {
  let escaped = ''
  let leading = true
  for (const char of text) {
    switch (char) {
      case ' ':
        escaped += leading ? '\\s' : char
        break
      case '\t':
        escaped += leading ? '\\t' : char
        break
      // A line break does not end the start: spaces and tabs after it are escaped too, as in GLib.
      case '\n':
        escaped += '\\n'
        break
      case '\r':
        escaped += '\\r'
        break
      case '\\':
        escaped += '\\\\'
        leading = false
        break
      default:
        escaped += char === separator ? `\\${char}` : char
        leading = char === separator
    }
  }
  return escaped
}

/** Returns whether a character is a space to GLib, which excludes the vertical tab. */
export function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r' || char === '\f'
}

/** Removes spaces at the end. */
export function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && isSpace(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

/** Removes spaces at the start. */
export function trimStart(text: string): string {
  let start = 0
  while (start < text.length && isSpace(text.charAt(start))) start++
  return text.slice(start)
}

/** Parses `true`, `1`, `false` or `0`, after which spaces may follow. Returns `undefined` for other values. */
export function parseBoolean(raw: string): boolean | undefined {
  const word = trimEnd(raw)
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  return undefined
}

/**
 * Parses like GKeyFile with `strtol`: a signed 32-bit decimal number, which must end at a space or the end; anything may
 * follow that, so `3 apples` is 3. A value that starts with a space but has no number is 0.
 * @returns `undefined` for other values
 */
export function parseInteger(raw: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?[0-9]+)(.?)/s.exec(raw)
  const [, digits = '0', next = ''] = match ?? ['', '0', raw[0] ?? 'nothing']
  if (!/^[ \t\n\f\r]?$/.test(next)) return undefined
  const value = Number(digits)
  return value >= -0x80000000 && value <= 0x7fffffff ? value : undefined
}

const UINT64_MAX = (1n << 64n) - 1n

/**
 * Parses like `g_ascii_strtoull`: a decimal number, negated modulo 2^64 after a minus, and the maximum if it is larger.
 * @returns `undefined` if something follows the number, or there is none
 */
export function parseUint64(raw: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)0*([0-9]+)$/.exec(raw)
  if (match === null) return undefined
  const digits = match[2] ?? ''
  if (digits.length > 20) return UINT64_MAX
  const magnitude = BigInt(digits)
  if (magnitude > UINT64_MAX) return UINT64_MAX
  return match[1] === '-' ? BigInt.asUintN(64, -magnitude) : magnitude
}
