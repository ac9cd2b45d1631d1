/** Symbolic links whose mode in an archive is not 0777, as tar programs of BSD and macOS write them. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { UnsupportedError } from '../../../../src/errors.ts'
import { S_IFLNK } from '../../../../src/objects/index.ts'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import { commit, createMemoryStorage, fsck, pullLocal, Repo, type RepoMode } from '../../../../src/repo/index.ts'
import { createRepo } from '../../../../src/repo/local.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { tarBytes } from '../../../support/tar-bytes.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

async function* archive() {
  yield tarBytes([
    { name: './', type: '5', mode: 0o755 },
    { name: 'l', type: '2', link: 'x', mode: 0o644 },
  ])
}

async function committed(path: string, mode: RepoMode): Promise<Repo> {
  const repo = await createRepo(join(path, mode), { mode })
  await commit(repo, { trees: [{ tar: archive() }], branch: 'main', timestamp: 1n })
  return repo
}

const PLAIN = { archive: 0o644, 'bare-user': 0o644, bare: 0o777, 'bare-user-only': 0o777 } as const

describeReference('root', 'a link of mode 0644', () => {
  describe.each(Object.entries(PLAIN))('in mode %s', (mode, permissions) => {
    test(`is committed as ${permissions.toString(8)}, and fsck finds no fault`, async () => {
      await using repo = await committed(temporaryFolder(), mode as RepoMode)
      const { rootTree } = await repo.readCommit(await repo.resolve('main'))
      const [file] = (await repo.readDirTree(rootTree)).files
      const { header } = await repo.objects.statFile(file?.checksum as never)
      expect(header).toMatchObject({ mode: S_IFLNK | permissions, target: 'x' })
      expect(await fsck(repo)).toMatchObject({ damaged: 0, objects: 4 })
    })
  })

  test.each(['bare', 'bare-user-only'] as const)('is not pulled into mode %s', async (mode) => {
    const folder = temporaryFolder()
    await using from = await committed(folder, 'archive')
    await using into = await createRepo(join(folder, mode), { mode })
    const pulling = pullLocal(from, into, { refs: ['main'] })
    await expect(pulling).rejects.toThrow(UnsupportedError)
    await expect(pulling).rejects.toThrow(/mode bare(-user-only)? cannot hold a symbolic link of mode 0120644/)
    expect(await into.refs.list('heads')).toEqual([])
  })

  test('is refused by a store in memory of mode bare', async () => {
    await using repo = await Repo.open(createMemoryStorage({ platform, mode: 'bare' }), platform)
    const header = { uid: 0, gid: 0, mode: S_IFLNK | 0o644, target: 'x', xattrs: [] }
    const writing = repo.transaction(async (tx) => tx.writeFile({ header, size: 0, body: new Uint8Array(0) }))
    await expect(writing).rejects.toThrow(
      /mode bare cannot hold a symbolic link of mode 0120644; archive and bare-user can$/,
    )
  })
})

describeReference(['ostree', 'root'], 'a link of mode 0644 in repositories that ostree reads', () => {
  test.each(Object.keys(PLAIN))('is sound in mode %s', async (mode) => {
    const folder = temporaryFolder()
    await (await committed(folder, mode as RepoMode)).close()
    run('ostree', ['fsck', `--repo=${join(folder, mode)}`])
  })
})
