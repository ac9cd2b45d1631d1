/** Values in the other byte order. Source: GLib, gvariant-core.c (g_variant_byteswap). */

import { normalForm } from './normal-form.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { readVariant } from './variant.ts'

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

/** Swaps in place; `bytes[start, end)` are normal but for the byte order of their numbers. */
function swapAt(node: TypeNode, bytes: Uint8Array, start: number, end: number, depth: number): void {
  if (start === end) return
  switch (node.kind) {
    case 'v': {
      const child = readVariant(bytes, start, end, depth)
      if (child !== undefined) swapAt(typeNode(child.type), bytes, start, start + child.bytes.length, depth + 1)
      return
    }
    case 'm': {
      const { element } = node
      swapAt(element, bytes, start, element.fixedSize === undefined ? end - 1 : end, depth + 1)
      return
    }
    case 'a':
    case '(':
    case '{':
      if (node.align > 1)
        node.eachChild(bytes, start, end, (child, from, to) => swapAt(child, bytes, from, to, depth + 1))
      return
    case 's':
    case 'o':
    case 'g':
      return
    default:
      for (let low = start, high = end - 1; low < high; low++, high--) {
        const byte = bytes[low] as number
        bytes[low] = bytes[high] as number
        bytes[high] = byte
      }
  }
}
