/**
 * OSTree objects: their values, encodings, names, checksums and validation.
 *
 * @module ostree-ts/objects
 */

export {
  checksumFile,
  checksumMeta,
  checksumObject,
  createFileHasher,
  createFileVerifier,
  type FileVerifier,
  verifyFile,
} from './checksum.ts'
export { Commit, contentChecksum, encodeTombstone } from './commit.ts'
export { DirMeta, decodeOstreeMeta, encodeOstreeMeta } from './dirmeta.ts'
export { DirTree, EMPTY_TREE } from './dirtree.ts'
export { decodeFileHeader, encodeFileHeader, FileHeaderCache } from './file-header.ts'
export { decodeFilezHeader, encodeFilezHeader } from './filez.ts'
export {
  type AttachedType,
  type FileHeader,
  type FileInfo,
  type FileObject,
  isSymlink,
  type MetaType,
  type ObjectName,
  type ObjectType,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from './interface.ts'
export { MAX_METADATA_SIZE } from './limits.ts'
export {
  checksumFromBytes,
  checksumToBytes,
  formatObjectName,
  isChecksum,
  isCollectionId,
  isMetaObject,
  isObjectType,
  loosePath,
  modifiedBase64,
  objectTypeFromNumber,
  objectTypeNumber,
  parseChecksum,
  parseLoosePath,
  parseModifiedBase64,
  parseObjectName,
  validateCollectionId,
} from './names.ts'
export { ObjectList, type PackedObjects } from './object-list.ts'
export { decodeSizes, encodeSizes, type ObjectSize } from './sizes.ts'
export {
  validateBareUserOnlyMode,
  validateCommit,
  validateDirMeta,
  validateDirTree,
  validateFileHeader,
  validateFileMode,
  validateFilename,
  validateMeta,
  validateObjectTypeNumber,
  validateXattrs,
  type XattrOrder,
} from './validate.ts'
export { isCanonical, NO_XATTRS, sortXattrs, type Xattr, Xattrs, xattrsEqual } from './xattrs.ts'
