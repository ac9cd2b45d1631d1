import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  IMAGE_LAYER_PREFIX,
  LAYER_RULES,
  listImages,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  queryImage,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const OPTIONS = { host: { architecture: 'amd64', os: 'linux' }, files: nodeFiles }
const text = (tag: string) => `ostree-unverified-image:oci:${LAYOUT}:${tag}`

const directory = temporaryFolder('disk')

describe('an image in an OCI layout', () => {
  test('an image is pulled into memory, a single file and a directory as the same commit', async () => {
    const commits = new Set<string>()
    const stores = [
      await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform),
      await createRepo(join(directory, 'a.sqlite'), { mode: 'bare-user' }),
      await createRepo(join(directory, 'a'), { mode: 'bare-user' }),
    ]
    for (const repo of stores) {
      const base = await pullImage(repo, text('1.0'), OPTIONS)
      const appliance = await pullImage(repo, text('1.0-appliance'), OPTIONS)
      expect(base.layersFetched).toBe(base.manifest.layers.length)
      expect(appliance.layersReused).toBeGreaterThan(0)
      expect(await listImages(repo)).toEqual([`oci:${LAYOUT}:1.0`, `oci:${LAYOUT}:1.0-appliance`])
      const stored = await queryImage(repo, parseImageReference(`oci:${LAYOUT}:1.0`))
      expect(stored?.mergeCommit).toBe(base.mergeCommit)
      commits.add(`${base.mergeCommit} ${appliance.mergeCommit}`)
      await repo.close()
    }
    expect(commits.size).toBe(1)
  })
})

describeReference('ostree', 'a repository of pulled images, read by ostree', () => {
  test('ostree verifies a repository of pulled images and lists their commits', async () => {
    const path = join(directory, 'judged')
    const repo = await createRepo(path, { mode: 'bare-user' })
    const { mergeCommit } = await pullImage(repo, text('1.0-appliance'), OPTIONS)
    await repo.close()
    const ostree = (...args: string[]) => run('ostree', [`--repo=${path}`, ...args])
    expect(ostree('fsck', '--quiet')).toContain('no errors found')
    expect(ostree('ls', '-R', mergeCommit).split('\n').length).toBeGreaterThan(5)
    expect(
      ostree('refs', '--list')
        .split('\n')
        .filter((ref) => ref.startsWith('ostree/container/image/')),
    ).toHaveLength(1)
  })

  test('ostree prunes and copies layers that one image has in another form, and the notes of rules', async () => {
    const [path, copy] = [join(directory, 'pruned'), join(directory, 'copy')]
    const name = 'oci:/other:1'
    const other = {
      ...OPTIONS,
      allowNonusr: true,
      target: parseOstreeImageReference(`ostree-unverified-image:${name}`),
    }
    const repo = await createRepo(path, { mode: 'bare-user' })
    await pullImage(repo, text('1.0-appliance'), { ...OPTIONS, allowNonusr: false })
    const { mergeCommit } = await pullImage(repo, text('1.0-appliance'), other)
    const own = await repo.listRefs(IMAGE_LAYER_PREFIX)
    expect(own.length).toBeGreaterThan(0)
    run('ostree', [`--repo=${path}`, 'prune', '--refs-only', '--depth=0'])
    expect(run('ostree', [`--repo=${path}`, 'fsck', '--quiet'])).toContain('no errors found')
    run('ostree', [`--repo=${copy}`, 'init', '--mode=bare-user'])
    run('ostree', [`--repo=${copy}`, 'pull-local', path])
    await repo.close()
    for (const at of [path, copy]) {
      const judged = await openRepo(at)
      for (const { name: ref } of own) {
        expect((await judged.readDetachedMetadata(await judged.resolve(ref))).map(([key]) => key)).toEqual([
          LAYER_RULES,
        ])
      }
      expect((await verifyContainerImage(judged, name)).ok).toBe(true)
      expect(await pullImage(judged, text('1.0-appliance'), other)).toMatchObject({ layersFetched: 0, mergeCommit })
      await judged.close()
    }
  })
})
