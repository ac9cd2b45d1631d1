/**
 * Converts bytes to normal form, the bytes that encoding their value produces. Any bytes have a value, the one
 * `Codec.decode` returns, and so a normal form.
 * Source: GLib, gvariant.c (g_variant_get_normal_form).
 */

import { Budget } from './budget.ts'
import { isNormal, isNumber, isStringOf } from './is-normal.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { readVariant } from './variant.ts'
import { collect, type Writer } from './writer.ts'

/**
 * Returns the normal form of the value of `bytes`: `bytes` themselves if they are normal, otherwise a new buffer.
 * @throws {GVariantTypeError} if `type` is invalid
 * @throws {LimitError} if it would be many times larger than `bytes`, which happens for crafted bytes only
 */
export function normalForm(type: string, bytes: Uint8Array): Uint8Array {
  return isNormal(type, bytes) ? bytes : rewrite(typeNode(type), bytes)
}

/** Size in bytes that a normal form may always have. */
const LEAST_OUTPUT = 1 << 20
/** Bytes that are allowed in addition for each byte of input. */
const OUTPUT_PER_BYTE = 8

/**
 * Returns the normal form in a new buffer, also if `bytes` are normal.
 * @throws {LimitError} if it would be many times larger than `bytes`, or they have too many values
 */
export function rewrite(node: TypeNode, bytes: Uint8Array): Uint8Array {
  const budget = new Budget('normal form of a GVariant', bytes.length, LEAST_OUTPUT + OUTPUT_PER_BYTE * bytes.length)
  return collect((writer) => writeNormal(node, writer, bytes, 0, bytes.length, 0, budget))
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
  const isLeaf = node.members.length === 0 && node.kind !== 'v'
  budget.spend(isLeaf ? end - start : 0, writer.length)
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
  budget.spend(type.length, writer.length)
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
  if (node.kind === 'a' && isNumber(node.element.kind)) {
    budget.spend(end - start, writer.length)
    if ((end - start) % (node.element.fixedSize ?? 1) === 0) writer.append(bytes.subarray(start, end))
    return
  }
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
  writer.offsets(base, ends, !isArray)
}
