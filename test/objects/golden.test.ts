/** Objects that ostree wrote, read and written on both platforms. */
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, equalBytes, toHex } from '../../src/bytes.ts'
import {
  Commit,
  checksumFile,
  checksumMeta,
  contentChecksum,
  createFileHasher,
  createFileVerifier,
  DirMeta,
  DirTree,
  decodeFileHeader,
  decodeFilezHeader,
  decodeOstreeMeta,
  decodeSizes,
  EMPTY_TREE,
  encodeFileHeader,
  encodeFilezHeader,
  encodeOstreeMeta,
  encodeSizes,
  type FileHeader,
  FileHeaderCache,
  isSymlink,
  loosePath,
  parseLoosePath,
  sortXattrs,
  validateFileHeader,
  validateMeta,
  verifyFile,
  type Xattrs,
} from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { goldenJson } from '../support/golden.ts'

const platforms = [nodePlatform, portablePlatform]

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function xattrsOf(base64Values: Record<string, string>): Xattrs {
  return Object.entries(base64Values).map(([name, value]) => [encodeUtf8(name), base64(value)])
}

interface FileVector {
  path: string
  uid: number
  gid: number
  mode: number
  symlink: string
  xattrs_b64: Record<string, string>
  content_b64: string
  checksum: Checksum
  checksum_ignore_xattrs: Checksum
}

interface LooseObject {
  loose_path: string
  data_b64: string
}

interface RepoFile {
  path: string
  content_b64?: string
  xattrs_b64?: Record<string, string>
}

const codecs = { commit: Commit, dirtree: DirTree, dirmeta: DirMeta }

describe.each(platforms)('objects on the platform $name', (platform) => {
  describe('files of a tree', () => {
    const vectors = goldenJson<FileVector[]>('core/file-checksums.json')
    const cache = new FileHeaderCache()

    test.each(vectors)('the file $path has the checksum that ostree gives it', (vector) => {
      const { uid, gid, mode, symlink: target, checksum } = vector
      // libostree ignores extended attributes without a value when it reads a file from disk.
      const xattrs = sortXattrs(xattrsOf(vector.xattrs_b64).filter(([, value]) => value.length > 0))
      const header: FileHeader = { uid, gid, mode, target, xattrs }
      const body = base64(vector.content_b64)
      expect(checksumFile(platform, header, body)).toBe(checksum)
      expect(checksumFile(platform, header, body, cache)).toBe(checksum)
      expect(checksumFile(platform, { ...header, xattrs: [] }, body)).toBe(vector.checksum_ignore_xattrs)

      const hasher = createFileHasher(platform, header)
      hasher.update(body.subarray(0, 5))
      hasher.update(body.subarray(5))
      expect(hasher.digest()).toBe(checksum)
      verifyFile(platform, header, body, checksum)
    })
  })

  describe.each(['core/objects-archive.json', 'core/commits-objects.json'])('objects of %s', (file) => {
    const objects = goldenJson<LooseObject[]>(file)

    test.each(objects)(
      'the object $loose_path is valid, and is decoded and encoded to the same bytes',
      ({ loose_path, data_b64 }) => {
        const bytes = base64(data_b64)
        const name = parseLoosePath(loose_path.slice('objects/'.length))
        if (name === undefined) throw new Error(`no name in ${loose_path}`)
        const { checksum, type, compressed } = name
        expect(loosePath(name, true)).toBe(loose_path)
        if (type === 'file') {
          expect(compressed).toBe(true)
          expectFilez(bytes, checksum)
          return
        }
        if (type !== 'commit' && type !== 'dirtree' && type !== 'dirmeta') {
          expect(type).toBe('commitmeta')
          return
        }
        expect(checksumMeta(platform, bytes)).toBe(checksum)
        validateMeta(type, bytes)
        // A codec accepts the values that it decoded.
        const codec = codecs[type] as typeof DirTree
        expect(toHex(codec.encode(codec.decode(bytes)))).toBe(toHex(bytes))
      },
    )
  })

  function expectFilez(bytes: Uint8Array, checksum: Checksum): FileHeader {
    const { info, bodyOffset } = decodeFilezHeader(bytes)
    const { header, size } = info
    validateFileHeader(header, 'sorted')
    expect(toHex(encodeFilezHeader(info))).toBe(toHex(bytes.subarray(0, bodyOffset)))
    const packed = bytes.subarray(bodyOffset)
    if (isSymlink(header)) expect(packed.length).toBe(0)
    const body = isSymlink(header) ? packed : platform.inflateRaw(packed, size)
    expect(checksumFile(platform, header, body)).toBe(checksum)
    return header
  }

  test('a file has the same checksum and content at every level of compression', () => {
    const { inputs, objects } = goldenJson<{
      inputs: { name: string; content_b64: string }[]
      objects: (LooseObject & { level: number })[]
    }>('core/filez-levels.json')
    expect(new Set(objects.map(({ level }) => level)).size).toBe(9)
    for (const { loose_path, data_b64 } of objects) {
      const name = parseLoosePath(loose_path.slice('objects/'.length))
      const bytes = base64(data_b64)
      expectFilez(bytes, name?.checksum as Checksum)
      const { info, bodyOffset } = decodeFilezHeader(bytes)
      const body = platform.inflateRaw(bytes.subarray(bodyOffset), info.size)
      expect(inputs.some(({ content_b64 }) => equalBytes(base64(content_b64), body))).toBe(true)
    }
  })

  test('a file of a bare-user repository has the owner and mode of its attribute', () => {
    const { files } = goldenJson<Record<string, { files: RepoFile[] }>>('core/repo-modes.json')['bare-user'] as {
      files: RepoFile[]
    }
    let seen = 0
    for (const { path, content_b64, xattrs_b64 } of files) {
      const name = parseLoosePath(path.replace('objects/', ''))
      if (name?.type !== 'file') continue
      const meta = base64(xattrs_b64?.['user.ostreemeta'] as string)
      const content = base64(content_b64 as string)
      const target = new TextDecoder().decode(content.subarray(0, -1))
      const header = decodeOstreeMeta(meta, (decodeOstreeMeta(meta).mode & 0o170000) === 0o120000 ? target : '')
      expect(checksumFile(platform, header, content)).toBe(name.checksum)
      expect(toHex(encodeOstreeMeta(header))).toBe(toHex(meta))
      seen++
    }
    expect(seen).toBeGreaterThan(20)
  })

  test('a commit has the content checksum and parent that `ostree show` prints', () => {
    const { commits } = goldenJson<{ commits: { commit_b64: string; checksum: Checksum; show: string }[] }>(
      'core/commits.json',
    )
    expect(commits.length).toBe(22)
    for (const { commit_b64, checksum, show } of commits) {
      const bytes = base64(commit_b64)
      expect(checksumMeta(platform, bytes)).toBe(checksum)
      validateMeta('commit', bytes)
      const commit = Commit.decode(bytes)
      expect(toHex(Commit.encode(commit))).toBe(toHex(bytes))
      expect(show).toContain(`ContentChecksum:  ${contentChecksum(platform, commit)}\n`)
      if (commit.parent !== undefined) expect(show).toContain(`Parent:  ${commit.parent}\n`)
    }
  })

  test('the empty tree has the checksum EMPTY_TREE', () => {
    const bytes = DirTree.encode({ files: [], dirs: [] })
    expect([...bytes]).toEqual([0])
    expect(checksumMeta(platform, bytes)).toBe(EMPTY_TREE)
  })

  test('the metadata of a directory of root with mode 0755 has the well-known checksum', () => {
    const bytes = DirMeta.encode({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] })
    expect(toHex(bytes)).toBe('0000000000000000000041ed')
    expect(checksumMeta(platform, bytes)).toBe('446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488')
  })
})

