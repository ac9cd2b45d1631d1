/** Tests of commits as tar streams, compared with the streams of ostree-ext. */
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, decodeUtf8, encodeUtf8, equalBytes, fromHex } from '../../../src/bytes.ts'
import { exportCommit, exportTree } from '../../../src/container/encapsulate/tar-export.ts'
import { newChunking } from '../../../src/container/index.ts'
import { importCommitLayer } from '../../../src/container/ostree-tar/ostree-tar.ts'
import { DirTree } from '../../../src/objects/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import {
  commitRoot,
  type RepoMode,
  SMALL_FILE,
  type Transaction,
  traverseCommit,
  writeCommit,
} from '../../../src/repo/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import {
  anyTree,
  type Directory,
  directory,
  file,
  storeCommit,
  storeTree,
  symlink,
} from '../../../src/testing/index.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { collect, entriesOf, exported, memoryRepo, once, repoFrom } from '../tar-kit.ts'

interface GoldenExport {
  readonly commit: Checksum
  readonly tar_sha256: string
}
const GOLDEN = goldenJson<GoldenExport>('container/exampleos-export.json')
const FIXTURE = goldenJson<{ content_checksum: string }>('container/fixture-commit.json')
const goldenTar = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-export.tar.gz')))

async function commitOf(tree: Directory) {
  const repo = await memoryRepo()
  return { repo, commit: await repo.transaction((tx) => storeCommit(tx, tree)) }
}

/** Stores a commit with 2 ** depth directories, made of a few objects. */
async function storeBomb(tx: Transaction, depth: number): Promise<Checksum> {
  const { tree: leaf, meta } = await storeTree(tx, directory())
  let tree = leaf
  for (let i = 0; i < depth; i++) {
    const dirs = ['left', 'right'].map((name) => ({ name, tree, meta }))
    tree = await tx.writeMeta('dirtree', DirTree.encode({ files: [], dirs }))
  }
  return writeCommit(tx, { root: { tree, meta }, timestamp: 0n })
}

