/**
 * Prints values in the text form of GVariant like `g_variant_print`, for `ostree show`, `ls -X` and `summary --raw`.
 * Source: GLib, gvariant.c (g_variant_print_string); the grammar is in the GVariant text format documentation.
 */

import { Budget } from '../budget.ts'
import * as numbers from '../numbers.ts'
import { objectPath, signature, string } from '../strings.ts'
import { type TypeNode, typeNode } from '../type-node.ts'
import { readVariant, type Variant } from '../variant.ts'
import { formatDouble } from './double.ts'

/**
 * Returns the text form of a value.
 * @param annotate whether to add the types that do not follow from the text, as in `uint32 5` or `@as []`
 * @throws {GVariantTypeError} if the type of the value is invalid
 * @throws {LimitError} if the text would be many times longer than the bytes, which happens for crafted bytes only, or
 *   longer than 2^28 characters
 */
export function printVariant(value: Variant, annotate: boolean): string {
  const printer = new Printer(value.bytes)
  printer.print(typeNode(value.type), 0, value.bytes.length, 0, annotate)
  return printer.text()
}

/** Number of characters that a text may always have. */
const LEAST_TEXT = 1 << 24
/** Characters that are allowed in addition for each byte. A byte prints as `0x00, `, or in a string as `\u0001`. */
const TEXT_PER_BYTE = 64
/** Limit on the characters of a text: half of V8's longest string. */
const MOST_TEXT = 1 << 28

/** Keyword and codec of the types that print as a number. */
const NUMBERS: Readonly<Record<string, readonly [keyword: string, codec: typeof numbers.u32 | typeof numbers.u64]>> = {
  n: ['int16 ', numbers.i16],
  q: ['uint16 ', numbers.u16],
  i: ['', numbers.i32],
  u: ['uint32 ', numbers.u32],
  h: ['handle ', numbers.handle],
  x: ['int64 ', numbers.i64],
  t: ['uint64 ', numbers.u64],
}

/** Number of parts that are joined to one string at a time. */
const PARTS_A_CHUNK = 4096

class Printer {
  readonly #bytes: Uint8Array
  readonly #budget: Budget
  /** Joined parts. Joining some at a time is faster than a string of millions of parts. */
  readonly #chunks: string[]
  /** Parts that are not joined yet. */
  readonly #recent: string[]
  #length: number

  constructor(bytes: Uint8Array) {
    const mostText = Math.min(LEAST_TEXT + TEXT_PER_BYTE * bytes.length, MOST_TEXT)
    this.#bytes = bytes
    this.#budget = new Budget('text of a GVariant', bytes.length, mostText)
    this.#chunks = []
    this.#recent = []
    this.#length = 0
  }

  text(): string {
    return this.#chunks.join('') + this.#recent.join('')
  }

  #put(text: string): void {
    this.#length += text.length
    if (this.#recent.push(text) < PARTS_A_CHUNK) return
    this.#chunks.push(this.#recent.join(''))
    this.#recent.length = 0
  }

  print(node: TypeNode, start: number, end: number, depth: number, annotate: boolean): void {
    this.#budget.spend(node.members.length === 0 && node.kind !== 'v' ? end - start : 0, this.#length)
    switch (node.kind) {
      case 'v':
        this.#printVariant(start, end, depth)
        break
      case 'm':
        this.#printMaybe(node, start, end, depth, annotate)
        break
      case 'a':
        this.#printArray(node, start, end, depth, annotate)
        break
      case '(':
      case '{':
        this.#printMembers(node, start, end, depth, annotate)
        break
      default:
        this.#put(printLeaf(node.kind, this.#bytes, start, end, annotate))
    }
  }

  #printVariant(start: number, end: number, depth: number): void {
    const child = readVariant(this.#bytes, start, end, depth)
    this.#put('<')
    this.print(typeNode(child?.type ?? '()'), start, start + (child?.bytes.length ?? 0), depth + 1, true)
    this.#put('>')
  }

