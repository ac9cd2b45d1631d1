/**
 * Images of composefs: a directory tree as a read-only file system whose files have their content in a store beside it.
 * The same bytes as libcomposefs writes for version 0 of the format, and the fs-verity digests that bind them.
 */

export { dumpImage } from './dump.ts'
export type { DirectoryNode, FileNode, ImageNode, LinkNode, NodeEntry, NodeXattr } from './interface.ts'
export { type ImageLayout, layOut } from './layout.ts'
export { VerityHasher, verityDigest } from './verity.ts'
export { writeImage } from './write.ts'
export { checkXattrs } from './xattrs.ts'
