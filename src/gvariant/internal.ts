/**
 * What other folders of the library use of GVariant, beside the public `index.ts`. No entry point of the package exports
 * these names, so they may change at any time.
 */

export { GHashOrder, GHashSlots, hashByte, STRING_HASH_START, stringHash } from './dict-order.ts'
export { type OffsetWidth, offsetWidth, offsetWidthFor, readOffset, writeOffset } from './framing.ts'
export { TypeNode, typeNode } from './type-node.ts'
