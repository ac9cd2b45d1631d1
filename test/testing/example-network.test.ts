import { expect, test } from 'vitest'
import { createMemoryStorage, portablePlatform as platform, pullImage, Repo } from '../../src/index.ts'
import { directory, faultyNetwork, file, MemoryRegistry, packImage } from '../../src/testing/index.ts'

const host = { architecture: 'amd64', os: 'linux' }
const image = {
  layers: [{ tree: directory({ usr: directory({ a: file('hello') }) }), codec: 'gzip' as const }],
  fields: {},
}

test('a pull goes on where a blob broke off', async () => {
  const registry = new MemoryRegistry(platform)
  registry.putLayout('example/app', await packImage(platform, image, { tag: 'latest' }))
  const network = faultyNetwork(registry.network, [
    { at: 0, url: '/blobs/', fault: 'reset', after: 100 }, // the first blob breaks off after 100 bytes
    { at: 1, times: 2, url: '/blobs/', fault: 'status', status: 503 }, // the next two attempts have no answer
  ])
  await using repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
  const options = { host, registry: { network } }
  await pullImage(repo, 'ostree-unverified-registry:localhost/example/app:latest', options)
  expect(registry.requests('GET', '/blobs/').length).toBe(3)
})
