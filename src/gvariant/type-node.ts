/** A type string taken apart, for values whose type is known only at run time. */

import { GVariantTypeError } from './errors.ts'
import { eachElement, TupleLayout } from './framing.ts'
import { type Align, measureType, tryMeasureType, typeEnd } from './type-string.ts'

/** A type, and those it is made of: none, one for arrays and maybes, the members of tuples and dict entries. */
export class TypeNode {
  readonly type: string
  /** Its first character: one of `bynqiuxthdsogvma({`. */
  readonly kind: string
  readonly align: Align
  readonly fixedSize: number | undefined
  readonly members: readonly TypeNode[]
  readonly layout: TupleLayout | undefined
  /**
   * Levels of values in the one that no bytes at all are the normal form of: an array or maybe without elements, or a
   * tuple of such. Infinite when every value takes bytes.
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

  /** Of an array or a maybe. */
  get element(): TypeNode {
    return this.members[0] as TypeNode
  }

  /** Visits where the children of the array, tuple or dict entry in `bytes[start, end)` lie, in order. */
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

const MOST_REMEMBERED = 256
const LONGEST_REMEMBERED = 255
const remembered = new Map<string, TypeNode>()

/** @throws {GVariantTypeError} unless `type` is one complete type */
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