describe('a commit as a tar stream', () => {
  test('importing an empty stream fails, as it has no commit (case E1)', async () => {
    await expect(repoFrom(new Uint8Array(0))).rejects.toThrow('Commit object not found')
    await expect(repoFrom(new Uint8Array(1024))).rejects.toThrow('Commit object not found')
  })

  test.each<[RepoMode, Platform]>([
    ['archive', nodePlatform],
    ['bare', nodePlatform],
    ['bare-user', nodePlatform],
    ['bare-user', portablePlatform],
  ])('the stream exported from mode %s equals that of ostree-ext, each time (case E2)', async (...setup) => {
    const repo = await repoFrom(goldenTar, ...setup)
    const first = await exported(repo, GOLDEN.commit)
    expect(nodePlatform.sha256(first)).toBe(GOLDEN.tar_sha256)
    expect(nodePlatform.sha256(await exported(repo, GOLDEN.commit))).toBe(GOLDEN.tar_sha256)
  })

  test.each(['directory', 'single file'])(
    'the stream exported from a %s on disk is the same (case E2)',
    async (kind) => {
      const folder = temporaryFolder('disk')
      try {
        const path = join(folder, kind === 'directory' ? 'repo' : 'repo.sqlite')
        await using repo = await createRepo(path, { mode: 'archive' })
        await repo.transaction((tx) => importCommitLayer(repo, tx, once(goldenTar)))
        expect(nodePlatform.sha256(await exported(repo, GOLDEN.commit))).toBe(GOLDEN.tar_sha256)
      } finally {
      }
    },
  )

  test('the stream has a repository, and files as hard links into it (case E3)', async () => {
    const entries = entriesOf(await exported(await repoFrom(goldenTar), GOLDEN.commit))
    const byPath = new Map(entries.map((entry) => [entry.path, entry]))
    expect(byPath.size).toBe(entries.length)
    const repository = entries.filter(({ path, type }) => type === 'directory' && path.startsWith('sysroot'))
    expect(repository).toHaveLength(4 + 256 + 8)
    for (const { uid, gid, mode } of repository) expect([uid, gid, mode]).toEqual([0, 0, 0o755])
    expect(byPath.get('boot')?.type).toBe('directory')
    expect(byPath.get('usr/lib/emptyfile')).toMatchObject({ type: 'file', size: 0, linkPath: '' })
    expect(byPath.get('usr/bin/bash')).toMatchObject({ type: 'hardlink', mode: 0o755 })
    const target = byPath.get('usr/bin/hardlink-a')?.linkPath
    expect(target).toMatch(/^sysroot\/ostree\/repo\/objects\/..\/.{62}\.file$/)
    expect(byPath.get('usr/bin/hardlink-b')?.linkPath).toBe(target)
    expect(byPath.get('var/tmp')).toMatchObject({ type: 'directory', mode: 0o1777 })
    const arping = byPath.get(
      'sysroot/ostree/repo/objects/b0/48a4f451e9fdfaaec911c1fe07d5d1d39be02f932b827c25458d3b15ae589e.file',
    )
    expect(arping?.pax.map(({ key }) => key)).toEqual(['SCHILY.xattr.security.capability'])
  })

  test('the stream is imported as the same commit, with its detached metadata (case E4)', async () => {
    const first = await repoFrom(goldenTar)
    const repo = await repoFrom(await exported(first, GOLDEN.commit))
    const { objects } = repo
    for await (const name of traverseCommit(repo, GOLDEN.commit)) expect(await objects.has(name)).toBe(true)
    const { rootTree, rootMeta } = await repo.readCommit(GOLDEN.commit)
    expect(nodePlatform.sha256(fromHex(rootTree), fromHex(rootMeta))).toBe(FIXTURE.content_checksum)
    const [[key, value] = []] = await repo.readDetachedMetadata(GOLDEN.commit)
    expect([key, decodeUtf8(value?.bytes ?? new Uint8Array(0))]).toEqual(['my-detached-key', 'my-detached-value\0'])
  })

  test('the stream keeps signatures, byte for byte (case E5)', async () => {
    const signed = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-signed-export.tar.gz')))
    expect(equalBytes(await exported(await repoFrom(signed), GOLDEN.commit), signed)).toBe(true)
  })

  test('a random commit is exported and imported with all its objects', async () => {
    const check = async (tree: Directory) => {
      const { repo, commit } = await commitOf(tree)
      const tar = await exported(repo, commit)
      const copy = await repoFrom(tar, 'archive')
      for await (const name of traverseCommit(repo, commit)) expect(await copy.objects.has(name)).toBe(true)
      expect(equalBytes(await exported(copy, commit), tar)).toBe(true)
    }
    await fc.assert(fc.asyncProperty(anyTree(), check), { numRuns: 60 })
  })

  test('a tree may have names, targets, ids and sizes that do not fit into a header', async () => {
    const long = 'ü'.repeat(60)
    const tree = directory({
      [long]: directory({ [`${long}a`]: file('deep'), [`${long}.`]: symlink(`${long}/`.repeat(9)) }, { uid: 2 ** 31 }),
      usr: directory({ etc: directory({ ['x'.repeat(99)]: file('1', { gid: 2097152 }) }) }),
      links: directory({
        a: symlink('a/./b'),
        b: symlink('a//b'),
        c: symlink('./x/'),
        d: symlink('/'),
        e: symlink('.'),
      }),
      large: file(new Uint8Array(3 * SMALL_FILE + 7).map((_, i) => i * 31)),
    })
    const { repo, commit } = await commitOf(tree)
    const tar = await exported(repo, commit)
    const names = entriesOf(tar).map(({ path }) => path)
    expect(names).toContain(`./${long}/${long}a`)
    expect(names).toContain(`etc/${'x'.repeat(99)}`.replace(/^etc/, './etc'))
    expect(equalBytes(await exported(await repoFrom(tar), commit), tar)).toBe(true)
  })

  test('objects below /sysroot of a commit are in the stream, though their paths are not', async () => {
    const inside = directory({ ostree: directory({ note: file('kept') }, { mode: 0o711 }) }, { mode: 0o700 })
    const { repo, commit } = await commitOf(directory({ sysroot: inside, usr: directory() }))
    const tar = await exported(repo, commit)
    expect(entriesOf(tar).map(({ path }) => path)).not.toContain('sysroot/ostree/note')
    const copy = await repoFrom(tar)
    for await (const name of traverseCommit(copy, commit)) expect(await copy.objects.has(name)).toBe(true)
  })

  test('a tree with a /var/tmp of its own keeps its metadata', async () => {
    const { repo, commit } = await commitOf(directory({ var: directory({ tmp: directory({}, { mode: 0o1770 }) }) }))
    const found = entriesOf(await exported(repo, commit)).filter(({ path }) => path === 'var/tmp')
    expect(found.map(({ mode }) => mode)).toEqual([0o1770])
  })

  test('a tree whose few objects unfold to a huge number of paths is rejected', async () => {
    const repo = await memoryRepo()
    const commit = await repo.transaction((tx) => storeBomb(tx, 40))
    await expect(collect(exportCommit(repo, commit, { maxEntries: 1000 }))).rejects.toThrow('entries to export')
    await expect(newChunking(repo, commit, 1000)).rejects.toThrow('paths of a commit')
    const root = await commitRoot(repo.objects, commit)
    await expect(collect(exportTree(repo, root, { maxEntries: 1000 }))).rejects.toThrow('entries to export')
  })

  test('exporting fails with an error that names a missing object, and stops on abort', async () => {
    const { repo, commit } = await commitOf(directory({ a: file('1') }))
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(collect(exportCommit(repo, commit, { signal: aborted }))).rejects.toThrow('enough')
    for await (const name of repo.objects.list('file')) {
      await repo.objects.delete(name)
      await expect(exported(repo, commit)).rejects.toThrow(/^Exporting commit: .*/)
      await expect(exported(repo, commit)).rejects.toThrow(name.checksum)
    }
  })
})

