/** The tree that a composefs image describes. */

import type { Checksum } from '../bytes.ts'

/** An extended attribute: its name, and its value as raw bytes. */
export type NodeXattr = readonly [name: Uint8Array, value: Uint8Array]

/** What every node of the tree has. Its modification time is 0. */
interface NodeAttributes {
  /** `st_mode`: the type bits and the permissions. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In any order. A name that is set twice keeps its last value. */
  readonly xattrs: readonly NodeXattr[]
}

/** A regular file. Its content is not in the image. */
export interface FileNode extends NodeAttributes {
  readonly kind: 'file'
  /** Bytes of content. */
  readonly size: number
  /** Path of the content, relative to the directory of the backing files. Not used when the file is empty. */
  readonly backing: string
  /** The fs-verity digest of the content. `undefined`: the image does not bind the content. */
  readonly digest: Checksum | undefined
}

/** A symbolic link. */
export interface LinkNode extends NodeAttributes {
  readonly kind: 'link'
  readonly target: Uint8Array
}

/** A directory. */
export interface DirectoryNode extends NodeAttributes {
  readonly kind: 'directory'
  /** In any order. No name occurs twice. */
  readonly entries: readonly NodeEntry[]
}

/** A node of the tree. */
export type ImageNode = FileNode | LinkNode | DirectoryNode

/** A named node in a directory. */
export interface NodeEntry {
  readonly name: Uint8Array
  readonly node: ImageNode
}
