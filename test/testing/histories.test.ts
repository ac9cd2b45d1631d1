/** Values of the generators of histories, key files and references are what they say. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatRegistryReference, parseRegistryReference } from '../../src/container/distribution/index.ts'
import { formatImageReference, parseImageReference } from '../../src/container/index.ts'
import { KeyFile } from '../../src/keyfile/index.ts'
import { portablePlatform as platform } from '../../src/platform/portable.ts'
import { createMemoryStorage, Repo } from '../../src/repo/index.ts'
import {
  anyHistory,
  anyImageReference,
  anyKeyFile,
  anyRegistryName,
  compareTrees,
  LOST_PARENT,
  loadTree,
  storeHistory,
} from '../../src/testing/index.ts'

test('a history is stored with its parents, times, states, trees and refs', async () => {
  await fc.assert(
    fc.asyncProperty(anyHistory(), async (history) => {
      await using repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
      const commits = await storeHistory(repo, history)
      for (const [n, { tree, parent, timestamp }] of history.commits.entries()) {
        const checksum = commits[n]
        if (checksum === undefined) throw new Error(`commit ${n} is missing`)
        const found = await repo.readCommit(checksum)
        const above = parent === 'lost' ? LOST_PARENT : parent === undefined ? undefined : commits[parent]
        expect([found.parent, found.timestamp]).toEqual([above, timestamp])
        const loaded = await loadTree(repo.objects, { tree: found.rootTree, meta: found.rootMeta })
        expect(compareTrees(tree, loaded)).toEqual([])
        // Equal commits have the state of the last of them.
        const last = history.commits[commits.lastIndexOf(checksum)]
        expect(await repo.commitState(checksum)).toBe(last?.state)
      }
      for (const [path, n] of history.refs) expect(await repo.refs.read(path)).toEqual({ commit: commits[n] })
    }),
    { numRuns: 100 },
  )
})

test('histories print a line for each commit and each ref', () => {
  const text = fc.stringify(fc.sample(anyHistory(), { numRuns: 20, seed: 1 }))
  expect(text).toMatch(/^commit 1 after 0 at \d+ s.*: d 0755 0:0 \./m)
  expect(text).toMatch(/^heads\/main -> commit \d+$/m)
})

test('the text of a key file means its values', () => {
  fc.assert(
    fc.property(anyKeyFile, ({ groups, text }) => {
      const parsed = KeyFile.parse(text)
      expect(parsed.groups()).toEqual(groups.map(([name]) => name))
      for (const [name, keys] of groups) {
        expect(parsed.keys(name)).toEqual(keys.map(([key]) => key))
        for (const [key, value] of keys) expect(parsed.get(name, key)).toBe(value)
      }
    }),
  )
})

test('a reference to an image is read back from its text', () => {
  fc.assert(
    fc.property(anyImageReference, (reference) => {
      expect(parseImageReference(formatImageReference(reference))).toEqual({ ...reference })
    }),
  )
})

test('the name of an image in a registry is valid', () => {
  fc.assert(
    fc.property(anyRegistryName, (name) => {
      const parsed = parseRegistryReference(name)
      expect(formatRegistryReference(parsed)).toBe(
        /[:@][^/]*$/.test(name.replace(/^[^/]*/, '')) ? name : `${name}:latest`,
      )
    }),
  )
})
