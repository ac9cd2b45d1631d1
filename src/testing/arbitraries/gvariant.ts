/** fast-check generators of GVariant types, and of values of a type known only at run time. */

import fc from 'fast-check'
import { codecFor, type Variant } from '../../gvariant/index.ts'
import { type TypeNode, typeNode } from '../../gvariant/internal.ts'
import { printContent, printedAs, printValue } from '../printing.ts'

const BASIC_TYPES = [...'bynqiuxthdsog']

/** Generates any type string; containers nest up to four levels. */
export function variantType(): fc.Arbitrary<string> {
  const { type } = fc.letrec<{ type: string; container: string; basic: string }>((tie) => ({
    basic: fc.constantFrom(...BASIC_TYPES),
    type: fc.oneof({ maxDepth: 4, depthIdentifier: 'variantType' }, fc.constantFrom(...BASIC_TYPES, 'v'), {
      arbitrary: tie('container'),
      weight: 2,
    }),
    container: fc.oneof(
      fc.tuple(fc.constantFrom('a', 'm'), tie('type')).map(([prefix, element]) => prefix + element),
      fc.array(tie('type'), { maxLength: 4, depthIdentifier: 'variantType' }).map((members) => `(${members.join('')})`),
      fc
        .tuple(fc.constantFrom('', 'a'), tie('basic'), tie('type'))
        .map(([prefix, key, value]) => `${prefix}{${key}${value}}`),
    ),
  }))
  return type
}

const string = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', ' '))

const objectPath = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_]{1,4}$/), { maxLength: 3 })
  .map((elements) => `/${elements.join('/')}`)

const signature = fc.array(fc.constantFrom('s', 'ay', 'a{sv}', '(iu)', 'mx', 'v'), { maxLength: 3 })

const LEAVES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  b: fc.boolean(),
  y: fc.integer({ min: 0, max: 0xff }),
  n: fc.integer({ min: -0x8000, max: 0x7fff }),
  q: fc.integer({ min: 0, max: 0xffff }),
  i: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  u: fc.integer({ min: 0, max: 0xffff_ffff }),
  h: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  x: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  t: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  d: fc.double(),
  s: string,
  o: objectPath,
  g: signature.map((types) => types.join('')),
}

/**
 * Returns the most elements of a generated array: fewer if they vary in size, as the sizes of nested arrays multiply.
 */
function sizes(node: TypeNode): number {
  return node.fixedSize === undefined ? 3 : 6
}

function nodeValue(node: TypeNode, levels: number): fc.Arbitrary<unknown> {
  const leaf = LEAVES[node.kind]
  if (leaf !== undefined) return leaf
  switch (node.kind) {
    case 'v':
      return levels > 0 ? anyVariant(levels - 1) : fc.constant<Variant>({ type: '()', bytes: new Uint8Array(1) })
    case 'm':
      return fc.option(
        nodeValue(node.element, levels).map((just) => ({ just })),
        { nil: undefined },
      )
    case 'a':
      if (node.type === 'ay') return fc.uint8Array({ maxLength: 12 })
      return fc.array(nodeValue(node.element, levels), { maxLength: sizes(node.element) })
    default:
      return fc.tuple(...node.members.map((member) => nodeValue(member, levels)))
  }
}

/** Generates a value of any type. @param levels of variants in variants; default 2 */
export function anyVariant(levels = 2): fc.Arbitrary<Variant> {
  return variantType().chain((type) =>
    nodeValue(typeNode(type), levels).map((value) =>
      printedAs<Variant>({ type, bytes: codecFor(type).encode(value) }, printValue),
    ),
  )
}

/**
 * Generates values as `codecFor(type)` decodes them; variants in them are in normal form. Those that are objects print in
 * the text form of GVariant.
 */
export function valueOfType(type: string): fc.Arbitrary<unknown> {
  const codec = codecFor(type)
  return nodeValue(typeNode(type), 2).map((value) =>
    typeof value === 'object' && value !== null
      ? printedAs(value, () => printValue({ type, bytes: codec.encode(value) }))
      : value,
  )
}

/** Generates bytes to decode as a type: some in normal form, most with a few edits to such a form, some arbitrary. */
export function bytesForType(type: string): fc.Arbitrary<Uint8Array> {
  const codec = codecFor(type)
  const normal = valueOfType(type).map((value) => codec.encode(value))
  const edit = fc.tuple(fc.nat(), fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 255 })), fc.constantFrom(0, 1, 2))
  const edited = fc.tuple(normal, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
    const list = [...bytes]
    for (const [place, byte, removed] of edits) list.splice(place % (list.length + 1), removed, byte)
    return Uint8Array.from(list)
  })
  return fc
    .oneof(normal, { arbitrary: edited, weight: 3 }, fc.uint8Array({ maxLength: 32 }))
    .map((bytes) => printedAs(bytes, () => `${bytes.length} bytes as ${type}: ${printContent(bytes)}`))
}
