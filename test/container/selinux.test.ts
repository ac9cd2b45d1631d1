import { describe, expect, test } from 'vitest'
import { hasSelinuxPolicy } from '../../src/container/selinux.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../src/repo/index.ts'
import { type Directory, directory, file, storeTree, symlink } from '../../src/testing/index.ts'

const etc = (config: string) => directory({ selinux: directory({ config: file(config) }) })

async function hasPolicy(root: Directory): Promise<boolean> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  return repo.transaction(async (tx) => hasSelinuxPolicy(tx, await storeTree(tx, root)))
}

describe('an SELinux policy', () => {
  test.each([
    ['# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n', true],
    ['SELINUX=permissive\n', true],
    ['SELINUX=disabled\n', false],
    ['#SELINUX=enforcing\n', false],
    ['', false],
  ])('with the config %j is in force: %j', async (config, expected) => {
    expect(await hasPolicy(directory({ etc: etc(config) }))).toBe(expected)
    expect(await hasPolicy(directory({ usr: directory({ etc: etc(config) }) }))).toBe(expected)
  })

  test('is none where there is no config, or links lead nowhere', async () => {
    expect(await hasPolicy(directory())).toBe(false)
    expect(await hasPolicy(directory({ etc: symlink('etc') }))).toBe(false)
    expect(await hasPolicy(directory({ etc: directory({ selinux: directory({ config: symlink('config') }) }) }))).toBe(
      false,
    )
  })
})
