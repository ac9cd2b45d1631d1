/**
 * The expressions of a text. Their types are found in two steps: each expression gives its pattern, from the inside out;
 * when the pattern of the whole has become a type, each gives its value of the type it has there, from the outside in.
 * Source: GLib, gvariant-parser.c.
 */

import { decodeUtf8 } from '../../bytes.ts'
import { codecOf } from '../dynamic.ts'
import { type TypeNode, typeNode } from '../type-node.ts'
import { isBasicType, isObjectPath, isSignature, isTypeString } from '../type-string.ts'
import type { Variant } from '../variant.ts'
import { readDouble, readInteger } from './number.ts'
import { coalesce, defaultType } from './pattern.ts'
import type { TextRange, TokenStream } from './tokens.ts'

/** A parsed expression. */
export interface Expression {
  /** Its place in the text. */
  readonly range: TextRange
  /**
   * Returns the pattern of its type; see `pattern.ts`.
   * @throws {GVariantTextError} if no type fits its parts
   */
  pattern(): string
  /**
   * Returns its value of that type, as the codec `codecOf(type)` takes it.
   * @throws {GVariantTextError} if the type cannot hold the value
   */
  value(type: TypeNode): unknown
}

/**
 * Encodes an expression whose type follows from itself alone.
 * @throws {GVariantTextError} if its type is unknown or cannot hold the value
 */
export function resolve(stream: TokenStream, expression: Expression): Variant {
  const type = defaultType(expression.pattern())
  if (type === undefined) return stream.fail(expression.range, 'unable to infer type')
  // A level of the text can be two levels of the type: `{1:` is `a` and `{`.
  if (!isTypeString(type)) return stream.fail(expression.range, 'variant nested too deeply')
  const node = typeNode(type)
  return { type, bytes: codecOf(node).encode(expression.value(node)) }
}

function typeError(stream: TokenStream, range: TextRange, type: TypeNode): never {
  return stream.fail(range, `can not parse as value of type '${type.type}'`)
}

/** Creates an expression whose value may also be used where a maybe is expected, meaning Just of it, to any depth. */
function implicitJust(range: TextRange, pattern: () => string, plainValue: (type: TypeNode) => unknown): Expression {
  return {
    range,
    pattern: () => `M${pattern()}`,
    value(type) {
      return type.kind === 'm' ? { just: this.value(type.element) } : plainValue(type)
    },
  }
}

/** Returns the pattern that fits all expressions, of which there is at least one. */
function commonPattern(stream: TokenStream, expressions: readonly Expression[]): string {
  let common: string | undefined
  for (const expression of expressions) {
    const pattern = expression.pattern()
    const merged: string | undefined = common === undefined ? pattern : coalesce(common, pattern)
    if (merged === undefined) {
      const other = expressions.find((candidate) => coalesce(pattern, candidate.pattern()) === undefined)
      return stream.fail(other?.range ?? expression.range, 'unable to find a common type', expression.range)
    }
    common = merged
  }
  return common ?? '*'
}

/** Creates the expression `true` or `false`. */
export function booleanExpression(stream: TokenStream, range: TextRange, value: boolean): Expression {
  return implicitJust(
    range,
    () => 'b',
    (type) => (type.kind === 'b' ? value : typeError(stream, range, type)),
  )
}

/** Creates the expression `nothing`, if there is no child, or `just X`. */
export function maybeExpression(stream: TokenStream, range: TextRange, child: Expression | undefined): Expression {
  return {
    range,
    pattern: () => `m${child === undefined ? '*' : child.pattern()}`,
    value(type) {
      if (type.kind !== 'm') return typeError(stream, range, type)
      return child && { just: child.value(type.element) }
    },
  }
}

/** Creates the expression `[X, …]`. */
export function arrayExpression(stream: TokenStream, range: TextRange, children: readonly Expression[]): Expression {
  return implicitJust(
    range,
    () => `a${commonPattern(stream, children)}`,
    (type) => {
      if (type.kind !== 'a') return typeError(stream, range, type)
      const values = children.map((child) => child.value(type.element))
      return type.type === 'ay' ? Uint8Array.from(values as number[]) : values
    },
  )
}

/** Creates the expression `(X, …)`. */
export function tupleExpression(stream: TokenStream, range: TextRange, children: readonly Expression[]): Expression {
  return implicitJust(
    range,
    () => `(${children.map((child) => child.pattern()).join('')})`,
    (type) => {
      if (type.kind !== '(') return typeError(stream, range, type)
      const values = children.map((child, i) => {
        const member = type.members[i]
        return member === undefined ? typeError(stream, range, type) : child.value(member)
      })
      return values.length < type.members.length ? typeError(stream, range, type) : values
    },
  )
}

/** Creates the expression `<X>`. */
export function variantExpression(stream: TokenStream, range: TextRange, child: Expression): Expression {
  return implicitJust(
    range,
    () => 'v',
    (type) => (type.kind === 'v' ? resolve(stream, child) : typeError(stream, range, type)),
  )
}

