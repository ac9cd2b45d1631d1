import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8, readAll } from '../../../src/bytes.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import {
  importCommitLayer,
  importObjectSet,
  writeObjectSetCommit,
} from '../../../src/container/ostree-tar/ostree-tar.ts'
import { ChecksumMismatchError, LimitError, OstreeError, TarFormatError } from '../../../src/errors.ts'
import {
  Commit,
  checksumFile,
  DirMeta,
  DirTree,
  type FileHeader,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  Xattrs,
} from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, SMALL_FILE } from '../../../src/repo/index.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'

const REPO = 'sysroot/ostree/repo'
const LAYER = `sha256:${'ab'.repeat(32)}` as Digest
const xattrs: Xattrs = [[encodeUtf8('user.a'), encodeUtf8('b')]]
const xattrBytes = Xattrs.encode(xattrs)
const xattrSum = nodePlatform.sha256(xattrBytes)

const at = (checksum: string, type: string) => `${REPO}/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}`
const file = (path: string, body: Uint8Array, more: Partial<TarEntry> = {}): TarEntry => ({ path, body, ...more })
const link = (path: string, linkPath: string): TarEntry => ({ path, linkPath, type: 'hardlink' })

function regular(content: Uint8Array, header: Partial<FileHeader> = {}) {
  const full: FileHeader = { uid: 1, gid: 2, mode: S_IFREG | 0o640, target: '', xattrs, ...header }
  const checksum = checksumFile(nodePlatform, full, content)
  return {
    checksum,
    header: full,
    entry: file(at(checksum, 'file'), content, { mode: full.mode & 0o7777, uid: full.uid, gid: full.gid }),
  }
}
const one = regular(encodeUtf8('one'))
const two = regular(encodeUtf8('two'))

/** Returns the entries of one file, preceded by those of its xattrs. */
const withXattrs = ({ checksum, entry }: { checksum: Checksum; entry: TarEntry }) => [
  file(at(checksum, 'file-xattrs-link'), xattrBytes),
  entry,
]

const meta = DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] })
const metaSum = nodePlatform.sha256(meta)
const tree = DirTree.encode({ files: [], dirs: [] })
const treeSum = nodePlatform.sha256(tree)
const commit = Commit.encode({
  metadata: [],
  parent: undefined,
  related: [],
  subject: '',
  body: '',
  timestamp: 0n,
  rootTree: treeSum,
  rootMeta: metaSum,
})
const commitSum = nodePlatform.sha256(commit)
const COMMIT = file(at(commitSum, 'commit'), commit)
const META = file(at(metaSum, 'dirmeta'), meta)
const TREE = file(at(treeSum, 'dirtree'), tree)

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size)
  for (let from = 0; from < bytes.length; from += size) {
    const part = bytes.subarray(from, from + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xee)
  }
}

async function take(kind: 'set' | 'commit', entries: readonly TarEntry[] | Uint8Array, chunk = 1000) {
  const bytes = entries instanceof Uint8Array ? entries : await readAll(packTar(entries))
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode: 'bare-user' }), nodePlatform)
  const result = await repo.transaction(async (tx): Promise<Checksum[]> => {
    const options = { layer: LAYER }
    if (kind === 'set') return [...(await importObjectSet(repo, tx, inChunks(bytes, chunk), options))]
    return [(await importCommitLayer(repo, tx, inChunks(bytes, chunk), options)).commit]
  })
  return { repo, result }
}

