/**
 * Test tools for authors of stores, transports and programs on top of this library: conformance suites, builders of
 * trees and commits, and fast-check generators. This module needs the packages fast-check and tar-stream. It does not
 * import a test runner: the suites take the runner's functions as an argument.
 *
 * @module ostree-ts/testing
 */

export * from './arbitraries/index.ts'
export {
  type CommitFields,
  type Directory,
  directory,
  type FileAttributes,
  file,
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
export { type FaultPlan, type FaultyStorage, faultyStorage } from './faults.ts'
export {
  buildDirectoryImage,
  buildDockerImage,
  buildImage,
  type ImageFields,
  type LayerFields,
  packFiles,
} from './image-builder.ts'
export {
  type CommandImage,
  type ImageCommand,
  type ImageCommandsOptions,
  type ImageModel,
  type ImageSystem,
  imageCacheCommands,
  imageCacheProperty,
  runImageCacheCommands,
} from './models/image-commands.ts'
export { applyLayers, compareTrees, LayerModel, type LayersPropertyOptions, layersProperty } from './models/layers.ts'
export type { CommandSequence } from './models/print-commands.ts'
export {
  type ModelCommit,
  type RepoCommand,
  type RepoCommandsOptions,
  type RepoModel,
  type RepoSystem,
  repoCommands,
  repoProperty,
  runRepoCommands,
} from './models/repo-commands.ts'
export { RepoUnderTest } from './models/world.ts'
export * from './network/index.ts'
export { isTextEntry, packLayer } from './pack-layer.ts'
export { printCommit, printContent, printEntries, printEntry, printedAs, printTree, printValue } from './printing.ts'
export {
  type ImageStoreSubject,
  imageStoreSuite,
  type NetworkPlace,
  type NetworkSubject,
  networkSuite,
  type StorageStep,
  type StorageSubject,
  storageProperty,
  storageSuite,
  type TestTools,
  type TransportImage,
  type TransportSubject,
  transportSuite,
} from './suites/index.ts'
