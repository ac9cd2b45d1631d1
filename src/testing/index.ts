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
export { buildImage, type ImageFields, type LayerFields } from './image-builder.ts'
export { type StorageSubject, storageSuite, type TestTools } from './suites/index.ts'
