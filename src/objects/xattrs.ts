/**
 * Extended attributes: `a(ayay)`, names with a final NUL, raw values.
 *
 * Canonical order is by name in byte order, each name once. ostree before 2024.10 kept and hashed the order of a tar
 * file, so xattrs that are read may have any order and must be written back in the same one.
 */

import { compareBytes, equalBytes } from '../bytes.ts'
import { array, byteString, bytes, type Codec, tuple } from '../gvariant/index.ts'

/** An extended attribute: its name without the final NUL of the encoding, and its value. */
export type Xattr = readonly [name: Uint8Array, value: Uint8Array]
/** Extended attributes of a file or directory, sorted by name in byte order, names unique. */
export type Xattrs = readonly Xattr[]
/** Codec of extended attributes. Encodes in the given order; decoded names and values are views. */
export const Xattrs: Codec<Xattrs> = array(tuple(byteString, bytes))

/** The empty list of extended attributes. */
export const NO_XATTRS: Xattrs = []

/** Tests whether xattrs are in canonical order, each name once. */
export function isCanonical(xattrs: Xattrs): boolean {
  for (let i = 1; i < xattrs.length; i++) {
    if (compareBytes((xattrs[i - 1] as Xattr)[0], (xattrs[i] as Xattr)[0]) >= 0) return false
  }
  return true
}

/**
 * Sorts xattrs into canonical order; equal names keep their order.
 * @returns the same array when it is sorted already
 */
export function sortXattrs(xattrs: Xattrs): Xattrs {
  return isCanonical(xattrs) ? xattrs : xattrs.toSorted(([a], [b]) => compareBytes(a, b))
}

/** Tests whether two lists have the same names and values in the same order. */
export function xattrsEqual(a: Xattrs, b: Xattrs): boolean {
  return (
    a.length === b.length &&
    a.every(([name, value], i) => {
      const [otherName, otherValue] = b[i] as Xattr
      return equalBytes(name, otherName) && equalBytes(value, otherValue)
    })
  )
}
