/**
 * The extended attributes of an image: how they are encoded, and which are shared. An attribute that occurs on two or
 * more inodes is stored once, in a table behind the inodes, and inodes refer to it.
 *
 * Source: libcomposefs, lcfs-writer-erofs.c; Linux, fs/erofs/erofs_fs.h.
 */

import { byteKey, type Checksum, compareBytes, EMPTY_BYTES, encodeUtf8, fromHex, writeHex } from '../bytes.ts'
import type { FileNode, NodeXattr } from './interface.ts'
import { startsWith } from './xattrs.ts'
import { xxh32 } from './xxh32.ts'

/** Bytes in front of the attributes of an inode, and of one entry. */
const XATTR_HEADER = 12
const ENTRY_HEADER = 4
/** Most attributes that one inode takes from the table. */
const MAX_SHARED = 128
/** Seed of the filter of names. */
const FILTER_SEED = 0x25bbe08f

const SLASH = 0x2f

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

/** Header of the value of `trusted.overlay.metacopy`: version, length 36, flags, SHA-256. */
const METACOPY_HEADER = [0x00, 0x24, 0x00, 0x01]
/** Hides the lower directories of an overlay mount. */
const OPAQUE: NodeXattr = [encodeUtf8('trusted.overlay.opaque'), encodeUtf8('y')]

/** The name of an attribute, as the image has it. */
class XattrName {
  readonly bytes: Uint8Array
  /** Number of the prefix, 0 for none. */
  readonly index: number
  /** The name behind the prefix. */
  readonly suffix: Uint8Array
  /** What the name takes out of the filter of an inode. */
  readonly filterMask: number

  constructor(bytes: Uint8Array) {
    const prefix = PREFIXES.find((candidate) => startsWith(bytes, candidate.prefix))
    this.bytes = bytes
    this.index = prefix?.index ?? 0
    this.suffix = bytes.subarray(prefix?.prefix.length ?? 0)
    this.filterMask = ~(1 << (xxh32(this.suffix, FILTER_SEED + this.index) & 31))
  }
}

/** An attribute of the image. One object stands for all equal ones. */
export abstract class ImageXattr {
  readonly name: XattrName
  /** Bytes of the encoded entry, padded to a multiple of four. */
  readonly length: number
  /** Nodes that have the attribute. */
  uses = 0
  /** Offset in the table of shared attributes, in bytes. */
  sharedAt: number | undefined
  readonly #valueLength: number

  constructor(name: XattrName, valueLength: number) {
    this.name = name
    this.#valueLength = valueLength
    this.length = (ENTRY_HEADER + name.suffix.length + valueLength + 3) & ~3
  }

  /** The value. Some attributes make it anew each time. */
  abstract get value(): Uint8Array

  /** Writes the value, without making an array of it. */
  protected abstract writeValue(into: Uint8Array, at: number): void

  /** Writes the entry. The bytes of the padding must be 0 already. */
  write(into: Uint8Array, at: number): void {
    const { suffix, index } = this.name
    into[at] = suffix.length
    into[at + 1] = index
    into[at + 2] = this.#valueLength & 0xff
    into[at + 3] = this.#valueLength >> 8
    into.set(suffix, at + ENTRY_HEADER)
    this.writeValue(into, at + ENTRY_HEADER + suffix.length)
  }
}

class StoredXattr extends ImageXattr {
  override readonly value: Uint8Array

  constructor(name: XattrName, value: Uint8Array) {
    super(name, value.length)
    this.value = value
  }

  protected override writeValue(into: Uint8Array, at: number): void {
    into.set(this.value, at)
  }
}

/** The attribute with the digest of a file's content, which is kept as text: each file has another one. */
class MetacopyXattr extends ImageXattr {
  readonly #digest: Checksum

  constructor(digest: Checksum) {
    super(METACOPY, METACOPY_HEADER.length + digest.length / 2)
    this.#digest = digest
  }

