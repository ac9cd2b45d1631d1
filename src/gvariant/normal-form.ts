/**
 * Normal form: the one serialisation that encoding the value would give. Any other bytes still have a value, the one
 * `Codec.decode` gives, and so a normal form.
 * Source: GLib, gvariant-serialiser.c (g_variant_serialised_is_normal, g_variant_serialised_byteswap), gvariant-core.c.
 */

import { Budget } from './budget.ts'
import { offsetWidth, offsetWidthFor, readOffset } from './framing.ts'
import { readString } from './strings.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { isObjectPath, isSignature, MAX_DEPTH, padTo } from './type-string.ts'
import { readVariant } from './variant.ts'
import { collect, type Writer } from './writer.ts'

/**
 * Whether `bytes` are the normal form of a value of the type. Takes time in proportion to their size.
 * @throws {GVariantTypeError}
 */
export function isNormal(type: string, bytes: Uint8Array): boolean {
  return isNormalAt(typeNode(type), bytes, 0, bytes.length, 0)
}

/**
 * The normal form of the value that `bytes` have: `bytes` themselves where they are normal, else a buffer of its own.
 * @throws {GVariantTypeError}
 * @throws {LimitError} it would be many times larger than `bytes`, as only bytes made for that purpose are
 */
export function normalForm(type: string, bytes: Uint8Array): Uint8Array {
  if (isNormal(type, bytes)) return bytes
  const budget = new Budget('Normal form of a GVariant', bytes.length)
  return collect((writer) => writeNormal(typeNode(type), writer, bytes, 0, bytes.length, 0, budget))
}

/**
 * The normal form of the value with each number of more than one byte reversed, also inside variants: little-endian to
 * big-endian and back. Offsets are little-endian in both.
 * @throws {GVariantTypeError}
 * @throws {LimitError} as `normalForm` does
 */
export function byteswap(type: string, bytes: Uint8Array): Uint8Array {
  const normal = normalForm(type, bytes)
  const swapped = normal === bytes ? new Uint8Array(bytes) : normal
  swapAt(typeNode(type), swapped, 0, swapped.length, 0)
  return swapped
}

/** Whether `bytes[start, end)` is a string of that kind: `s`, `o` or `g`. */
export function isStringOf(kind: string, bytes: Uint8Array, start: number, end: number): boolean {
  const text = readString(bytes, start, end)
  if (text === undefined) return false
  return kind === 's' || (kind === 'o' ? isObjectPath(text) : isSignature(text))
}

function isNormalAt(node: TypeNode, bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  if (depth >= MAX_DEPTH) return false
  if (node.fixedSize !== undefined && end - start !== node.fixedSize) return false
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
      if (start === end) return true
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

function isNumber(kind: string): boolean {
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
  if (isNumber(element.kind)) return start === end || depth + 1 < MAX_DEPTH
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
  if (size === 0) return true
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

/** No bytes at all are normal too if every member may be empty, though encoding writes offsets: so says GLib. */
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

function writeNormal(
  node: TypeNode,
  writer: Writer,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  budget: Budget,
): void {
  budget.spend(1 + end - start)
  switch (node.kind) {
    case 'b':
      writer.byte(end - start === 1 && bytes[start] !== 0 ? 1 : 0)
      return
    case 's':
    case 'o':
    case 'g':
      if (isStringOf(node.kind, bytes, start, end)) writer.append(bytes.subarray(start, end))
      else {
        if (node.kind === 'o') writer.byte(0x2f)
        writer.byte(0)
      }
      return
    case 'v':
      writeNormalVariant(writer, bytes, start, end, depth, budget)
      return
    case 'm': {
      const { element } = node
      if (start === end || (element.fixedSize ?? end - start) !== end - start) return
      const framed = element.fixedSize === undefined
      writeNormal(element, writer, bytes, start, framed ? end - 1 : end, depth + 1, budget)
      if (framed) writer.byte(0)
      return
    }
    case 'a':
    case '(':
    case '{':
      writeNormalChildren(node, writer, bytes, start, end, depth, budget)
      return
    default: {
      const at = writer.reserve(node.fixedSize ?? 0)
      if (end - start === node.fixedSize) writer.bytes.set(bytes.subarray(start, end), at)
      else writer.bytes.fill(0, at, writer.length)
    }
  }
}

function writeNormalVariant(
  writer: Writer,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  budget: Budget,
): void {
  const child = readVariant(bytes, start, end, depth)
  const type = child?.type ?? '()'
  writeNormal(typeNode(type), writer, bytes, start, start + (child?.bytes.length ?? 0), depth + 1, budget)
  writer.byte(0)
  for (let i = 0; i < type.length; i++) writer.byte(type.charCodeAt(i))
}

function writeNormalChildren(
  node: TypeNode,
  writer: Writer,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  budget: Budget,
): void {
  const base = writer.length
  const ends: number[] = []
  const isArray = node.kind === 'a'
  const last = node.members.length - 1
  node.eachChild(bytes, start, end, (child, from, to, index) => {
    writer.pad(child.align)
    writeNormal(child, writer, bytes, from, to, depth + 1, budget)
    if (child.fixedSize === undefined && (isArray || index < last)) ends.push(writer.length - base)
  })
  if (node.fixedSize !== undefined) while (writer.length < base + node.fixedSize) writer.byte(0)
  budget.spend(ends.length)
  writer.offsets(base, ends, !isArray)
}

/** Swaps in place; `bytes[start, end)` are normal but for the byte order of their numbers. */
function swapAt(node: TypeNode, bytes: Uint8Array, start: number, end: number, depth: number): void {
  switch (node.kind) {
    case 'v': {
      const child = readVariant(bytes, start, end, depth)
      if (child !== undefined) swapAt(typeNode(child.type), bytes, start, start + child.bytes.length, depth + 1)
      return
    }
    case 'm': {
      const { element } = node
      if (start < end) swapAt(element, bytes, start, element.fixedSize === undefined ? end - 1 : end, depth + 1)
      return
    }
    case 'a':
    case '(':
    case '{':
      if (node.align > 1)
        node.eachChild(bytes, start, end, (child, from, to) => swapAt(child, bytes, from, to, depth + 1))
      return
    default:
      if (node.align > 1) bytes.subarray(start, end).reverse()
  }
}
