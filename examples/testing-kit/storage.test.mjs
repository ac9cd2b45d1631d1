/** Tests with vitest: the whole suite of storages. */
import { nodePlatform as platform } from 'ostree-ts/node'
import { createTableStorage } from 'ostree-ts/repo'
import { storageSuite } from 'ostree-ts/testing'
import * as vitest from 'vitest'
import { MapTable } from './map-table.mjs'

const tables = new WeakMap()
function open(table, mode) {
  const storage = createTableStorage({ table, platform, mode })
  tables.set(storage, table)
  return storage
}

storageSuite(vitest, 'my table', {
  platform,
  create: async (mode) => open(new MapTable(), mode),
  reopen: async (storage) => open(tables.get(storage)),
})
