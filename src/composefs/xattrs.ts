/**
 * Extended attributes of an image: which ones a node gets, how they are encoded, and which are shared.
 *
 * An attribute that occurs on two or more nodes is stored once, in a table behind the nodes, and nodes refer to it.
 *
 * Source: libcomposefs, lcfs-writer-erofs.c; Linux, fs/erofs/erofs_fs.h.
 */

import { byteKey, compareBytes, displayUtf8, encodeUtf8, fromHex } from '../bytes.ts'
import { LimitError, UsageError } from '../errors.ts'
import type { FileNode, NodeXattr } from './interface.ts'
import { xxh32 } from './xxh32.ts'

/** Limits of libcomposefs: bytes of a name, of a value, and of all attributes of a node with their headers. */
const MAX_NAME = 255
const MAX_VALUE = 65535
const MAX_NODE_XATTRS = 32767
const NODE_OVERHEAD = 12
const XATTR_OVERHEAD = 7

/** Bytes in front of the attributes of an inode, and of one entry. */
export const XATTR_HEADER = 12
const ENTRY_HEADER = 4
/** Most attributes that one inode takes from the table. */
const MAX_SHARED = 128
/** Seed of the filter of names. */
const FILTER_SEED = 0x25bbe08f

/** Prefixes of names that are stored as a number, in the order in which they are tried. */
const PREFIXES = (
  [
    ['user.', 1],
    ['system.posix_acl_access', 2],
    ['system.posix_acl_default', 3],
    ['trusted.', 4],
    ['security.', 6],
  ] as const
).map(([prefix, index]) => ({ prefix: encodeUtf8(prefix), index }))

const OVERLAY = encodeUtf8('trusted.overlay.')
const ESCAPED_OVERLAY = encodeUtf8('trusted.overlay.overlay.')
const METACOPY = encodeUtf8('trusted.overlay.metacopy')
const REDIRECT = encodeUtf8('trusted.overlay.redirect')
/** Header of the value of `trusted.overlay.metacopy`: version, length 36, flags, SHA-256. */
const METACOPY_HEADER = [0x00, 0x24, 0x00, 0x01]
/** Hides the lower directories of an overlay mount. */
export const OPAQUE: NodeXattr = [encodeUtf8('trusted.overlay.opaque'), encodeUtf8('y')]
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
export function escapeXattrs(xattrs: readonly NodeXattr[]): NodeXattr[] {
  return xattrs.map(([name, value]) => {
    if (!startsWith(name, OVERLAY)) return [name, value]
    const escaped = new Uint8Array(ESCAPED_OVERLAY.length + name.length - OVERLAY.length)
    escaped.set(ESCAPED_OVERLAY)
    escaped.set(name.subarray(OVERLAY.length), ESCAPED_OVERLAY.length)
    return [escaped, value]
  })
}

/** Returns the attributes that make overlayfs take the content of a file from its backing file. */
export function overlayXattrs({ size, backing, digest }: FileNode): NodeXattr[] {
  if (size === 0) return []
  const metacopy = digest === undefined ? [] : [...METACOPY_HEADER, ...fromHex(digest)]
  return [
    [METACOPY, Uint8Array.from(metacopy)],
    [REDIRECT, encodeUtf8(`/${backing}`)],
  ]
}

/** An attribute, prepared for the image. One object stands for all equal attributes of the image. */
export class ImageXattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
  /** Number of the prefix, 0 for none. */
  readonly index: number
  /** The name behind the prefix. */
  readonly suffix: Uint8Array
  /** Nodes that have the attribute. */
  uses = 0
  /** Offset in the table of shared attributes, in bytes. */
  sharedAt: number | undefined

  constructor([name, value]: NodeXattr) {
    const prefix = PREFIXES.find((candidate) => startsWith(name, candidate.prefix))
    this.name = name
    this.value = value
    this.index = prefix?.index ?? 0
    this.suffix = name.subarray(prefix?.prefix.length ?? 0)
  }

  /** Bytes of the encoded entry, padded to a multiple of four. */
  get length(): number {
    return (ENTRY_HEADER + this.suffix.length + this.value.length + 3) & ~3
  }

  /** Bit of the name in the filter of an inode. */
  get filterBit(): number {
    return xxh32(this.suffix, FILTER_SEED + this.index) & 31
  }

  /** Writes the entry. The bytes of the padding must be 0 already. */
  write(into: Uint8Array, at: number): void {
    into[at] = this.suffix.length
    into[at + 1] = this.index
    into[at + 2] = this.value.length & 0xff
    into[at + 3] = this.value.length >> 8
    into.set(this.suffix, at + ENTRY_HEADER)
    into.set(this.value, at + ENTRY_HEADER + this.suffix.length)
  }
}

