/** Parsed type strings, for values whose type is known only at run time. */

import { GVariantTypeError } from './errors.ts'
import { eachElement, TupleLayout } from './framing.ts'
import { type Align, measureType, tryMeasureType, typeEnd } from './type-string.ts'

/** A type and the types it consists of. */
export class TypeNode {
  /** Type string. */
  readonly type: string
  /** First character of the type string: one of `bynqiuxthdsogvma({`. */
  readonly kind: string
  /** Alignment in bytes. */
  readonly align: Align
  /** Size of every value in bytes; `undefined` if it varies. */
  readonly fixedSize: number | undefined
  /** The element type of an array or maybe, or the member types of a tuple or dict entry. */
  readonly members: readonly TypeNode[]
  /** Layout of a tuple or dict entry; `undefined` for other types. */
  readonly layout: TupleLayout | undefined
  /**
   * Nesting depth of the value whose normal form is zero bytes: an array or maybe without elements, or a tuple of these.
   * Infinite if every value takes bytes.
   */
  readonly emptyLevels: number

  constructor(type: string, members: readonly TypeNode[]) {
    const measure = measureType(type)
    this.type = type
    this.kind = type.charAt(0)
    this.align = measure.align
    this.fixedSize = measure.fixedSize
    this.members = members
    const isTuple = this.kind === '(' || this.kind === '{'
    this.layout = isTuple ? new TupleLayout(members, measure.fixedSize) : undefined
    if (this.kind === 'a' || this.kind === 'm') this.emptyLevels = 1
    else if (!isTuple || measure.fixedSize !== undefined) this.emptyLevels = Number.POSITIVE_INFINITY
    else this.emptyLevels = members.reduce((most, member) => Math.max(most, 1 + member.emptyLevels), 1)
  }

  /** The element type of an array or maybe. */
  get element(): TypeNode {
    return this.members[0] as TypeNode
  }

  /** Calls `visit` with the start and end of each child of the array, tuple or dict entry in `bytes[start, end)`. */
  eachChild(
    bytes: Uint8Array,
    start: number,
    end: number,
    visit: (child: TypeNode, start: number, end: number, index: number) => void,
  ): void {
    const { layout, members } = this
    if (layout === undefined) {
      const element = this.element
      let index = 0
      eachElement(bytes, start, end, element, (from, to) => visit(element, from, to, index++))
      return
    }
    const spans = layout.locate(bytes, start, end)
    members.forEach((member, i) => {
      visit(member, spans[2 * i] as number, spans[2 * i + 1] as number, i)
    })
  }
}

function build(type: string): TypeNode {
  const members: TypeNode[] = []
  const kind = type.charAt(0)
  if (kind === 'a' || kind === 'm') members.push(build(type.slice(1)))
  else if (kind === '(' || kind === '{') {
    for (let at = 1; at < type.length - 1; ) {
      const end = typeEnd(type, at)
      members.push(typeNode(type.slice(at, end)))
      at = end
    }
  }
  return new TypeNode(type, members)
}

/** Number of types that are cached. */
const MOST_REMEMBERED = 256
/** Longest type string that is cached, in characters. */
const LONGEST_REMEMBERED = 255
const remembered = new Map<string, TypeNode>()

/**
 * Parses a type string.
 * @throws {GVariantTypeError} if `type` is not a single complete type
 */
export function typeNode(type: string): TypeNode {
  const known = remembered.get(type)
  if (known !== undefined) return known
  if (tryMeasureType(type) === undefined) throw new GVariantTypeError(type)
  const node = build(type)
  if (type.length <= LONGEST_REMEMBERED) {
    if (remembered.size >= MOST_REMEMBERED) remembered.clear()
    remembered.set(type, node)
  }
  return node
}
