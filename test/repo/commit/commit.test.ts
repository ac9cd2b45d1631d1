import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { array, bool, lookup, string, variantOf } from '../../../src/gvariant/index.ts'
import { decodeSizes } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  BOOTABLE_KEY,
  COLLECTION_BINDING_KEY,
  type CommitOptions,
  commit,
  createMemoryStorage,
  LINUX_KEY,
  REF_BINDING_KEY,
  Repo,
} from '../../../src/repo/index.ts'
import { parseSkipList, parseStatOverrides } from '../../../src/repo/internal.ts'
import { createDirectorySource, createRepo } from '../../../src/repo/local.ts'
import { file, memoryDirectory, xattr } from '../../support/memory-directory.ts'
import { describeReference, run } from '../../support/reference.ts'
import { tarBytes } from '../../support/tar-bytes.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const tree = (content = 'x') => ({ directory: memoryDirectory({ 'd/f': file(content), g: file('y') }) })
const base: CommitOptions = { trees: [tree()], branch: 'main', timestamp: 1n }

let repo: Repo
beforeEach(async () => {
  repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode: 'archive' }), nodePlatform)
})

const make = async (options: Partial<CommitOptions>): Promise<Checksum> =>
  (await commit(repo, { ...base, ...options })).commit

describe('the parent of a commit', () => {
  test('the parent is the commit of the branch, if the branch exists', async () => {
    const first = await make({})
    const second = await make({})
    expect((await repo.readCommit(first)).parent).toBeUndefined()
    expect((await repo.readCommit(second)).parent).toBe(first)
    expect(await repo.resolve('main')).toBe(second)
    await repo.setRef('origin:theirs', first)
    expect((await repo.readCommit(await make({ branch: 'theirs' }))).parent).toBe(first)
  })

  test('the parent is the one that the options give, or none', async () => {
    const first = await make({})
    expect((await repo.readCommit(await make({ parent: 'none' }))).parent).toBeUndefined()
    expect((await repo.readCommit(await make({ parent: first, branch: 'b' }))).parent).toBe(first)
    const orphan = await make({ orphan: true, branch: undefined })
    expect((await repo.readCommit(orphan)).parent).toBeUndefined()
    await make({ orphan: true })
    expect((await repo.readCommit(await repo.resolve('main'))).parent).toBeUndefined()
  })

  test('a branch with the name of a directory of refs is refused', async () => {
    await make({ branch: 'a/b' })
    await expect(make({ branch: 'a' })).rejects.toThrow('Conflict: b exists under a when attempting write')
    expect((await repo.listRefs()).map(({ name }) => name)).toEqual(['a/b'])
  })
})

describe('commit options', () => {
  test.each<[Partial<CommitOptions>, string]>([
    [{ branch: undefined }, 'A branch must be specified with --branch, or use --orphan'],
    [{ branch: 'sp ace' }, 'Invalid refspec sp ace'],
    [{ branch: '0'.repeat(64) }, `Rev name '${'0'.repeat(64)}' looks like a checksum`],
    [{ keepMetadata: ['x'] }, 'Either --branch or --parent must be specified when using --keep-metadata'],
    [
      { modifier: { canonicalPermissions: true, ownerUid: 1 } },
      'Cannot specify both --canonical-permissions and non-zero --owner-uid',
    ],
    [
      { modifier: { canonicalPermissions: true, ownerGid: 1 } },
      'Cannot specify both --canonical-permissions and non-zero --owner-gid',
    ],
    [{ trees: [{ rev: 'nope' }] }, "Refspec 'nope' not found"],
    [{ base: 'nope' }, "Refspec 'nope' not found"],
    [{ trees: [] }, "Can't commit an empty tree"],
    [{ modifier: { statOverrides: parseStatOverrides('1 /nope') } }, 'Unmatched statoverride paths'],
    [{ modifier: { skipList: parseSkipList('/nope') } }, 'Unmatched skip-list paths'],
    [{ bootable: true }, 'No such file or directory: /usr'],
  ])('invalid options are refused, and nothing is committed: $1', async (options, message) => {
    await expect(make(options)).rejects.toThrow(message)
    expect(await repo.listRefs()).toEqual([])
    for await (const name of repo.objects.list('commit')) expect(name).toBeUndefined()
  })

  test('`skipIfUnchanged` does not commit a tree that equals that of the parent', async () => {
    const first = await make({})
    expect(await commit(repo, { ...base, skipIfUnchanged: true, subject: 's' })).toMatchObject({
      commit: first,
      skipped: true,
    })
    const third = await commit(repo, { ...base, trees: [tree('z')], skipIfUnchanged: true })
    expect(third.skipped).toBe(false)
    expect(await repo.resolve('main')).toBe(third.commit)
  })

  test('`base` adds trees to that of a commit', async () => {
    await make({})
    const added = { directory: memoryDirectory({ 'd/new': file('n') }) }
    const both = await repo.readCommit(await make({ base: 'main', trees: [added] }))
    const root = await repo.readDirTree(both.rootTree)
    expect([root.files.map(({ name }) => name), root.dirs.map(({ name }) => name)]).toEqual([['g'], ['d']])
    expect((await repo.readDirTree(root.dirs[0]?.tree as Checksum)).files.map(({ name }) => name)).toEqual(['f', 'new'])
    // The entries of a tar are added to the directories of the base.
    const tar = (async function* () {
      yield tarBytes([{ name: 'd/more', content: 'm' }])
    })()
    const more = await repo.readCommit(await make({ base: 'main', trees: [{ tar }], branch: 'tar' }))
    const again = await repo.readDirTree((await repo.readDirTree(more.rootTree)).dirs[0]?.tree as Checksum)
    expect(again.files.map(({ name }) => name)).toEqual(['f', 'more', 'new'])
  })

  test('detached metadata is stored beside the commit and does not change its checksum', async () => {
    const detachedMetadata = [['k', variantOf(string, 'v')]] as const
    const attached = await make({ detachedMetadata })
    expect(attached).toBe(await make({ parent: 'none', branch: 'main' }))
    expect(await repo.readDetachedMetadata(attached)).toEqual(detachedMetadata)
    await repo.writeDetachedMetadata(attached, [])
    expect(await repo.readDetachedMetadata(attached)).toEqual([])
  })
})

