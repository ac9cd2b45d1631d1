/** Conformance suites of storages, image stores, image transports and networks. */

export { type ImageStoreSubject, imageStoreSuite } from './image-store.ts'
export type { StorageSubject, TestTools } from './kit.ts'
export { type StorageStep, storageProperty } from './model.ts'
export { type NetworkPlace, type NetworkSubject, networkSuite } from './networks.ts'
export { storageSuite } from './storage.ts'
export { type TransportImage, type TransportSubject, transportSuite } from './transports.ts'
