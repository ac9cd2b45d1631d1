import fc from 'fast-check'
import * as vitest from 'vitest'
import {
  createMemoryStorage,
  openMemoryLayout,
  portablePlatform as platform,
  pullImage,
  Repo,
} from '../../src/index.ts'
import { anyImage, packImage, storageSuite } from '../../src/testing/index.ts'

const host = { architecture: 'amd64', os: 'linux' }

vitest.test('pulling any image again changes nothing', async () => {
  const images = anyImage({ maxLayers: 3 })
  await fc.assert(
    fc.asyncProperty(images, async (image) => {
      const files = await packImage(platform, image)
      await using repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
      const options = { host, open: () => openMemoryLayout(files, undefined, { platform, host }) }
      const first = await pullImage(repo, 'ostree-unverified-image:oci:/image', options)
      const again = await pullImage(repo, 'ostree-unverified-image:oci:/image', options)
      vitest.expect(again).toMatchObject({ changed: false, mergeCommit: first.mergeCommit })
    }),
    { numRuns: 20 },
  )
})

storageSuite(vitest, 'a storage of my own', {
  platform,
  runs: 5,
  create: async (mode) => createMemoryStorage({ mode, platform }),
})