describe('metadata of a commit', () => {
  test('the metadata is that of the options, then what is kept of the parent, then the bindings', async () => {
    await repo.writeConfig(`${await repo.storage.readConfig()}collection-id=org.x\n`)
    await make({
      metadata: [
        ['a', variantOf(string, '1')],
        ['b', variantOf(string, '2')],
      ],
    })
    const kept = await repo.readCommit(
      await make({
        metadata: [['z', variantOf(string, '3')]],
        keepMetadata: ['b', 'a'],
        bindRefs: ['zz', 'aa', 'main'],
      }),
    )
    expect(kept.metadata.map(([key]) => key)).toEqual(['z', 'b', 'a', REF_BINDING_KEY, COLLECTION_BINDING_KEY])
    expect(lookup(kept.metadata, REF_BINDING_KEY, array(string))).toEqual(['aa', 'main', 'main', 'zz'])
    expect(lookup(kept.metadata, COLLECTION_BINDING_KEY, string)).toBe('org.x')
    const own = await repo.readCommit(await make({ metadata: [[COLLECTION_BINDING_KEY, variantOf(string, 'org.y')]] }))
    expect(own.metadata.map(([key]) => key)).toEqual([COLLECTION_BINDING_KEY, REF_BINDING_KEY])
    expect((await repo.readCommit(await make({ bindings: false }))).metadata).toEqual([])
    const missing = make({ keepMetadata: ['nope'], parent: await repo.resolve('main') })
    await expect(missing).rejects.toThrow(`Missing metadata key 'nope' from commit '${await repo.resolve('main')}'`)
  })

  test('a bootable commit names its only kernel', async () => {
    const kernels = (...releases: string[]) => ({
      directory: memoryDirectory({
        'usr/lib/modules/README': file(''),
        'usr/lib/modules/empty/x': file(''),
        ...Object.fromEntries(releases.map((release) => [`usr/lib/modules/${release}/vmlinuz`, file('')])),
      }),
    })
    const { metadata } = await repo.readCommit(await make({ trees: [kernels('6.1')], bootable: true }))
    expect(lookup(metadata, BOOTABLE_KEY, bool)).toBe(true)
    expect(lookup(metadata, LINUX_KEY, string)).toBe('6.1')
    expect(metadata.length).toBe(3)
    await expect(make({ trees: [kernels()], bootable: true })).rejects.toThrow('No kernel found in /usr/lib/modules')
    const two = make({ trees: [kernels('6.1', '6.2')], bootable: true })
    await expect(two).rejects.toThrow('Multiple kernels found in /usr/lib/modules')
  })

  test('`generateSizes` adds the sizes of all objects, in mode archive only', async () => {
    const sizes = decodeSizes((await repo.readCommit(await make({ generateSizes: true }))).metadata)
    expect(sizes.map(({ type, unpacked }) => `${type} ${unpacked}`).sort()).toEqual([
      ...[
        'dirmeta 12',
        expect.stringMatching(/^dirtree \d+$/),
        expect.stringMatching(/^dirtree \d+$/),
        'file 1',
        'file 1',
      ],
    ])
    const again = decodeSizes(
      (await repo.readCommit(await make({ generateSizes: true, trees: [{ rev: 'main' }] }))).metadata,
    )
    expect(again).toEqual(sizes)
    const bare = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode: 'bare-user' }), nodePlatform)
    const made = await commit(bare, { ...base, generateSizes: true })
    expect((await bare.readCommit(made.commit)).metadata.map(([key]) => key)).toEqual([REF_BINDING_KEY])
  })
})

