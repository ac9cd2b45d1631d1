/** Tests with node:test: properties need no other test runner. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nodePlatform as platform } from 'ostree-ts/node'
import { createTableStorage, Repo } from 'ostree-ts/repo'
import { anyTree, compareTrees, loadTree, repoProperty, storageProperty, storeTree } from 'ostree-ts/testing'
import { MapTable } from './map-table.mjs'

const tables = new WeakMap()
function open(mode, table = new MapTable()) {
  const storage = createTableStorage({ table, platform, mode })
  tables.set(storage, table)
  return storage
}

test('any operations have the results that they have in memory', async () => {
  await fc.assert(storageProperty({ platform, create: async (mode) => open(mode) }), { numRuns: 50 })
})

test('any commands on a repository, crashes included, have the results of the model', async () => {
  const subject = {
    platform,
    create: async (mode) => open(mode),
    reopen: async (storage) => open('archive', tables.get(storage)),
    // What a killed process leaves: here a copy of the values.
    afterCrash: async (storage) => open('archive', new MapTable(tables.get(storage))),
  }
  await fc.assert(repoProperty(subject, { mode: 'archive', maxCommands: 8 }), { numRuns: 10 })
})

test('any tree is read back unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(anyTree(), async (tree) => {
      const repo = await Repo.open(open('archive'), platform)
      const stored = await repo.transaction((tx) => storeTree(tx, tree))
      assert.deepEqual(compareTrees(tree, await loadTree(repo.objects, stored)), [])
    }),
    { numRuns: 50 },
  )
})