test('the metadata `ostree.sizes` of a commit has the sizes of its objects', () => {
  const { commits } = goldenJson<{ commits: { description: string; commit_b64: string }[] }>('core/commits.json')
  const found = commits.find(({ description }) => description === 'generate-sizes')
  const { metadata } = Commit.decode(base64(found?.commit_b64 as string))
  const sizes = decodeSizes(metadata)
  expect(sizes.length).toBeGreaterThan(30)
  expect(new Set(sizes.map(({ type }) => type))).toEqual(new Set(['file', 'dirtree', 'dirmeta']))
  const variant = metadata.find(([key]) => key === 'ostree.sizes')?.[1]
  expect(encodeSizes(sizes.toReversed())).toEqual({ type: 'aay', bytes: variant?.bytes })

  const objects = new Map(
    goldenJson<LooseObject[]>('core/objects-archive.json').map(({ loose_path, data_b64 }) => [
      parseLoosePath(loose_path.slice(8))?.checksum,
      base64(data_b64),
    ]),
  )
  for (const { checksum, type, archived, unpacked } of sizes) {
    const bytes = objects.get(checksum)
    if (bytes === undefined) continue
    expect(archived).toBe(bytes.length)
    if (type !== 'file') expect(unpacked).toBe(bytes.length)
    else {
      const { header, size } = decodeFilezHeader(bytes).info
      expect(unpacked).toBe(isSymlink(header) ? encodeUtf8(header.target).length : size)
    }
  }
})

test('an object stream starts with the framed header that is hashed', () => {
  const header: FileHeader = { uid: 1, gid: 2, mode: 0o100644, target: '', xattrs: [] }
  const framed = encodeFileHeader(header)
  const stream = new Uint8Array([...framed, 1, 2, 3])
  expect(decodeFileHeader(stream)).toEqual({ header, bodyOffset: framed.length })
})

test('a file verifies whether its xattrs were hashed in the order of a tar file or sorted', () => {
  // For a tar file with the records user.a and user.z, libarchive gives ostree the last record first.
  const z = [encodeUtf8('user.z'), encodeUtf8('1')] as const
  const a = [encodeUtf8('user.a'), encodeUtf8('2')] as const
  const header: FileHeader = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [z, a] }
  const body = encodeUtf8('content')
  for (const platform of platforms) {
    for (const hashed of [header, { ...header, xattrs: [a, z] }]) {
      const checksum = checksumFile(platform, hashed, body)
      verifyFile(platform, header, body, checksum)
      const verifier = createFileVerifier(platform, header, checksum)
      verifier.update(body)
      verifier.finish()
      expect(() => verifyFile(platform, header, encodeUtf8('other'), checksum)).toThrow(
        `Corrupted file object; checksum expected='${checksum}'`,
      )
    }
  }
})