describe('a tree as an ordinary archive', () => {
  test('an exported tree has files before directories, /etc instead of /usr/etc, and no objects', async () => {
    const tree = directory({
      b: file('2', { xattrs: [[encodeUtf8('user.x'), encodeUtf8('y')]] }),
      a: directory({ '.wh.gone': file() }, { mode: 0o700 }),
      usr: directory({ etc: directory({ conf: file('1') }), link: symlink('etc') }),
    })
    const { repo, commit } = await commitOf(tree)
    const entries = entriesOf(await collect(exportTree(repo, await commitRoot(repo.objects, commit))))
    expect(entries.map(({ path, type }) => [path, type])).toEqual([
      ['b', 'file'],
      ['a', 'directory'],
      ['a/.wh.gone', 'file'],
      ['usr', 'directory'],
      ['usr/link', 'symlink'],
      ['etc', 'directory'],
      ['etc/conf', 'file'],
    ])
    expect(entries[0]?.pax.map(({ key }) => key)).toEqual(['SCHILY.xattr.user.x'])
  })
})

describeReference(['ostree', 'tar'], 'an exported stream, unpacked by tar', () => {
  test('an unpacked stream has a repository that ostree reads, and the files', async () => {
    const folder = temporaryFolder('disk')
    try {
      run('tar', ['-x', '--no-same-owner', '-C', folder], {
        input: await exported(await repoFrom(goldenTar), GOLDEN.commit),
      })
      const repo = `--repo=${join(folder, 'sysroot/ostree/repo')}`
      expect(run('ostree', ['show', repo, GOLDEN.commit])).toContain(GOLDEN.commit)
      expect(run('ostree', ['ls', repo, '-R', GOLDEN.commit])).toContain('/usr/lib/modules/5.10.18-200.x86_64')
      expect(readdirSync(join(folder, 'usr/lib/modules'))).toEqual(['5.10.18-200.x86_64'])
      expect(readlinkSync(join(folder, 'usr/bin/sh'))).toBe('bash')
    } finally {
    }
  })
})
