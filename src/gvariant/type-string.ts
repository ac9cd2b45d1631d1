/**
 * Type strings: what a serialised value looks like, in a few ASCII characters.
 *
 *     b y n q i u x t h d s o g v    basic types and the variant
 *     mT  aT  (T…)  {KT}             maybe, array, tuple, dict entry (K is basic, and no variant)
 *
 * Source: GLib, gvarianttype.c (g_variant_type_string_scan), gvarianttypeinfo.c (alignment, fixed size).
 */

import { GVariantTypeError } from './errors.ts'

export type Align = 1 | 2 | 4 | 8

/** How deep types, and values with the variants inside them, may nest. Source: G_VARIANT_MAX_RECURSION_DEPTH. */
export const MAX_DEPTH = 128

export interface TypeMeasure {
  readonly align: Align
  /** Bytes; `undefined` when it varies. */
  readonly fixedSize: number | undefined
  /** Nested types, the type itself included; 0 for `()`. */
  readonly depth: number
}

/** The same for a type that ends at `end`, in the midst of a longer string. */
interface ScannedType extends TypeMeasure {
  readonly end: number
}

const BASIC: Readonly<Record<string, TypeMeasure>> = {
  b: { align: 1, fixedSize: 1, depth: 1 },
  y: { align: 1, fixedSize: 1, depth: 1 },
  n: { align: 2, fixedSize: 2, depth: 1 },
  q: { align: 2, fixedSize: 2, depth: 1 },
  i: { align: 4, fixedSize: 4, depth: 1 },
  u: { align: 4, fixedSize: 4, depth: 1 },
  h: { align: 4, fixedSize: 4, depth: 1 },
  x: { align: 8, fixedSize: 8, depth: 1 },
  t: { align: 8, fixedSize: 8, depth: 1 },
  d: { align: 8, fixedSize: 8, depth: 1 },
  s: { align: 1, fixedSize: undefined, depth: 1 },
  o: { align: 1, fixedSize: undefined, depth: 1 },
  g: { align: 1, fixedSize: undefined, depth: 1 },
}
const VARIANT: TypeMeasure = { align: 8, fixedSize: undefined, depth: 1 }

/** Whether values of the type may be keys of a dictionary. */
export function isBasicType(type: string): boolean {
  return Object.hasOwn(BASIC, type)
}

/** Rounds `offset` up to a multiple of `align`. Right for every safe integer: only the low bits meet bit operators. */
export function padTo(offset: number, align: Align): number {
  return offset + (-offset & (align - 1))
}

/** Layout of a tuple whose members have these measures. */
export function measureTuple(members: readonly TypeMeasure[]): TypeMeasure {
  let align: Align = 1
  let size: number | undefined = 0
  let depth = 0
  for (const member of members) {
    if (member.align > align) align = member.align
    if (member.depth >= depth) depth = member.depth + 1
    if (size !== undefined)
      size = member.fixedSize === undefined ? undefined : padTo(size, member.align) + member.fixedSize
  }
  // The empty tuple takes a byte too, so that an array of them has a length.
  return { align, fixedSize: size === undefined ? undefined : Math.max(1, padTo(size, align)), depth }
}

function scan(text: string, at: number, levels: number): ScannedType | undefined {
  const code = text.charAt(at)
  switch (code) {
    case '(':
    case '{':
      return levels === 0 ? undefined : scanMembers(text, at, levels)
    case 'a':
    case 'm': {
      const element = levels === 0 ? undefined : scan(text, at + 1, levels - 1)
      if (element === undefined) return undefined
      return { align: element.align, fixedSize: undefined, depth: element.depth + 1, end: element.end }
    }
    case 'v':
      return { ...VARIANT, end: at + 1 }
    default: {
      const basic = isBasicType(code) ? BASIC[code] : undefined
      return basic && { ...basic, end: at + 1 }
    }
  }
}

function scanMembers(text: string, at: number, levels: number): ScannedType | undefined {
  const entry = text[at] === '{'
  const close = entry ? '}' : ')'
  const members: TypeMeasure[] = []
  let end = at + 1
  while (text[end] !== close) {
    const member = scan(text, end, levels - 1)
    if (member === undefined) return undefined
    if (entry && members.length === 0 && !isBasicType(text.slice(end, member.end))) return undefined
    members.push(member)
    end = member.end
  }
  if (entry && members.length !== 2) return undefined
  return { ...measureTuple(members), end: end + 1 }
}

/** @returns where the complete type that starts at `at` ends, or -1 when there is none */
export function typeEnd(text: string, at: number): number {
  return scan(text, at, MAX_DEPTH)?.end ?? -1
}

const MOST_REMEMBERED = 256
const LONGEST_REMEMBERED = 255
const remembered = new Map<string, TypeMeasure>()

/** @returns `undefined` unless `text` is one complete type */
export function tryMeasureType(text: string): TypeMeasure | undefined {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const scanned = scan(text, 0, MAX_DEPTH)
  if (scanned === undefined || scanned.end !== text.length) return undefined
  if (text.length <= LONGEST_REMEMBERED) {
    if (remembered.size === MOST_REMEMBERED) remembered.clear()
    remembered.set(text, scanned)
  }
  return scanned
}

/** @throws {GVariantTypeError} unless `text` is one complete type */
export function measureType(text: string): TypeMeasure {
  const measure = tryMeasureType(text)
  if (measure === undefined) throw new GVariantTypeError(text)
  return measure
}

/** Whether `text` is one complete, definite type, such as `a{sv}`. */
export function isTypeString(text: string): boolean {
  return tryMeasureType(text) !== undefined
}

/** Whether `text` is a D-Bus signature: zero or more complete types. */
export function isSignature(text: string): boolean {
  let at = 0
  while (at < text.length) {
    at = typeEnd(text, at)
    if (at < 0) return false
  }
  return true
}

/** Whether `text` is a D-Bus object path: `/`, or elements of `[A-Za-z0-9_]` with a slash before each. */
export function isObjectPath(text: string): boolean {
  return /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/.test(text) && !text.endsWith('\n')
}
