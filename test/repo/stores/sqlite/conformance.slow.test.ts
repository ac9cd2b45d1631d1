import { join } from 'node:path'
import * as vitest from 'vitest'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { createSqliteStorage, openSqliteStorage } from '../../../../src/repo/stores/sqlite/open.ts'
import { storageSuite } from '../../../../src/testing/index.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

// The files are in memory, because every write outside of a transaction waits for the disk.
const folder = temporaryFolder()
let files = 0
const fresh = () => join(folder, `${files++}.sqlite`)
const platform = nodePlatform

for (const compression of ['none', 'deflate'] as const) {
  storageSuite(vitest, `sqlite, compression ${compression}`, {
    platform,
    modes: compression === 'none' ? ['archive', 'bare-user-only', 'bare-user', 'bare'] : ['archive'],
    create: (mode) => createSqliteStorage(fresh(), { mode, platform, compression }),
    reopen: (storage) => openSqliteStorage(storage.location, { platform }),
  })
}
