import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as vitest from 'vitest'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { createSqliteStorage, openSqliteStorage } from '../../../../src/repo/stores/sqlite/open.ts'
import { storageSuite } from '../../../../src/testing/index.ts'

const { afterAll } = vitest
// Every write outside a transaction waits for the disk, where there is one.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ostree-ts-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true }))
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