  /** Prints a maybe. `just` is needed before a nested `nothing` only. */
  #printMaybe(node: TypeNode, start: number, end: number, depth: number, annotate: boolean): void {
    if (annotate) this.#put(`@${node.type} `)
    let inner = node
    let innerEnd = end
    let justs = 0
    while (inner.kind === 'm') {
      const { element } = inner
      if (start === innerEnd || (element.fixedSize ?? innerEnd - start) !== innerEnd - start) {
        this.#put(`${'just '.repeat(justs)}nothing`)
        return
      }
      if (element.fixedSize === undefined) innerEnd--
      inner = element
      justs++
    }
    this.print(inner, start, innerEnd, depth + justs, false)
  }

  #printArray(node: TypeNode, start: number, end: number, depth: number, annotate: boolean): void {
    const { element } = node
    if (element.kind === 'y') {
      this.#budget.spend(end - start, this.#length)
      const nul = this.#bytes.subarray(start, end).indexOf(0)
      if (nul >= 0 && nul === end - start - 1) {
        this.#put(quoteBytes(this.#bytes.subarray(start, end - 1)))
        return
      }
    }
    const [open, close] = element.kind === '{' ? ['{', '}'] : ['[', ']']
    let count = 0
    node.eachChild(this.#bytes, start, end, (child, from, to) => {
      // The annotation of the first element gives the type of all.
      const first = count++ === 0
      this.#put(first ? open : ', ')
      if (element.kind === '{') this.#printEntry(child, from, to, depth + 1, first && annotate)
      else this.print(child, from, to, depth + 1, first && annotate)
    })
    if (count > 0) this.#put(close)
    else this.#put(`${annotate ? `@${node.type} ` : ''}${open}${close}`)
  }

  /** Prints an entry of a dictionary, without braces, which enclose all entries. */
  #printEntry(node: TypeNode, start: number, end: number, depth: number, annotate: boolean): void {
    this.#budget.spend(0, this.#length)
    node.eachChild(this.#bytes, start, end, (child, from, to, index) => {
      if (index > 0) this.#put(': ')
      this.print(child, from, to, depth + 1, annotate)
    })
  }

  #printMembers(node: TypeNode, start: number, end: number, depth: number, annotate: boolean): void {
    this.#put(node.kind)
    node.eachChild(this.#bytes, start, end, (child, from, to, index) => {
      if (index > 0) this.#put(', ')
      this.print(child, from, to, depth + 1, annotate)
    })
    if (node.kind === '{') this.#put('}')
    else this.#put(node.members.length === 1 ? ',)' : ')')
  }
}

function printLeaf(kind: string, bytes: Uint8Array, start: number, end: number, annotate: boolean): string {
  switch (kind) {
    case 'b':
      return String(numbers.bool.decodeAt(bytes, start, end))
    case 'y':
      return `${annotate ? 'byte ' : ''}0x${numbers.byte.decodeAt(bytes, start, end).toString(16).padStart(2, '0')}`
    case 'd':
      return printDouble(bytes, start, end)
    case 's':
      return quoteString(string.decodeAt(bytes, start, end))
    case 'o':
      return `${annotate ? 'objectpath ' : ''}'${objectPath.decodeAt(bytes, start, end)}'`
    case 'g':
      return `${annotate ? 'signature ' : ''}'${signature.decodeAt(bytes, start, end)}'`
    default: {
      // All other kinds are in the table.
      const [keyword, codec] = NUMBERS[kind] as NonNullable<(typeof NUMBERS)[string]>
      return (annotate ? keyword : '') + codec.decodeAt(bytes, start, end)
    }
  }
}

function printDouble(bytes: Uint8Array, start: number, end: number): string {
  const text = formatDouble(numbers.f64.decodeAt(bytes, start, end))
  // C prints the sign of a NaN, which JavaScript does not keep.
  return text === 'nan' && ((bytes[end - 1] as number) & 0x80) !== 0 ? '-nan' : text
}

/** Characters for which g_unichar_isprint is false: control, format, surrogate and unassigned ones. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}]/gu

const LETTER_ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

function quoteString(text: string): string {
  const quote = text.includes("'") ? '"' : "'"
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll(quote, `\\${quote}`)
    .replace(UNPRINTABLE, (character) => LETTER_ESCAPES[character] ?? escapePoint(character.codePointAt(0) as number))
  return quote + escaped + quote
}

function escapePoint(point: number): string {
  const hex = point.toString(16)
  return point < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

const BYTE_ESCAPES = new Map([
  [0x08, '\\b'],
  [0x0c, '\\f'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x0b, '\\v'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
])

/** Escapes like g_strescape, double quotes always. */
function quoteBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte < 0x20 || byte >= 0x7f || byte === 0x22 || byte === 0x5c)
      text += BYTE_ESCAPES.get(byte) ?? `\\${byte.toString(8).padStart(3, '0')}`
    else text += String.fromCharCode(byte)
  }
  const quote = bytes.includes(0x27) ? '"' : "'"
  return `b${quote}${text}${quote}`
}
