export type { StorageSubject, TestTools } from './kit.ts'
export { storageSuite } from './storage.ts'
