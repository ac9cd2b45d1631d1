/** Trees of files as values. */

import type { Xattrs } from '../objects/index.ts'

/** Metadata of a file, symbolic link or directory. */
export interface FileAttributes {
  readonly uid: number
  readonly gid: number
  /** Permission, set-id and sticky bits, without the file type. */
  readonly mode: number
  readonly xattrs: Xattrs
}

/** A regular file of a tree. */
export interface RegularFile extends FileAttributes {
  readonly kind: 'file'
  readonly content: Uint8Array
}

/** A symbolic link of a tree. */
export interface SymbolicLink extends FileAttributes {
  readonly kind: 'symlink'
  readonly target: string
}

/** A directory of a tree, or the tree itself. */
export interface Directory extends FileAttributes {
  readonly kind: 'directory'
  /** Entries by name. The same object under two names is a hard link. */
  readonly children: ReadonlyMap<string, TreeNode>
}

/** Any entry of a tree. */
export type TreeNode = RegularFile | SymbolicLink | Directory
