/**
 * Extended attributes: `a(ayay)`, names with the NUL that ends them, values raw.
 *
 * Canonical order is by name in byte order, each name once. Programs before 2024.10 kept the order a tar file gave
 * them and hashed that, so what is read may come in any order and must be written back in the same.
 */

import { compareBytes, equalBytes } from '../bytes.ts'
import { array, byteString, bytes, type Codec, tuple } from '../gvariant/index.ts'
import type { Xattr, Xattrs as XattrList } from './interface.ts'

export type Xattrs = XattrList
/** Writes in the order given. Decoded names and values are views. */
export const Xattrs: Codec<Xattrs> = array(tuple(byteString, bytes))

export const NO_XATTRS: Xattrs = []

/** In canonical order, each name once. */
export function isCanonical(xattrs: Xattrs): boolean {
  for (let i = 1; i < xattrs.length; i++) {
    if (compareBytes((xattrs[i - 1] as Xattr)[0], (xattrs[i] as Xattr)[0]) >= 0) return false
  }
  return true
}

/** In canonical order; equal names stay in the order they had. @returns the same array when there is nothing to do */
export function sortXattrs(xattrs: Xattrs): Xattrs {
  return isCanonical(xattrs) ? xattrs : xattrs.toSorted(([a], [b]) => compareBytes(a, b))
}

/** The same names and values in the same order. */
export function xattrsEqual(a: Xattrs, b: Xattrs): boolean {
  return (
    a.length === b.length &&
    a.every(([name, value], i) => {
      const [otherName, otherValue] = b[i] as Xattr
      return equalBytes(name, otherName) && equalBytes(value, otherValue)
    })
  )
}