/** The attributes of one inode. */
export class InodeXattrs {
  readonly shared: readonly ImageXattr[]
  readonly inline: readonly ImageXattr[]
  /** Bytes of the block behind the inode; 0 without attributes. */
  readonly length: number

  /** @param xattrs sorted by name */
  constructor(xattrs: readonly ImageXattr[]) {
    const shared: ImageXattr[] = []
    const inline: ImageXattr[] = []
    for (const xattr of xattrs) {
      if (xattr.sharedAt !== undefined && shared.length < MAX_SHARED) shared.push(xattr)
      else inline.push(xattr)
    }
    this.shared = shared
    this.inline = inline
    const entries = inline.reduce((sum, xattr) => sum + xattr.length, 0)
    this.length = xattrs.length === 0 ? 0 : XATTR_HEADER + 4 * shared.length + entries
  }

  /** The count in the inode, which gives the length in units of four bytes. */
  get icount(): number {
    return this.length === 0 ? 0 : (this.length - XATTR_HEADER) / 4 + 1
  }

  /** Writes the block. @param tableAt offset of the table in its block of the file system, in bytes */
  write(into: Uint8Array, at: number, tableAt: number): void {
    if (this.length === 0) return
    const view = new DataView(into.buffer, into.byteOffset)
    let filter = 0xffffffff
    for (const xattr of [...this.shared, ...this.inline]) filter &= ~(1 << xattr.filterBit)
    view.setUint32(at, filter >>> 0, true)
    into[at + 4] = this.shared.length
    let next = at + XATTR_HEADER
    for (const { sharedAt } of this.shared) {
      view.setUint32(next, (tableAt + (sharedAt as number)) / 4, true)
      next += 4
    }
    for (const xattr of this.inline) {
      xattr.write(into, next)
      next += xattr.length
    }
  }
}

/** Collects the attributes of all nodes, each name and value once. */
export class XattrTable {
  readonly #known = new Map<string, ImageXattr>()
  #byteLength = 0
  #shared: ImageXattr[] = []

  /** The shared attributes in the order of the table. Known after `share`. */
  get shared(): readonly ImageXattr[] {
    return this.#shared
  }

  /** Bytes of the table. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Returns the attributes of a node for the image, sorted by name. */
  intern(xattrs: readonly NodeXattr[]): ImageXattr[] {
    const interned = xattrs.map((xattr) => {
      const [name, value] = xattr
      // The length of the name keeps (`ab`, `c`) and (`a`, `bc`) apart.
      const key = `${name.length} ${byteKey(name)}${byteKey(value)}`
      let known = this.#known.get(key)
      if (known === undefined) {
        known = new ImageXattr(xattr)
        this.#known.set(key, known)
      }
      known.uses++
      return known
    })
    return interned.sort((a, b) => compareBytes(a.name, b.name))
  }

  /** Decides which attributes are shared: those of two or more nodes, in descending order. */
  share(): void {
    this.#shared = [...this.#known.values()]
      .filter(({ uses }) => uses > 1)
      .sort((a, b) => compareBytes(b.name, a.name) || b.value.length - a.value.length || compareBytes(b.value, a.value))
    this.#byteLength = 0
    for (const xattr of this.#shared) {
      xattr.sharedAt = this.#byteLength
      this.#byteLength += xattr.length
    }
  }

  /** Tells whether any node has a POSIX ACL. */
  get hasAcl(): boolean {
    for (const { index, suffix } of this.#known.values()) {
      if ((index === 2 || index === 3) && suffix.length === 0) return true
    }
    return false
  }
}

/** Tells whether `bytes` begin with `prefix`. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte)
}
