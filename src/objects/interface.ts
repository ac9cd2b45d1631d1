/**
 * Types of objects as values. The modules named after the types have the encodings.
 */

import type { Checksum, Content } from '../bytes.ts'
import type { Xattrs } from './xattrs.ts'

/** Type of an object, spelled as the suffix of its loose file. Source: ostree-core.h, OstreeObjectType. */
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

/** Full name of an object. */
export interface ObjectName {
  readonly checksum: Checksum
  readonly type: ObjectType
}

/** Metadata of a file object, which is hashed before its content. */
export interface FileHeader {
  readonly uid: number
  readonly gid: number
  /** Full st_mode: S_IFREG or S_IFLNK, and permission bits (07777). */
  readonly mode: number
  /** Symbolic link target; '' for regular files. */
  readonly target: string
  readonly xattrs: Xattrs
}

/** Metadata and size of a file object. */
export interface FileInfo {
  readonly header: FileHeader
  /** Length of the content in bytes; 0 for a symbolic link. */
  readonly size: number
}

/** A file object with its content. */
export interface FileObject extends FileInfo {
  readonly body: Content
}

/** Mask of the file type in st_mode. */
export const S_IFMT = 0o170000
/** st_mode type of a regular file. */
export const S_IFREG = 0o100000
/** st_mode type of a symbolic link. */
export const S_IFLNK = 0o120000
/** st_mode type of a directory. */
export const S_IFDIR = 0o040000

/** Tests whether a header is of a symbolic link. */
export function isSymlink(header: FileHeader): boolean {
  return (header.mode & S_IFMT) === S_IFLNK
}
