export type { StorageSubject, TestTools } from './suites/index.ts'
export { storageSuite } from './suites/index.ts'
