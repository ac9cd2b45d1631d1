/** Imports and merges random layers, and compares the result with a model. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import { mergeTrees } from '../../../src/container/import/merge.ts'
import { flattenTree } from '../../../src/container/layers/flatten.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { createMemoryStorage, Repo, type RepoMode, writeCommit, writeTree } from '../../../src/repo/index.ts'
import { anyLayerTree, type Directory, layerEntries, loadTree, packLayer } from '../../../src/testing/index.ts'
import { flattenedBy, LayerModel } from './layer-model.ts'

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest

async function* packed(layer: Directory): AsyncGenerator<Uint8Array> {
  yield await packLayer(layerEntries(layer))
}

async function merged(mode: RepoMode, layers: readonly Directory[], policy: 'exact' | 'compat'): Promise<Directory> {
  await using storage = createMemoryStorage({ mode, platform: portablePlatform })
  const repo = await Repo.open(storage, portablePlatform)
  return await repo.transaction(async (tx) => {
    const commits: Checksum[] = []
    for (const layer of layers) {
      const { tree, meta } = await importLayer(repo, tx, packed(layer), { layer: DIGEST, retainVar: true })
      commits.push(await writeCommit(tx, { root: { tree, meta }, timestamp: 0n }))
    }
    const tree = await mergeTrees(tx, undefined, commits)
    await flattenTree(tx, mode, tree, { policy, owner: { uid: 7, gid: 8 } })
    return loadTree(tx, await writeTree(tx, tree))
  })
}

const anyLayers = fc.array(anyLayerTree(), { minLength: 1, maxLength: 4 })

describe('merged random layers', () => {
  test.each(['archive', 'bare-user'] as const)(
    'random layers merge into the tree of the model with all metadata, in mode %s',
    async (mode) => {
      await fc.assert(
        fc.asyncProperty(anyLayers, async (layers) => {
          const model = new LayerModel()
          for (const layer of layers) model.lay(layer)
          expect(await merged(mode, layers, 'exact')).toEqual(model.tree((node) => node))
        }),
        { numRuns: 100 },
      )
    },
  )

  test('random layers are flattened as by a checkout and a commit', async () => {
    await fc.assert(
      fc.asyncProperty(anyLayers, async (layers) => {
        const model = new LayerModel()
        for (const layer of layers) model.lay(layer)
        expect(await merged('bare-user', layers, 'compat')).toEqual(model.tree(flattenedBy(7, 8)))
      }),
      { numRuns: 100 },
    )
  })
})
