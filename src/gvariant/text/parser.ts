/**
 * Parses the text form of GVariant like `g_variant_parse`, with the same ranges and words in errors. The options
 * `--add-metadata` of `commit` and `summary` take such text.
 * Source: GLib, gvariant-parser.c; the grammar is in the GVariant text format documentation.
 */

import { codecOf } from '../dynamic.ts'
import { typeNode } from '../type-node.ts'
import { isTypeString, MAX_VARIANT_DEPTH, measureType } from '../type-string.ts'
import type { Variant } from '../variant.ts'
import * as make from './expressions.ts'
import { unquoteBytes, unquoteString } from './string.ts'
import { TokenStream } from './tokens.ts'

/**
 * Parses a text, such as `{'key': <uint32 5>}`, and encodes its value.
 * @param type type string of the value; needed for texts such as `[]`, whose type is ambiguous
 * @throws {GVariantTextError} if the text is malformed, ambiguous, or not of that type; its message is `RANGE:MESSAGE`
 * @throws {GVariantTypeError} if `type` is not a type string
 */
export function parseVariantText(text: string, type?: string): Variant {
  const stream = new TokenStream(text)
  const expression = parseValue(stream, MAX_VARIANT_DEPTH)
  let value: Variant
  if (type === undefined) value = make.resolve(stream, expression)
  else {
    const node = typeNode(type)
    value = { type, bytes: codecOf(node).encode(expression.value(node)) }
  }
  stream.requireEnd()
  return value
}

const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  handle: 'h',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
}

/**
 * Parses an expression.
 * @param levels nesting depth that is still allowed
 */
function parseValue(stream: TokenStream, levels: number): make.Expression {
  const { start } = stream.current
  const range = () => ({ start, end: stream.position })
  if (levels === 0) stream.fail(start, 'variant nested too deeply')

  if (stream.consume('[')) {
    const children = parseElements(stream, levels)
    return make.arrayExpression(stream, range(), children)
  }
  if (stream.consume('(')) {
    const children = parseTuple(stream, levels)
    return make.tupleExpression(stream, range(), children)
  }
  if (stream.consume('<')) {
    const child = parseValue(stream, levels - 1)
    stream.require('>', 'to follow variant value')
    return make.variantExpression(stream, range(), child)
  }
  if (stream.consume('{')) {
    const { entries, single } = parseDict(stream, levels)
    return make.dictExpression(stream, range(), entries, single)
  }
  if (stream.consume('true')) return make.booleanExpression(stream, range(), true)
  if (stream.consume('false')) return make.booleanExpression(stream, range(), false)
  if (stream.beginsWith('0123456789+-.') || stream.is('inf') || stream.is('nan')) {
    const literal = stream.currentText
    stream.next()
    return make.numberExpression(stream, range(), literal)
  }
  if (stream.beginsWith('nj')) {
    if (stream.consume('nothing')) return make.maybeExpression(stream, range(), undefined)
    if (!stream.consume('just')) stream.fail(stream.current, 'unknown keyword')
    const child = parseValue(stream, levels - 1)
    return make.maybeExpression(stream, range(), child)
  }
  if (stream.beginsWith('\'"')) {
    const utf8 = unquoteString(stream, stream.current)
    stream.next()
    return make.stringExpression(stream, range(), utf8)
  }
  if (stream.beginsWith('b') && stream.secondIs('\'"')) {
    const bytes = unquoteBytes(stream, stream.current)
    stream.next()
    return make.byteStringExpression(stream, range(), bytes)
  }
  if (stream.beginsWith('@') || /^[A-Za-z]{2}/.test(stream.currentText)) {
    const type = parseType(stream, levels)
    const child = parseValue(stream, levels - 1)
    return make.typedExpression(range(), type, child)
  }
  return stream.fail(start, 'expected value')
}

function parseType(stream: TokenStream, levels: number): string {
  const token = stream.currentText
  if (!token.startsWith('@')) {
    const type = Object.hasOwn(KEYWORDS, token) ? KEYWORDS[token] : undefined
    if (type === undefined) return stream.fail(stream.current, 'unknown keyword')
    stream.next()
    return type
  }
  const type = token.slice(1)
  if (!isTypeString(type)) {
    // `*`, `?` and `r` are wildcards for any type, any basic type and any tuple.
    const definite = type.replaceAll(/[*?]/g, 'y').replaceAll('r', '()')
    const problem = isTypeString(definite) ? 'type declarations must be definite' : 'invalid type declaration'
    stream.fail(stream.current, problem)
  }
  if (measureType(type).depth > levels) stream.fail(stream.current, 'type declaration recurses too deeply')
  stream.next()
  return type
}

function parseElements(stream: TokenStream, levels: number): make.Expression[] {
  const elements: make.Expression[] = []
  while (!stream.consume(']')) {
    if (elements.length > 0) stream.require(',', "or ']' to follow array element")
    elements.push(parseValue(stream, levels - 1))
  }
  return elements
}

function parseTuple(stream: TokenStream, levels: number): make.Expression[] {
  const members: make.Expression[] = []
  while (!stream.consume(')')) {
    if (members.length > 1) stream.require(',', "or ')' to follow tuple element")
    members.push(parseValue(stream, levels - 1))
    // A comma is required after the first member, so that a tuple of one differs from parentheses.
    if (members.length === 1) stream.require(',', 'after first tuple element')
  }
  return members
}

function parseDict(stream: TokenStream, levels: number): { entries: make.EntryExpression[]; single: boolean } {
  const entries: make.EntryExpression[] = []
  if (stream.consume('}')) return { entries, single: false }
  const key = parseValue(stream, levels - 1)
  const single = stream.consume(',')
  if (!single) stream.require(':', "or ',' to follow dictionary entry key")
  entries.push([key, parseValue(stream, levels - 1)])
  if (single) {
    stream.require('}', 'at end of dictionary entry')
    return { entries, single }
  }
  while (!stream.consume('}')) {
    stream.require(',', "or '}' to follow dictionary entry")
    const nextKey = parseValue(stream, levels - 1)
    stream.require(':', 'to follow dictionary entry key')
    entries.push([nextKey, parseValue(stream, levels - 1)])
  }
  return { entries, single }
}
