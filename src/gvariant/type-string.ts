/**
 * Type strings, which describe the types of values in ASCII.
 *
 *     b y n q i u x t h d s o g v    basic types and the variant
 *     mT  aT  (T…)  {KT}             maybe, array, tuple, dict entry (K is a basic type)
 *
 * Source: GLib, gvarianttype.c (g_variant_type_string_scan), gvarianttypeinfo.c (alignment, fixed size).
 */

import { GVariantTypeError } from './errors.ts'

/** An alignment in bytes. */
export type Align = 1 | 2 | 4 | 8

/** Limit on the nesting depth of types, and of values with the variants in them. Source: G_VARIANT_MAX_RECURSION_DEPTH. */
export const MAX_VARIANT_DEPTH = 128

/**
 * Limit on the length of a type string in characters. GLib has none, but variants contain their type strings, so without
 * a limit hostile bytes could make us build huge trees of types.
 */
export const MAX_VARIANT_TYPE_LENGTH = 65_536

/** Alignment and size of a type's values. */
export interface Extent {
  /** Alignment in bytes. */
  readonly align: Align
  /** Size of every value in bytes; `undefined` if it varies. */
  readonly fixedSize: number | undefined
}

/** Alignment, size and depth of a type. */
export interface TypeMeasure extends Extent {
  /** Nesting depth: 1 for a basic type, 0 for `()`. */
  readonly depth: number
}

/** A type in a string, and the index after it. */
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

/** Returns whether `type` is a basic type, whose values may be keys of a dictionary. */
export function isBasicType(type: string): boolean {
  return Object.hasOwn(BASIC, type)
}

/** Rounds `offset` up to a multiple of `align`. Correct for all safe integers, as only the low bits matter. */
export function padTo(offset: number, align: Align): number {
  return offset + (-offset & (align - 1))
}

/** The measure of a tuple before its first member is added. */
const NO_MEMBERS: TypeMeasure = { align: 1, fixedSize: 0, depth: 0 }

/** Adds a member to the measure of a tuple. */
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
  // The empty tuple takes a byte, so that an array of them has a length.
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
    // The depth is checked here, not before, because `()` may be nested one level deeper than other containers.
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

/** Returns the index after the complete type that starts at `at`; -1 if there is none. */
export function typeEnd(text: string, at: number): number {
  return scan(text, at, MAX_VARIANT_DEPTH)?.end ?? -1
}

/** Number of types that are cached. */
const MOST_REMEMBERED = 256
/** Longest type string that is cached, in characters. */
const LONGEST_REMEMBERED = 255
const remembered = new Map<string, TypeMeasure>()

/** Measures a type. Returns `undefined` if `text` is not a single complete type. */
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

/**
 * Measures a type.
 * @throws {GVariantTypeError} if `text` is not a single complete type
 */
export function measureType(text: string): TypeMeasure {
  const measure = tryMeasureType(text)
  if (measure === undefined) throw new GVariantTypeError(text)
  return measure
}

/** Returns whether `text` is a single complete type without wildcards, such as `a{sv}`. */
export function isTypeString(text: string): boolean {
  return tryMeasureType(text) !== undefined
}

/** Returns whether `text` is a D-Bus signature: zero or more complete types. */
export function isSignature(text: string): boolean {
  let at = 0
  while (at < text.length) {
    at = typeEnd(text, at)
    if (at < 0) return false
  }
  return true
}

/** Returns whether `text` is a D-Bus object path: `/`, or elements of `[A-Za-z0-9_]` with a slash before each. */
export function isObjectPath(text: string): boolean {
  // A regular expression that repeats a group needs stack for each repetition.
  if (!text.startsWith('/') || /[^A-Za-z0-9_/]/.test(text)) return false
  return text === '/' || !(text.endsWith('/') || text.includes('//'))
}
