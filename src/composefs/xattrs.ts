/** Which extended attributes a node may have, and how those of overlayfs are renamed. Source: libcomposefs, lcfs-writer.c. */

import { byteKey, displayUtf8, encodeUtf8 } from '../bytes.ts'
import { LimitError, UsageError } from '../errors.ts'
import type { NodeXattr } from './interface.ts'

/** Limits of libcomposefs: bytes of a name, of a value, and of all attributes of a node with their headers. */
const MAX_NAME = 255
const MAX_VALUE = 65535
const MAX_NODE_XATTRS = 32767
const NODE_OVERHEAD = 12
const XATTR_OVERHEAD = 7

const OVERLAY = encodeUtf8('trusted.overlay.')
const ESCAPED_OVERLAY = encodeUtf8('trusted.overlay.overlay.')
/** The label of SELinux. */
export const SELINUX: Uint8Array = encodeUtf8('security.selinux')

/**
 * Removes attributes that are set again later.
 * @throws {UsageError} `Setting composefs xattrs for NAME: …`, with the text of EINVAL, when a name has not 1 to 255 bytes
 *   or a value has more than 65,535
 * @throws {LimitError} when the attributes of the node take more than 32,767 bytes
 */
export function checkXattrs(xattrs: readonly NodeXattr[]): NodeXattr[] {
  const byName = new Map<string, NodeXattr>()
  let total = NODE_OVERHEAD
  for (const xattr of xattrs) {
    const [name, value] = xattr
    const key = byteKey(name)
    if (name.length === 0 || name.length > MAX_NAME || value.length > MAX_VALUE) {
      throw new UsageError(`Setting composefs xattrs for ${displayUtf8(name)}: Invalid argument`)
    }
    const before = byName.get(key)
    total += XATTR_OVERHEAD + name.length + value.length
    if (before !== undefined) total -= XATTR_OVERHEAD + name.length + before[1].length
    if (total > MAX_NODE_XATTRS) {
      const message = `Setting composefs xattrs for ${displayUtf8(name)}: Numerical result out of range`
      throw new LimitError('xattrs of a node in bytes', MAX_NODE_XATTRS, message)
    }
    byName.set(key, xattr)
  }
  return [...byName.values()]
}

/** Renames attributes of overlayfs, so that they mean nothing to an overlay mount of the image. */
export function escapeXattrs(xattrs: readonly NodeXattr[]): readonly NodeXattr[] {
  if (!xattrs.some(([name]) => startsWith(name, OVERLAY))) return xattrs
  return xattrs.map(([name, value]) => {
    if (!startsWith(name, OVERLAY)) return [name, value]
    const escaped = new Uint8Array(ESCAPED_OVERLAY.length + name.length - OVERLAY.length)
    escaped.set(ESCAPED_OVERLAY)
    escaped.set(name.subarray(OVERLAY.length), ESCAPED_OVERLAY.length)
    return [escaped, value]
  })
}

/** Tells whether `bytes` begin with `prefix`. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte)
}
