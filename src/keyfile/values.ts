/**
 * What stands right of the `=`: escapes, lists, booleans, numbers. Every rule, the odd ones included, is GLib's
 * (gkeyfile.c: g_key_file_parse_value_as_string, parse_string_as_value, parse_value_as_boolean, parse_value_as_integer).
 */

const ESCAPES: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' }

/** `undefined`: an unknown escape, or a backslash at the end. */
export function unescapeValue(raw: string): string | undefined {
  if (!raw.includes('\\')) return raw
  return unescapePieces(raw, undefined)?.[0]
}

/**
 * Splits at `separator` where no backslash stands before it. What follows the last separator counts only when it is not
 * empty: `a;b;` and `a;b` are the same list, and an empty value is the empty list.
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

/** Spaces and tabs are escaped only where a reader would skip them: at the start of the value. */
export function escapeValue(text: string): string {
  return escapePiece(text, undefined)
}

/** Every item is followed by `separator`, the last one too; inside an item it is escaped. */
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
      // a line break does not end the leading part: the blanks behind it are escaped too
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

/** `\v` is no space to GLib. */
export function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r' || char === '\f'
}

export function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && isSpace(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

export function trimStart(text: string): string {
  let start = 0
  while (start < text.length && isSpace(text.charAt(start))) start++
  return text.slice(start)
}

/** `true`, `1`, `false`, `0`, spaces behind allowed; `undefined` for anything else. */
export function parseBoolean(raw: string): boolean | undefined {
  const word = trimEnd(raw)
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  return undefined
}

/**
 * As `strtol` reads it, so anything may follow a space: `3 apples` is 3. Where it finds no number it stops at the start,
 * and if that is a space all is well with GKeyFile: 0.
 */
export function parseInteger(raw: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?[0-9]+)(.?)/s.exec(raw)
  const [, digits = '0', next = ''] = match ?? ['', '0', raw[0] ?? 'nothing']
  if (!/^[ \t\n\f\r]?$/.test(next)) return undefined
  const value = Number(digits)
  return value >= -0x80000000 && value <= 0x7fffffff ? value : undefined
}

const UINT64_MAX = (1n << 64n) - 1n

/** As `g_ascii_strtoull` reads it: a minus sign wraps around, too much is the greatest, nothing may follow. */
export function parseUint64(raw: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)0*([0-9]+)$/.exec(raw)
  if (match === null) return undefined
  const digits = match[2] ?? ''
  if (digits.length > 20) return UINT64_MAX
  const magnitude = BigInt(digits)
  if (magnitude > UINT64_MAX) return UINT64_MAX
  return match[1] === '-' ? BigInt.asUintN(64, -magnitude) : magnitude
}
