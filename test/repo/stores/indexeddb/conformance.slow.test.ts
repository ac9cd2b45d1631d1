/** Repositories in IndexedDB, as the package fake-indexeddb implements it, pass the suite of storages. */
import 'fake-indexeddb/auto'
import * as vitest from 'vitest'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import { openIndexedDbStorage } from '../../../../src/repo/index.ts'
import { storageSuite } from '../../../../src/testing/index.ts'

let count = 0

storageSuite(vitest, 'IndexedDB', {
  platform,
  modes: ['archive', 'bare-user-only', 'bare-user', 'bare'],
  runs: 10,
  create: (mode) => openIndexedDbStorage(`suite-${count++}`, { platform, mode }),
  reopen: ({ location }) => openIndexedDbStorage(location.slice('indexeddb:'.length), { platform }),
})
