/**
 * What an object is, as values. Encodings are in the modules named after the types.
 */

import type { Checksum, Content } from '../bytes.ts'

/** Spelled as the suffix of the loose file. Source: ostree-core.h, OstreeObjectType. */
export type ObjectType =
  | 'file'
  | 'dirtree'
  | 'dirmeta'
  | 'commit'
  | 'tombstone-commit'
  | 'commitmeta'
  | 'payload-link'
  | 'file-xattrs'
  | 'file-xattrs-link'

/** Metadata objects named by the hash of their bytes. */
export type MetaType = 'dirtree' | 'dirmeta' | 'commit'
/** Metadata objects stored under the checksum of the commit they belong to. */
export type AttachedType = 'tombstone-commit' | 'commitmeta'

export interface ObjectName {
  readonly checksum: Checksum
  readonly type: ObjectType
}

/** Name (without the NUL that ends it on disk), value. */
export type Xattr = readonly [name: Uint8Array, value: Uint8Array]
/** Sorted by name in byte order, names unique. */
export type Xattrs = readonly Xattr[]

/** What is hashed before the content of a file object. */
export interface FileHeader {
  readonly uid: number
  readonly gid: number
  /** Full st_mode: S_IFREG or S_IFLNK, and 07777. */
  readonly mode: number
  /** Symbolic link target; '' for regular files. */
  readonly target: string
  readonly xattrs: Xattrs
}

export interface FileInfo {
  readonly header: FileHeader
  /** Bytes of content; 0 for a symbolic link. */
  readonly size: number
}

export interface FileObject extends FileInfo {
  readonly body: Content
}

export const S_IFMT = 0o170000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_IFDIR = 0o040000

export function isSymlink(header: FileHeader): boolean {
  return (header.mode & S_IFMT) === S_IFLNK
}
