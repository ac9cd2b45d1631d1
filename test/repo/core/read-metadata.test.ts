import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { FormatError, ObjectNotFoundError } from '../../../src/errors.ts'
import { DirMeta, DirTree, S_IFDIR } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { DirMetaReader } from '../../../src/repo/core/read-metadata.ts'
import { createMemoryStorage, MutableTree, Repo } from '../../../src/repo/index.ts'

const A = 'a'.repeat(64) as Checksum
const file = (name: string) => ({ name, checksum: A })
const dir = (name: string) => ({ name, tree: A, meta: A })

async function store(type: 'dirtree' | 'dirmeta' | 'commit', bytes: Uint8Array): Promise<[Repo, Checksum]> {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  return [repo, await repo.transaction(async (tx) => tx.writeMeta(type, bytes))]
}

describe('reading metadata objects', () => {
  test('a dirtree is read as it was written', async () => {
    const tree = { files: [file('a'), file('b')], dirs: [dir('aa'), dir('c')] }
    const [repo, checksum] = await store('dirtree', DirTree.encode(tree))
    expect(await repo.readDirTree(checksum)).toEqual(tree)
  })

  test('a dirtree whose names are sorted by bytes, and not by UTF-16, is valid', async () => {
    const tree = { files: [file('\uff41'), file('\u{1f600}')], dirs: [] }
    const [repo, checksum] = await store('dirtree', DirTree.encode(tree))
    expect(await repo.readDirTree(checksum)).toEqual(tree)
  })

  test.each<[string, DirTree, string]>([
    ['unsorted files', { files: [file('b'), file('a')], dirs: [] }, 'Incorrectly sorted filename (prev=b, cur=a)'],
    ['unsorted directories', { files: [], dirs: [dir('b'), dir('a')] }, 'Incorrectly sorted filename (prev=b, cur=a)'],
    ['a file twice', { files: [file('a'), file('a')], dirs: [] }, 'Duplicate filename a'],
    ['a directory twice', { files: [], dirs: [dir('a'), dir('a')] }, 'Duplicate filename a'],
    ['a file that is a directory', { files: [file('a'), file('b')], dirs: [dir('b')] }, 'Duplicate filename b'],
    ['a slash', { files: [file('a/b')], dirs: [] }, 'Invalid / in filename a/b'],
    ['itself', { files: [], dirs: [dir('.')] }, "Invalid self-referential filename '.'"],
    ['its parent', { files: [], dirs: [dir('..')] }, "Invalid path uplink filename '..'"],
  ])('a dirtree with %s is refused, also as a MutableTree', async (_, tree, message) => {
    const [repo, checksum] = await store('dirtree', DirTree.encode(tree))
    const error = new FormatError('dirtree', `${checksum}.dirtree: ${message}`)
    await expect(repo.readDirTree(checksum)).rejects.toMatchObject({ message: error.message, code: 'corrupt' })
    const used = MutableTree.from(repo.objects, { tree: checksum, meta: A })
    await expect(used.load()).rejects.toThrow(error.message)
  })

  test.each(['dirtree', 'dirmeta', 'commit'] as const)('bytes that are not a %s are corrupt', async (type) => {
    const [repo, checksum] = await store(type, Uint8Array.of(1, 2, 3))
    const read: Record<string, (of: Checksum) => Promise<unknown>> = {
      dirtree: (of) => repo.readDirTree(of),
      dirmeta: (of) => repo.readDirMeta(of),
      commit: (of) => repo.readCommit(of),
    }
    await expect(read[type]?.(checksum)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining(`${checksum}.${type}: `),
    })
  })

  test('a missing object is an ObjectNotFoundError', async () => {
    const [repo] = await store('dirtree', Uint8Array.of(0))
    await expect(repo.readDirTree(A)).rejects.toThrow(new ObjectNotFoundError(`${A}.dirtree`))
    await expect(repo.readCommit(A)).rejects.toThrow(`No such metadata object ${A}.commit`)
  })
})

describe('DirMetaReader', () => {
  test('an object is read only once while the cache has space', async () => {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const metas = Array.from({ length: 300 }, (_, uid) => ({ uid, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }))
    const checksums = await repo.transaction((tx) =>
      Promise.all(metas.map((meta) => tx.writeMeta('dirmeta', DirMeta.encode(meta)))),
    )
    let reads = 0
    const reader = new DirMetaReader({
      has: (name) => repo.objects.has(name),
      statFile: (checksum) => repo.objects.statFile(checksum),
      readFile: (checksum) => repo.objects.readFile(checksum),
      readAttached: (type, commit) => repo.objects.readAttached(type, commit),
      readMeta(type, checksum) {
        reads++
        return repo.objects.readMeta(type, checksum)
      },
    })
    for (const round of [1, 2]) {
      for (const [i, checksum] of checksums.slice(0, 200).entries())
        expect(await reader.read(checksum)).toEqual(metas[i])
      expect(reads, `round ${round}`).toBe(200)
    }
    for (const [i, checksum] of checksums.entries()) expect(await reader.read(checksum)).toEqual(metas[i])
    expect(reads).toBe(300)
    await expect(reader.read(A)).rejects.toThrow(ObjectNotFoundError)
  })
})