describe('an object set', () => {
  test.each([7, 1 << 20])(
    'the files of a set are stored under their checksums, read %i bytes at a time',
    async (chunk) => {
      const big = regular(new Uint8Array(SMALL_FILE + 5).fill(7))
      const empty = regular(new Uint8Array(0), { uid: 9 })
      const symlink = regular(new Uint8Array(0), { mode: S_IFLNK | 0o777, target: '../a//b' })
      const symlinkEntry: TarEntry = {
        path: at(symlink.checksum, 'file'),
        type: 'symlink',
        linkPath: '../a//b',
        mode: 0o600,
        uid: 1,
        gid: 2,
      }
      const { repo, result } = await take(
        'set',
        [
          ...withXattrs(one),
          ...(chunk > 1000 ? withXattrs(big) : withXattrs(two)),
          ...withXattrs(empty),
          ...withXattrs({ ...symlink, entry: symlinkEntry }),
          // Entries outside the object store are ignored.
          link('usr/bin/one', at(one.checksum, 'file')),
          file('usr/empty', new Uint8Array(0)),
          file(`${REPO}/config`, encodeUtf8('[core]')),
          file(`${REPO}/refs/heads/x`, encodeUtf8('x')),
        ],
        chunk,
      )
      expect(result).toEqual([one.checksum, (chunk > 1000 ? big : two).checksum, empty.checksum, symlink.checksum])
      const stored = await repo.objects.readFile(one.checksum)
      expect(stored.header).toEqual(one.header)
      expect(await readAll(stored.body)).toEqual(encodeUtf8('one'))
      expect((await repo.objects.statFile(symlink.checksum)).header).toEqual(symlink.header)
    },
  )

  test('files of a set may share xattrs by hard links, in both versions of the format', async () => {
    const shared = file(at(xattrSum, 'file-xattrs'), xattrBytes)
    const version1 = [shared, link(at(one.checksum, 'file-xattrs-link'), at(xattrSum, 'file-xattrs')), one.entry]
    expect((await take('set', version1)).result).toEqual([one.checksum])
    const relative = link(
      at(one.checksum, 'file-xattrs-link'),
      `../${xattrSum.slice(0, 2)}/${xattrSum.slice(2)}.file-xattrs`,
    )
    expect((await take('set', [shared, relative, one.entry])).result).toEqual([one.checksum])
    const version0 = [
      file(`${REPO}/xattrs/${xattrSum}`, xattrBytes),
      link(at(one.checksum, 'file.xattrs'), `../../xattrs/${xattrSum}`),
      one.entry,
    ]
    expect((await take('set', version0)).result).toEqual([one.checksum])
  })

  test('paths of objects may have redundant components', async () => {
    const path = at(one.checksum, 'file').replaceAll('/', '/.//')
    const link = at(one.checksum, 'file-xattrs-link').replace('objects/', 'objects//')
    expect((await take('set', [file(link, xattrBytes), { ...one.entry, path }])).result).toEqual([one.checksum])
    // Paths that start with ./ or / are files of the tree, not objects.
    for (const lead of ['./', '/']) {
      expect((await take('set', [{ ...one.entry, path: `${lead}${one.entry.path}` }])).result).toEqual([])
    }
  })

  const content = `Processing content object ${one.checksum}: `
  const linked = file(at(one.checksum, 'file-xattrs-link'), xattrBytes)
  test.each<[string, TarEntry[], string]>([
    ['a file without xattrs', [one.entry], `${content}Missing xattrs reference`],
    ['xattrs of another file', [linked, two.entry], `Object mismatch, found xattrs for ${one.checksum}`],
    [
      'xattrs without a file',
      [linked, ...withXattrs(two)],
      `Found previous dangling xattrs for file object '${one.checksum}'`,
    ],
    ['the same file twice', [...withXattrs(one), ...withXattrs(one)], `Duplicate object: ${one.checksum}`],
    ['metadata', [META], `Found metadata object ${metaSum}.DirMeta in object set mode`],
    ['a commit', [COMMIT], `Found metadata object ${commitSum}.Commit in object set mode`],
    [
      'a link to missing xattrs',
      [link(at(one.checksum, 'file-xattrs-link'), at(xattrSum, 'file-xattrs')), one.entry],
      `${content}Failed to find xattrs content ${xattrSum}`,
    ],
    [
      'xattrs under a wrong name',
      [file(at(one.checksum, 'file-xattrs'), xattrBytes)],
      `Checksum mismatch, expected '${one.checksum}' but computed '${xattrSum}'`,
    ],
    [
      'xattrs of version 0 that are not a link',
      [file(at(one.checksum, 'file.xattrs'), xattrBytes)],
      `Non-hardlink xattrs reference found for ${one.checksum}`,
    ],
    [
      'xattrs that are a symbolic link',
      [{ path: at(one.checksum, 'file-xattrs-link'), type: 'symlink', linkPath: 'x' }],
      `Unexpected xattrs type 'symlink' found for ${one.checksum}`,
    ],
    ['a pipe', [linked, { path: at(one.checksum, 'file'), type: 'fifo' }], `${content}Invalid tar entry of type fifo`],
    ['an object of unknown type', [file(at(one.checksum, 'filez'), new Uint8Array(0))], 'Invalid object type filez'],
    [
      'an object name without parent directory',
      [file(`${REPO}/objects/x.file`, new Uint8Array(0))],
      'Invalid path (no parent) x.file',
    ],
    [
      'a parent directory of three letters',
      [file(`${REPO}/objects/abc/x.file`, new Uint8Array(0))],
      'Invalid checksum parent abc',
    ],
    ['an object name without type', [file(`${REPO}/objects/ab/x`, new Uint8Array(0))], 'Invalid objpath ab/x'],
    ['a short object name', [file(`${REPO}/objects/ab/x.file`, new Uint8Array(0))], 'Invalid checksum part x'],
    [
      'an object name in capitals',
      [file(at('AB'.repeat(32), 'file'), new Uint8Array(0))],
      `Invalid sha256 checksum ${'AB'.repeat(32)}`,
    ],
    ['xattrs with a short name', [file(`${REPO}/xattrs/ab`, new Uint8Array(0))], 'Invalid sha256 checksum (len) ab'],
  ])('a set with %s is rejected (case E9)', async (_, entries, message) => {
    const failure = take('set', entries)
    await expect(failure).rejects.toThrow(TarFormatError)
    await expect(failure).rejects.toThrow(message)
    await expect(failure).rejects.toThrow(`Layer ${LAYER}: Importing object ${REPO}/`)
  })

  test('a file with a wrong checksum is not stored', async () => {
    const lie = { ...two, entry: { ...two.entry, path: at(one.checksum, 'file') } }
    const entries = [file(at(one.checksum, 'file-xattrs-link'), xattrBytes), lie.entry]
    await expect(take('set', entries)).rejects.toThrow(ChecksumMismatchError)
    const big = regular(new Uint8Array(SMALL_FILE + 1))
    const bigLie = { ...big.entry, mode: 0o777 }
    await expect(take('set', [...withXattrs({ ...big, entry: bigLie })], 1 << 20)).rejects.toThrow(
      ChecksumMismatchError,
    )
  })

  test('the size of xattrs in a set is limited', async () => {
    const entries = [file(at(one.checksum, 'file-xattrs-link'), new Uint8Array((1 << 20) + 1))]
    await expect(take('set', entries, 1 << 16)).rejects.toThrow(LimitError)
    await expect(take('set', entries, 1 << 16)).rejects.toThrow('Invalid xattr size 1048577')
  })

  test('an empty set has a commit with a fixed checksum', async () => {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    expect(await repo.transaction((tx) => writeObjectSetCommit(tx, new Set()))).toBe(
      '6109d33e99f48e9b90cdf8ad037b8e5d20ef899697cfd3eb492cf78800aed498',
    )
  })
})