  override get value(): Uint8Array {
    return Uint8Array.from([...METACOPY_HEADER, ...fromHex(this.#digest)])
  }

  protected override writeValue(into: Uint8Array, at: number): void {
    into.set(METACOPY_HEADER, at)
    writeHex(this.#digest, into, at + METACOPY_HEADER.length)
  }
}

/** The attribute with the path of a file's content, which is kept as text too. It is ASCII. */
class RedirectXattr extends ImageXattr {
  readonly #backing: string

  constructor(backing: string) {
    super(REDIRECT, 1 + backing.length)
    this.#backing = backing
  }

  override get value(): Uint8Array {
    return encodeUtf8(`/${this.#backing}`)
  }

  protected override writeValue(into: Uint8Array, at: number): void {
    into[at] = SLASH
    for (let i = 0; i < this.#backing.length; i++) into[at + 1 + i] = this.#backing.charCodeAt(i)
  }
}

const METACOPY = new XattrName(encodeUtf8('trusted.overlay.metacopy'))
const REDIRECT = new XattrName(encodeUtf8('trusted.overlay.redirect'))

/** Returns the attributes of an inode that it takes from the table, and those that are stored with it. */
function divide(xattrs: readonly ImageXattr[]): { shared: readonly ImageXattr[]; inline: readonly ImageXattr[] } {
  const shared: ImageXattr[] = []
  const inline: ImageXattr[] = []
  for (const xattr of xattrs) {
    if (xattr.sharedAt !== undefined && shared.length < MAX_SHARED) shared.push(xattr)
    else inline.push(xattr)
  }
  return { shared, inline }
}

/** Returns the bytes of the block of attributes behind an inode; 0 without attributes. */
export function xattrBlockLength(xattrs: readonly ImageXattr[]): number {
  if (xattrs.length === 0) return 0
  let length = XATTR_HEADER
  let shared = 0
  for (const xattr of xattrs) {
    if (xattr.sharedAt !== undefined && shared < MAX_SHARED) {
      shared++
      length += 4
    } else {
      length += xattr.length
    }
  }
  return length
}

/** Returns the number in an inode that gives the length of its attributes, in units of four bytes. */
export function xattrCount(blockLength: number): number {
  return blockLength === 0 ? 0 : (blockLength - XATTR_HEADER) / 4 + 1
}

/**
 * Writes the block of attributes of an inode.
 * @param xattrs sorted by name
 * @param tableAt offset of the table in its block of the file system, in bytes
 */
export function writeXattrBlock(xattrs: readonly ImageXattr[], into: DataView, at: number, tableAt: number): void {
  if (xattrs.length === 0) return
  const bytes = new Uint8Array(into.buffer, into.byteOffset)
  const { shared, inline } = divide(xattrs)
  let filter = -1
  for (const { name } of xattrs) filter &= name.filterMask
  into.setUint32(at, filter >>> 0, true)
  bytes[at + 4] = shared.length
  let next = at + XATTR_HEADER
  for (const { sharedAt } of shared) {
    into.setUint32(next, (tableAt + (sharedAt as number)) / 4, true)
    next += 4
  }
  for (const xattr of inline) {
    xattr.write(bytes, next)
    next += xattr.length
  }
}

/** Collects the attributes of all nodes, each name and value once. */
export class XattrTable {
  readonly #names = new Map<string, XattrName>()
  readonly #stored = new Map<string, StoredXattr>()
  readonly #metacopies = new Map<Checksum, MetacopyXattr>()
  readonly #redirects = new Map<string, RedirectXattr>()
  #emptyMetacopy: StoredXattr | undefined
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

  /** Tells whether any node has a POSIX ACL. */
  get hasAcl(): boolean {
    return this.#names.has('system.posix_acl_access') || this.#names.has('system.posix_acl_default')
  }

  /**
   * Adds the attributes of a node.
   * @param node a file that also gets the attributes that make overlayfs take its content from its backing file
   * @returns the attributes as the image has them, sorted by name
   */
  add(xattrs: readonly NodeXattr[], node?: FileNode): readonly ImageXattr[] {
    const added = xattrs.map((xattr): ImageXattr => this.#store(xattr))
    if (node !== undefined && node.size > 0) added.push(this.#metacopy(node.digest), this.#redirect(node.backing))
    for (const xattr of added) xattr.uses++
    return added.length === 0 ? NO_XATTRS : added.sort((a, b) => compareBytes(a.name.bytes, b.name.bytes))
  }

  /** Adds the attribute that hides the lower directories of an overlay mount to those of the root. */
  withOpaque(root: readonly ImageXattr[]): readonly ImageXattr[] {
    return [...root, ...this.add([OPAQUE])].sort((a, b) => compareBytes(a.name.bytes, b.name.bytes))
  }

  /** Decides which attributes are shared: those of two or more nodes, in descending order. */
  share(): void {
    const all = [this.#stored, this.#metacopies, this.#redirects].flatMap((map) => [...sharedIn(map.values())])
    this.#shared = [...all, ...sharedIn(this.#emptyMetacopy === undefined ? [] : [this.#emptyMetacopy])].sort(
      (a, b) =>
        compareBytes(b.name.bytes, a.name.bytes) || b.value.length - a.value.length || compareBytes(b.value, a.value),
    )
    this.#byteLength = 0
    for (const xattr of this.#shared) {
      xattr.sharedAt = this.#byteLength
      this.#byteLength += xattr.length
    }
  }

  #store([name, value]: NodeXattr): StoredXattr {
    const nameKey = byteKey(name)
    // The length of the name keeps (`ab`, `c`) and (`a`, `bc`) apart.
    const key = `${name.length} ${nameKey}${byteKey(value)}`
    return known(this.#stored, key, () => {
      const named = known(this.#names, nameKey, () => new XattrName(name))
      return new StoredXattr(named, value)
    })
  }

  #metacopy(digest: Checksum | undefined): ImageXattr {
    if (digest !== undefined) return known(this.#metacopies, digest, (text) => new MetacopyXattr(text))
    this.#emptyMetacopy ??= new StoredXattr(METACOPY, EMPTY_BYTES)
    return this.#emptyMetacopy
  }

  #redirect(backing: string): ImageXattr {
    return known(this.#redirects, backing, (text) => new RedirectXattr(text))
  }
}

/** Returns the value of a key, which is made when it is not there. */
function known<K, V>(map: Map<K, V>, key: K, make: (key: K) => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make(key)
    map.set(key, value)
  }
  return value
}

const NO_XATTRS: readonly ImageXattr[] = []

function* sharedIn(xattrs: Iterable<ImageXattr>): Generator<ImageXattr> {
  for (const xattr of xattrs) if (xattr.uses > 1) yield xattr
}
