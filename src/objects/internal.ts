/**
 * What other folders of the library use of objects, beside the public `index.ts`. No entry point of the package exports
 * these names, so they may change at any time.
 */

export { checksum, optionalChecksum } from './checksum-codec.ts'
export { ChecksumSet } from './checksum-set.ts'
export { checksumAt, type DirTreeChecksums, DirTreeEntries, directoryAt, locateChecksums } from './dirtree-checksums.ts'
export { type EncodableFiles, encodeDirTree } from './encode-dirtree.ts'
export { framedSize } from './frame.ts'
