/** Conversion between byte orders. Source: GLib, gvariant-core.c (g_variant_byteswap). */

import { normalForm } from './normal-form.ts'
import { type TypeNode, typeNode } from './type-node.ts'
import { readVariant } from './variant.ts'

/**
 * Converts a value from little-endian to big-endian or back: returns its normal form with the bytes of each number
 * reversed, also inside variants. Offsets in containers are always little-endian.
 * @throws {GVariantTypeError} if `type` is invalid
 * @throws {LimitError} if the normal form would be many times larger than `bytes`
 */
export function byteswap(type: string, bytes: Uint8Array): Uint8Array {
  const normal = normalForm(type, bytes)
  const swapped = normal === bytes ? new Uint8Array(bytes) : normal
  swapAt(typeNode(type), swapped, 0, swapped.length, 0)
  return swapped
}

/** Swaps `bytes[start, end)` in place. They are in normal form apart from the byte order. */
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
