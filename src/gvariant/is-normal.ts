/**
 * Tells whether bytes are in normal form: exactly those that encoding their value produces.
 * Source: GLib, gvariant-serialiser.c (g_variant_serialised_is_normal).
 */

import { offsetWidth, offsetWidthFor, readOffset } from './framing.ts'
import { readString } from './strings.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { isObjectPath, isSignature, MAX_VARIANT_DEPTH, padTo } from './type-string.ts'
import { readVariant } from './variant.ts'

/**
 * Returns whether `bytes` are the normal form of a value of `type`. The time is proportional to their size and the depth
 * of the type. As in GLib, zero bytes are normal for a tuple whose members may all be empty, though encoding such a tuple
 * writes offsets.
 * @throws {GVariantTypeError} if `type` is invalid
 */
export function isNormal(type: string, bytes: Uint8Array): boolean {
  return isNormalAt(typeNode(type), bytes, 0, bytes.length, 0)
}

/** Returns whether `bytes[start, end)` is a valid string of `kind`: `s`, `o` or `g`. */
export function isStringOf(kind: string, bytes: Uint8Array, start: number, end: number): boolean {
  const text = readString(bytes, start, end)
  if (text === undefined) return false
  return kind === 's' || (kind === 'o' ? isObjectPath(text) : isSignature(text))
}

function isNormalAt(node: TypeNode, bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  if (depth >= MAX_VARIANT_DEPTH) return false
  if (node.fixedSize !== undefined && end - start !== node.fixedSize) return false
  // Answered without recursion, because each byte of an offset table can claim an empty child of any depth.
  if (start === end) return depth + node.emptyLevels <= MAX_VARIANT_DEPTH
  switch (node.kind) {
    case 'b':
      return (bytes[start] as number) <= 1
    case 's':
    case 'o':
    case 'g':
      return isStringOf(node.kind, bytes, start, end)
    case 'v': {
      const child = readVariant(bytes, start, end, depth)
      if (child === undefined) return false
      return isNormalAt(typeNode(child.type), bytes, start, start + child.bytes.length, depth + 1)
    }
    case 'm':
      if (node.element.fixedSize !== undefined) return isNormalAt(node.element, bytes, start, end, depth + 1)
      return bytes[end - 1] === 0 && isNormalAt(node.element, bytes, start, end - 1, depth + 1)
    case 'a':
      return node.element.fixedSize === undefined
        ? isNormalVariableArray(node.element, bytes, start, end, depth)
        : isNormalFixedArray(node.element, node.element.fixedSize, bytes, start, end, depth)
    case '(':
    case '{':
      return isNormalTuple(node, bytes, start, end, depth)
    default:
      return true
  }
}

/** Returns whether `kind` is a number type of fixed size, for which all bytes are normal. */
export function isNumber(kind: string): boolean {
  return 'ynqiuxthd'.includes(kind)
}

function isNormalFixedArray(
  element: TypeNode,
  stride: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
): boolean {
  if ((end - start) % stride !== 0) return false
  if (isNumber(element.kind)) return start === end || depth + 1 < MAX_VARIANT_DEPTH
  for (let at = start; at < end; at += stride) if (!isNormalAt(element, bytes, at, at + stride, depth + 1)) return false
  return true
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

function isNormalVariableArray(
  element: TypeNode,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
): boolean {
  const size = end - start
  const width = offsetWidth(size)
  const body = readOffset(bytes, end - width, width)
  const count = (size - body) / width
  if (body >= size || !Number.isInteger(count) || width !== offsetWidthFor(body, count)) return false
  let at = 0
  for (let i = 0; i < count; i++) {
    const to = readOffset(bytes, start + body + i * width, width)
    const from = padTo(at, element.align)
    if (from > to || to > body || !isZero(bytes, start + at, start + from)) return false
    if (!isNormalAt(element, bytes, start + from, start + to, depth + 1)) return false
    at = to
  }
  return true
}

function isNormalTuple(node: TypeNode, bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  const { members } = node
  const size = end - start
  const width = offsetWidth(size)
  let table = size
  let at = 0
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as TypeNode
    const from = padTo(at, member.align)
    let to: number
    if (member.fixedSize !== undefined) to = from + member.fixedSize
    else if (i === members.length - 1) to = table
    else {
      table -= width
      if (table < from) return false
      to = readOffset(bytes, start + table, width)
    }
    if (from > to || to > table || !isZero(bytes, start + at, start + from)) return false
    if (!isNormalAt(member, bytes, start + from, start + to, depth + 1)) return false
    at = to
  }
  if (node.fixedSize !== undefined) return isZero(bytes, start + at, end)
  return at === table && (table === size || width === offsetWidthFor(table, (size - table) / width))
}