describeReference('ostree', 'commit and `ostree commit`', () => {
  const folder = temporaryFolder('disk')

  function fill(path: string): string {
    mkdirSync(join(path, 'd/e'), { recursive: true })
    mkdirSync(join(path, 'skip/below'), { recursive: true })
    for (const name of ['f', 'd/g', 'skip/below/h']) writeFileSync(join(path, name), name, { mode: 0o644 })
    return path
  }

  test('`consume` removes the directory as ostree does, and only when it is committed', async () => {
    const [ours, theirs] = [fill(join(folder, 'ours')), fill(join(folder, 'theirs'))]
    const disk = await createRepo(join(folder, 'consuming'), { mode: 'archive' })
    const skipped = () => ({ skipList: parseSkipList('/skip') })
    const options = { ...base, consume: true, fsync: false, trees: [{ directory: createDirectorySource(ours) }] }
    const unmatched = { skipList: parseSkipList('/skip\n/nope') }
    await expect(commit(disk, { ...options, modifier: unmatched })).rejects.toThrow('Unmatched skip-list paths')
    expect(existsSync(join(ours, 'skip/below/h'))).toBe(true)
    const { commit: made } = await commit(disk, { ...options, modifier: skipped() })
    expect(existsSync(ours)).toBe(false)

    writeFileSync(join(folder, 'skip'), '/skip\n')
    const args = ['--repo', join(folder, 'consuming'), '-b', 'main', '--parent=none', '--timestamp=@1', '--consume']
    const list = [`--skip-list=${join(folder, 'skip')}`, `--tree=dir=${theirs}`]
    expect(run('ostree', ['commit', ...args, ...list]).trim()).toBe(made)
    expect(existsSync(theirs)).toBe(false)
    await disk.close()
  })

  test('the statistics are those of ostree', async () => {
    const source = fill(join(folder, 'counted'))
    const [ours, theirs] = ['ours.repo', 'theirs.repo'].map((name) => join(folder, name)) as [string, string]
    run('ostree', ['init', '--repo', theirs, '--mode=archive'])
    const disk = await createRepo(ours, { mode: 'archive' })
    const { mode: _, ...plain } = { mode: 0, ...base, fsync: false }
    for (const [branch, extra, options] of [
      ['a', [], {}],
      ['a', [], {}],
      ['b', ['--owner-uid=5'], { modifier: { ownerUid: 5 } }],
      ['b', ['--no-xattrs', '--generate-sizes'], { modifier: { noXattrs: true }, generateSizes: true }],
    ] as const) {
      const table = run('ostree', [
        ...['commit', '--repo', theirs, '-b', branch, '--timestamp=@1', '--fsync=false', '--table-output'],
        ...[`--tree=dir=${source}`, ...extra],
      ])
      const trees = [{ directory: createDirectorySource(source) }]
      const { commit: made, stats } = await commit(disk, { ...plain, branch, trees, ...options })
      expect(
        [
          `Commit: ${made}`,
          `Metadata Total: ${stats.metadataTotal}`,
          `Metadata Written: ${stats.metadataWritten}`,
          `Content Total: ${stats.contentTotal}`,
          `Content Written: ${stats.contentWritten}`,
          `Content Cache Hits: ${stats.contentCacheHits}`,
          `Content Bytes Written: ${stats.contentBytesWritten}\n`,
        ].join('\n'),
      ).toBe(table)
    }
    const refs = (path: string) =>
      readdirSync(join(path, 'refs/heads')).map((name) => readFileSync(join(path, 'refs/heads', name), 'utf8'))
    expect(refs(ours)).toEqual(refs(theirs))
    expect(run('ostree', ['fsck', '--repo', ours])).toContain('no errors found')
    await disk.close()
  })

  test('modifiers change a stored tree as in ostree', async () => {
    const path = join(folder, 'from-rev')
    const disk = await createRepo(path, { mode: 'archive' })
    const source = memoryDirectory({
      '': { mode: 0o040755, uid: 3, gid: 4 },
      d: { mode: 0o042775, uid: 1, gid: 2, xattrs: [xattr('user.d', 'v')] },
      'd/f': file('content', { mode: 0o104755, uid: 9, xattrs: [xattr('user.f', 'v')] }),
      'd/l': { mode: 0o120777, uid: 8, content: 'target' },
    })
    await commit(disk, { ...base, branch: 'source', trees: [{ directory: source }] })
    for (const [args, modifier] of [
      [['--owner-uid=77'], { ownerUid: 77 }],
      [['--canonical-permissions'], { canonicalPermissions: true }],
      [['--no-xattrs', '--owner-gid=5'], { noXattrs: true, ownerGid: 5 }],
    ] as const) {
      const fixed = ['--orphan', '--timestamp=@1', '--no-bindings', '--tree=ref=source']
      const theirs = run('ostree', ['commit', '--repo', path, ...fixed, ...args]).trim()
      const options = { timestamp: 1n, orphan: true, bindings: false, trees: [{ rev: 'source' }], modifier }
      expect((await commit(disk, options)).commit).toBe(theirs)
    }
    await disk.close()
  })
})
