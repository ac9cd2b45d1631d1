/** Tests with vitest: a registry that breaks off by plan. */
import fc from 'fast-check'
import { pullImage } from 'ostree-ts/container'
import { nodePlatform as platform } from 'ostree-ts/node'
import { createTableStorage, Repo } from 'ostree-ts/repo'
import { anyImage, faultyNetwork, MemoryRegistry, packImage } from 'ostree-ts/testing'
import { expect, test } from 'vitest'
import { MapTable } from './map-table.mjs'

const host = { architecture: 'amd64', os: 'linux' }

/** Pulls an image into a new repository. @returns its commit */
async function pulled(registry, plan) {
  const repo = await Repo.open(createTableStorage({ table: new MapTable(), platform, mode: 'archive' }), platform)
  const network = faultyNetwork(registry.network, plan)
  const options = { host, registry: { network } }
  return (await pullImage(repo, 'ostree-unverified-registry:localhost/example/app:latest', options)).mergeCommit
}

/** The first blob breaks off, and its second request fails. */
const anyPlan = fc.nat({ max: 100 }).map((after) => [
  { at: 0, url: '/blobs/', fault: 'reset', after },
  { at: 1, url: '/blobs/', fault: 'status', status: 503 },
])

test('a pull from a registry that breaks off gives the same commit', async () => {
  await fc.assert(
    fc.asyncProperty(anyImage({ maxLayers: 2 }), anyPlan, async (image, plan) => {
      const registry = new MemoryRegistry(platform)
      registry.putLayout('example/app', await packImage(platform, image, { tag: 'latest' }))
      const commit = await pulled(registry, plan)
      const requests = registry.requests('GET', '/blobs/').length
      expect(commit).toBe(await pulled(registry, []))
      // The blob that broke off was requested once more. The failure came from the network, not from the registry.
      expect(registry.requests('GET', '/blobs/').length).toBe(2 * requests - 1)
    }),
    { numRuns: 10 },
  )
})
