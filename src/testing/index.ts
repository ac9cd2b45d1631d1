/**
 * The kit our own tests are written with, for those who write a store or anything else on top: conformance suites, trees
 * and commits in three lines, and fast-check generators. It needs the package fast-check; the suites are given the test
 * runner's functions, so importing this needs no runner.
 */

export * from './arbitraries/index.ts'
export {
  type CommitFields,
  type Directory,
  directory,
  file,
  type Inode,
  loadTree,
  type RegularFile,
  type SymbolicLink,
  storeCommit,
  storeFile,
  storeTree,
  symlink,
  type TreeNode,
  walkNodes,
} from './builders.ts'
export { compressLayer, LAYER_CODECS, type LayerCodec } from './compress-layer.ts'
export {
  buildDirectoryImage,
  buildDockerImage,
  buildImage,
  type ImageFields,
  type LayerFields,
  packFiles,
} from './image-builder.ts'
export { isTextEntry, packLayer } from './pack-layer.ts'
export {
  type ImageStoreSubject,
  imageStoreSuite,
  type StorageSubject,
  storageSuite,
  type TestTools,
  type TransportImage,
  type TransportSubject,
  transportSuite,
} from './suites/index.ts'
