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
export const MAX_VARIANT_DEPTH = 128

/**
 * Longest type string taken for one, in characters. GLib has no such ceiling; a variant names its own type, so without
 * one a few hostile bytes would have us build a tree of any size.
 */
export const MAX_VARIANT_TYPE_LENGTH = 65_536

/** How much room values of a type take. */
export interface Extent {
  readonly align: Align
  /** Bytes; `undefined` when it varies. */
  readonly fixedSize: number | undefined
}

export interface TypeMeasure extends Extent {
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

/** Of a tuple, before its first member. */
const NO_MEMBERS: TypeMeasure = { align: 1, fixedSize: 0, depth: 0 }

/** The `as`: the larger of two alignments is one. */
function addMember(tuple: TypeMeasure, member: TypeMeasure): TypeMeasure {
  const fixed = tuple.fixedSize !== undefined && member.fixedSize !== undefined
  return {
    align: Math.max(member.align, tuple.align) as Align,
    fixedSize: fixed ? padTo(tuple.fixedSize, member.align) + member.fixedSize : undefined,
    depth: Math.max(tuple.depth, member.depth + 1),
  }
}

function closeTuple(tuple: TypeMeasure): TypeMeasure {
  if (tuple.fixedSize === undefined) return tuple
  // The empty tuple takes a byte too, so that an array of them has a length.
  return { ...tuple, fixedSize: Math.max(1, padTo(tuple.fixedSize, tuple.align)) }
}

function scan(text: string, at: number, levels: number): ScannedType | undefined {
  const code = text.charAt(at)
  switch (code) {
    case '(':
    case '{':
      return scanMembers(text, at, levels)
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
  let measure = NO_MEMBERS
  let count = 0
  let end = at + 1
  while (text[end] !== close) {
    // Asked only here: `()` itself may stand one level deeper than any other container.
    const member = levels === 0 ? undefined : scan(text, end, levels - 1)
    if (member === undefined) return undefined
    if (entry && count === 0 && !isBasicType(text.slice(end, member.end))) return undefined
    measure = addMember(measure, member)
    count++
    end = member.end
  }
  if (entry && count !== 2) return undefined
  return { ...closeTuple(measure), end: end + 1 }
}

/** @returns where the complete type that starts at `at` ends, or -1 when there is none */
export function typeEnd(text: string, at: number): number {
  return scan(text, at, MAX_VARIANT_DEPTH)?.end ?? -1
}

const MOST_REMEMBERED = 256
const LONGEST_REMEMBERED = 255
const remembered = new Map<string, TypeMeasure>()

/** @returns `undefined` unless `text` is one complete type */
export function tryMeasureType(text: string): TypeMeasure | undefined {
  const known = remembered.get(text)
  if (known !== undefined) return known
  if (text.length > MAX_VARIANT_TYPE_LENGTH) return undefined
  const scanned = scan(text, 0, MAX_VARIANT_DEPTH)
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