/** An entry of a dictionary. */
export type EntryExpression = readonly [key: Expression, value: Expression]

/**
 * Creates the expression `{K: V, …}`, or `{K, V}`.
 * @param single whether it is a dict entry `{K, V}`, not a dictionary
 */
export function dictExpression(
  stream: TokenStream,
  range: TextRange,
  entries: readonly EntryExpression[],
  single: boolean,
): Expression {
  function pattern(): string {
    const [first] = entries
    if (first === undefined) return 'a{**}'
    const keys = commonPattern(
      stream,
      entries.map(([key]) => key),
    )
    const key = keys.charAt(keys.startsWith('M') ? 1 : 0)
    if (!isBasicType(key) && key !== 'N' && key !== 'S')
      return stream.fail(range, 'dictionary keys must have basic types')
    return `${single ? '' : 'a'}{${key}${first[1].pattern()}}`
  }

  return implicitJust(range, pattern, (type) => {
    const entry = single ? type : type.kind === 'a' ? type.element : undefined
    const [keyType, valueType] = entry?.kind === '{' ? entry.members : []
    if (keyType === undefined || valueType === undefined) return typeError(stream, range, type)
    const values = entries.map(([key, value]) => [key.value(keyType), value.value(valueType)])
    return single ? values[0] : values
  })
}

/**
 * Creates the expression of a string literal.
 * @param utf8 content of the literal
 * @throws {GVariantTextError} if it is not UTF-8
 */
export function stringExpression(stream: TokenStream, range: TextRange, utf8: Uint8Array): Expression {
  const text = decodeUtf8(utf8) ?? stream.fail(range, 'not valid UTF-8')
  return implicitJust(
    range,
    () => 'S',
    (type) => {
      if (!'sog'.includes(type.kind)) return typeError(stream, range, type)
      if (type.kind === 'o' && !isObjectPath(text)) return stream.fail(range, 'not a valid object path')
      if (type.kind === 'g' && !isSignature(text)) return stream.fail(range, 'not a valid signature')
      return text
    },
  )
}

/**
 * Creates the expression of a byte string literal `b'…'`.
 * @param bytes content of the literal, to which a NUL is added
 */
export function byteStringExpression(stream: TokenStream, range: TextRange, bytes: Uint8Array): Expression {
  return implicitJust(
    range,
    () => 'ay',
    (type) => {
      if (type.type !== 'ay') return typeError(stream, range, type)
      const value = new Uint8Array(bytes.length + 1)
      value.set(bytes)
      return value
    },
  )
}

/** Integer types. */
const INTEGERS: Readonly<Record<string, readonly [signed: boolean, bits: bigint]>> = {
  y: [false, 8n],
  n: [true, 16n],
  q: [false, 16n],
  i: [true, 32n],
  u: [false, 32n],
  h: [true, 32n],
  x: [true, 64n],
  t: [false, 64n],
}

/** Creates the expression of a number literal. */
export function numberExpression(stream: TokenStream, range: TextRange, literal: string): Expression {
  function checkLength(length: number): void {
    const at = range.start + length
    if (length < literal.length) stream.fail({ start: at, end: at + 1 }, 'invalid character in number')
  }

  function double(): number {
    const { value, length, outOfRange } = readDouble(literal)
    if (outOfRange && value !== 0) stream.fail(range, 'number too big for any type')
    checkLength(length)
    return value
  }

  function integer(type: TypeNode): unknown {
    // As in GLib, a minus without digits is 0.
    const skipped = literal.startsWith('-') ? 1 : 0
    const { value: size, length, outOfRange } = readInteger(literal.slice(skipped))
    if (outOfRange) stream.fail(range, 'integer too big for any type')
    checkLength(skipped + length)
    const limits = INTEGERS[type.kind]
    if (limits === undefined) return typeError(stream, range, type)
    const [signed, bits] = limits
    const value = skipped > 0 ? -size : size
    const least = signed ? -(2n ** (bits - 1n)) : 0n
    if (value < least || value >= least + 2n ** bits)
      return stream.fail(range, `number out of range for type '${type.kind}'`)
    return bits === 64n ? value : Number(value)
  }

  const looksDouble =
    literal.includes('.') ||
    (!literal.startsWith('0x') && literal.includes('e')) ||
    literal.includes('inf') ||
    literal.includes('nan')
  return implicitJust(
    range,
    () => (looksDouble ? 'd' : 'N'),
    (type) => (type.kind === 'd' ? double() : integer(type)),
  )
}

/** Creates the expression `@TYPE X` or `keyword X`. Its pattern is the type; the context determines the final type. */
export function typedExpression(range: TextRange, type: string, child: Expression): Expression {
  return { range, pattern: () => type, value: (wanted) => child.value(wanted) }
}