describe('a commit layer', () => {
  test('a commit layer gives the commit with its metadata, in state partial', async () => {
    const detached = file(at(commitSum, 'commitmeta'), new Uint8Array(0))
    for (const entries of [
      [COMMIT, META, TREE],
      [COMMIT, detached, META, TREE, ...withXattrs(one)],
    ]) {
      const { repo, result } = await take('commit', entries)
      expect(result).toEqual([commitSum])
      expect(await repo.commitState(commitSum)).toBe('partial')
      expect(await repo.objects.readMeta('dirmeta', metaSum)).toEqual(meta)
    }
  })

  const importing = 'Importing object'
  test.each<[string, TarEntry[], string]>([
    ['no entries', [], 'Commit object not found'],
    ['no objects', [file('usr/x', encodeUtf8('x'))], 'Commit object not found'],
    ['only the commit', [COMMIT], 'End of stream after commit object'],
    [
      'another object before the commit',
      [META, COMMIT],
      `${importing} ${META.path}: Expected commit object, not dirmeta`,
    ],
    [
      'a symbolic link as commit',
      [{ path: at(commitSum, 'commit'), type: 'symlink', linkPath: 'x' }],
      'Expected regular file for commit object, not symlink',
    ],
    ['two commits', [COMMIT, file(at(metaSum, 'commit'), commit)], 'Found multiple commit objects'],
    [
      'detached metadata after other metadata',
      [COMMIT, META, file(at(commitSum, 'commitmeta'), new Uint8Array(0))],
      'Invalid metadata object type; CommitMeta',
    ],
    [
      'detached metadata of another commit',
      [COMMIT, file(at(metaSum, 'commitmeta'), new Uint8Array(0))],
      `Expected commitmeta checksum ${commitSum}, found ${metaSum}`,
    ],
    [
      'a symbolic link as dirtree',
      [COMMIT, { path: at(treeSum, 'dirtree'), type: 'symlink', linkPath: 'x' }],
      `Invalid non-regular metadata object ${treeSum}`,
    ],
  ])('a commit layer with %s is rejected', async (_, entries, message) => {
    const failure = take('commit', entries)
    await expect(failure).rejects.toThrow(TarFormatError)
    await expect(failure).rejects.toThrow(message)
  })

  test('metadata with a wrong checksum or malformed content is not stored', async () => {
    await expect(take('commit', [file(at(metaSum, 'commit'), commit)])).rejects.toThrow(ChecksumMismatchError)
    const bad = DirTree.encode({ files: [{ name: '..', checksum: one.checksum }], dirs: [] })
    const entry = file(at(nodePlatform.sha256(bad), 'dirtree'), bad)
    await expect(take('commit', [COMMIT, entry])).rejects.toThrow(TarFormatError)
    await expect(take('commit', [file(at(commitSum, 'commit'), encodeUtf8('x'))])).rejects.toThrow(TarFormatError)
  })

  test('the size of metadata in a commit layer is limited', async () => {
    const size = 10 * 1024 * 1024 + 1
    const archive = readAll(packTar([COMMIT, file(at(treeSum, 'dirtree'), new Uint8Array(size))]))
    const message = `object of size ${size} exceeds 10485760 bytes`
    await expect(take('commit', await archive, 1 << 16)).rejects.toThrow(message)
  })
})

test('a damaged stream fails with a typed error or gives the same commit', async () => {
  const archive = await readAll(packTar([COMMIT, META, TREE, ...withXattrs(one), ...withXattrs(two)]))
  await fc.assert(
    fc.asyncProperty(
      fc.nat(archive.length - 1),
      fc.nat(255),
      fc.option(fc.nat(archive.length), { nil: undefined }),
      async (position, value, cut) => {
        const damaged = concatBytes([archive.subarray(0, cut)])
        if (position < damaged.length) damaged[position] = value
        try {
          const { result } = await take('commit', damaged)
          expect(result).toEqual([commitSum])
        } catch (error) {
          expect(error).toBeInstanceOf(OstreeError)
        }
      },
    ),
    { numRuns: 200 },
  )
})
