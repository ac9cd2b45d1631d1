/**
 * Parses number literals like C's strtoull and strtod: the longest valid start of a text.
 * Source: GLib, gstrfuncs.c (g_parse_long_long, g_ascii_strtod).
 */

/** A number at the start of a text. */
export interface ReadNumber<T> {
  readonly value: T
  /** Number of characters it has. */
  readonly length: number
  /** Whether C would set ERANGE: the number is too large for the type, or so small that digits were lost. */
  readonly outOfRange: boolean
}

const MOST_U64 = 2n ** 64n - 1n

/** More digits than any 64-bit integer has, also in octal. */
const ENOUGH_DIGITS = 32

/**
 * Parses like strtoull with base 0: decimal, hexadecimal after `0x`, octal after `0`. A sign is allowed; `-` negates
 * modulo 2^64.
 */
export function readInteger(text: string): ReadNumber<bigint> {
  const sign = /^[+-]?/.exec(text)?.[0] ?? ''
  const body = text.slice(sign.length)
  const [prefix = '', digits = ''] = /^(0[xX])([0-9a-fA-F]+)/.exec(body)?.slice(1) ??
    /^(0)([0-7]*)/.exec(body)?.slice(1) ?? ['', /^[0-9]*/.exec(body)?.[0]]
  if (prefix === '' && digits === '') return { value: 0n, length: 0, outOfRange: false }
  const length = sign.length + prefix.length + digits.length
  const radix = prefix === '' ? '' : prefix === '0' ? '0o' : '0x'
  // Longer numbers are out of range anyway. Cut them, because BigInt takes quadratic time.
  const significant = digits.replace(/^0+/, '').slice(0, ENOUGH_DIGITS)
  const value = BigInt(`${radix}${significant || '0'}`)
  if (value > MOST_U64) return { value: MOST_U64, length, outOfRange: true }
  return { value: sign === '-' ? BigInt.asUintN(64, -value) : value, length, outOfRange: false }
}

const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)(?:[pP]([+-]?[0-9]+))?/
const NAMED = /^([+-]?)(?:(inf(?:inity)?)|nan)/i
const LEAST_NORMAL = 2 ** -1022

/** Parses like strtod in the C locale. */
export function readDouble(text: string): ReadNumber<number> {
  const named = NAMED.exec(text)
  if (named !== null) {
    const magnitude = named[2] === undefined ? Number.NaN : Number.POSITIVE_INFINITY
    return { value: named[1] === '-' ? -magnitude : magnitude, length: named[0].length, outOfRange: false }
  }
  const hex = HEXADECIMAL.exec(text)
  if (hex !== null && (hex[2] !== '' || hex[3] !== '')) return readHexDouble(hex)
  const literal = DECIMAL.exec(text)?.[0]
  if (literal === undefined) return { value: 0, length: 0, outOfRange: false }
  const value = Number(literal)
  const size = Math.abs(value)
  const outOfRange = size === Number.POSITIVE_INFINITY || (size < LEAST_NORMAL && size > 0 && !isExact(literal, size))
  return { value, length: literal.length, outOfRange }
}

/** Returns whether a decimal literal is exactly `size`, which is a subnormal double. */
function isExact(literal: string, size: number): boolean {
  const [mantissa = '', exponent = '0'] = literal.replace(/^[+-]/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const scale = fraction.length - Number(exponent)
  const digits = (whole + fraction).replace(/^0+/, '')
  // An exact literal has at most as many digits as 2^-1074, and is not smaller.
  if (scale < 0 || scale > 1100 + digits.length || digits.length > 1100) return false
  const units = BigInt(size / Number.MIN_VALUE)
  return BigInt(digits) * 2n ** 1074n === units * 10n ** BigInt(scale)
}

function readHexDouble(match: RegExpExecArray): ReadNumber<number> {
  const [all, sign, whole = '', fraction = '', power = '0'] = match
  // Of the digits after the 40th, it only matters whether one is not zero.
  const digits = (whole + fraction).replace(/^0+/, '')
  const kept = digits.slice(0, 40)
  const sticky = /[^0]/.test(digits.slice(40)) ? 1n : 0n
  const mantissa = kept === '' ? 0n : (BigInt(`0x${kept}`) << 1n) | sticky
  const exponent = Number(power) - 4 * fraction.length + 4 * (digits.length - kept.length) - 1
  const { value, exact } = roundToDouble(mantissa, exponent)
  return {
    value: sign === '-' ? -value : value,
    length: all.length,
    outOfRange: value === Number.POSITIVE_INFINITY || (value < LEAST_NORMAL && !exact),
  }
}

/** Rounds `mantissa * 2^exponent` to the nearest double, half to even. */
function roundToDouble(mantissa: bigint, exponent: number): { value: number; exact: boolean } {
  if (mantissa === 0n) return { value: 0, exact: true }
  const top = mantissa.toString(2).length + exponent
  if (top > 1024) return { value: Number.POSITIVE_INFINITY, exact: false }
  if (top < -1080) return { value: 0, exact: false }
  const quantum = Math.max(top - 53, -1074)
  const drop = quantum - exponent
  if (drop <= 0) return { value: Number(mantissa << BigInt(-drop)) * 2 ** quantum, exact: true }
  const units = mantissa >> BigInt(drop)
  const rest = mantissa - (units << BigInt(drop))
  const half = 1n << BigInt(drop - 1)
  const up = rest > half || (rest === half && (units & 1n) === 1n)
  return { value: Number(units + (up ? 1n : 0n)) * 2 ** quantum, exact: rest === 0n }
}
