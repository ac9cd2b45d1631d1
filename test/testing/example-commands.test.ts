import fc from 'fast-check'
import { test } from 'vitest'
import { portablePlatform as platform } from '../../src/index.ts'
import { createTableStorage, type RepoMode, type Storage } from '../../src/repo/index.ts'
import { imageCacheProperty, repoProperty } from '../../src/testing/index.ts'
import { MapTable } from './map-table.ts'

test('commands on a storage', async () => {
  const tables = new WeakMap<Storage, MapTable>()
  const open = (table: MapTable, mode?: RepoMode) => {
    const storage = createTableStorage({ table, platform, mode })
    tables.set(storage, table)
    return storage
  }
  const subject = {
    platform,
    create: async (mode: RepoMode) => open(new MapTable(), mode),
    reopen: async (storage: Storage) => open(tables.get(storage) as MapTable),
    // What a killed process leaves: here a copy of the values.
    afterCrash: async (storage: Storage) => open(new MapTable(tables.get(storage)?.values)),
  }
  await fc.assert(repoProperty(subject, { mode: 'archive' }), { numRuns: 3 })
  await fc.assert(imageCacheProperty(subject, { maxCommands: 5 }), { numRuns: 3 })
})
