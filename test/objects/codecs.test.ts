import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8, fromHex, toHex } from '../../src/bytes.ts'
import { FormatError } from '../../src/errors.ts'
import { isNormal, string, u64be, vardict, variantOf } from '../../src/gvariant/index.ts'
import {
  Commit,
  DirMeta,
  DirTree,
  decodeFileHeader,
  decodeFilezHeader,
  decodeOstreeMeta,
  decodeSizes,
  encodeFileHeader,
  encodeFilezHeader,
  encodeOstreeMeta,
  encodeSizes,
  encodeTombstone,
  type FileHeader,
  FileHeaderCache,
  isCanonical,
  type ObjectSize,
  sortXattrs,
  Xattrs,
  xattrsEqual,
} from '../../src/objects/index.ts'
import { framedSize } from '../../src/objects/internal.ts'
import {
  anyChecksum,
  anyCommit,
  anyDamage,
  anyDirMeta,
  anyDirTree,
  anyFileHeader,
  anyMetaObject,
  anyUnsortedXattrs,
  anyXattrs,
} from '../../src/testing/arbitraries/objects.ts'

const anyBytes = fc.uint8Array({ maxLength: 120 })
const file: FileHeader = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }

describe('codecs of metadata objects', () => {
  test('an object is encoded in normal form and decoded to the same values', () => {
    fc.assert(
      fc.property(anyDirMeta, anyDirTree, anyCommit, (meta, tree, commit) => {
        expect(DirMeta.decode(DirMeta.encode(meta))).toEqual(meta)
        expect(DirTree.decode(DirTree.encode(tree))).toEqual(tree)
        expect(Commit.decode(Commit.encode(commit))).toEqual(commit)
      }),
    )
    fc.assert(
      fc.property(anyMetaObject, ({ type, bytes }) => {
        const codec = { commit: Commit, dirtree: DirTree, dirmeta: DirMeta }[type]
        expect(isNormal(codec.type, bytes)).toBe(true)
      }),
    )
  })

  test('the type strings are those of libostree', () => {
    expect(DirMeta.type).toBe('(uuua(ayay))')
    expect(DirTree.type).toBe('(a(say)a(sayay))')
    expect(Commit.type).toBe('(a{sv}aya(say)sstayay)')
    expect(Xattrs.type).toBe('a(ayay)')
  })

  test('any bytes are decoded to values that can be encoded', () => {
    for (const codec of [DirMeta, DirTree, Commit, Xattrs] as (typeof DirTree)[]) {
      fc.assert(fc.property(anyBytes, (bytes) => void codec.encode(codec.decode(bytes))))
    }
    fc.assert(
      fc.property(
        anyMetaObject.chain(({ type, bytes }) => anyDamage(bytes).map((damaged) => ({ type, damaged }))),
        ({ type, damaged }) => {
          const codec = { commit: Commit, dirtree: DirTree, dirmeta: DirMeta }[type] as typeof DirTree
          codec.encode(codec.decode(damaged))
        },
      ),
    )
  })

  test('integers are big-endian', () => {
    const bytes = DirMeta.encode({ uid: 1, gid: 2, mode: 0o40755, xattrs: [] })
    expect(toHex(bytes)).toBe('0000000100000002000041ed')
    const commit = { metadata: [], parent: undefined, related: [], subject: '', body: '', timestamp: 1n }
    const root = toHex(new Uint8Array(32)) as Checksum
    const encoded = Commit.encode({ ...commit, rootTree: root, rootMeta: root })
    expect(toHex(encoded)).toContain(toHex(u64be.encode(1n)))
  })

  test('a tree of ten thousand names has wide offsets and is decoded to the same names', () => {
    const files = Array.from({ length: 10_000 }, (_, i) => ({
      name: `file-${String(i).padStart(5, '0')}`,
      checksum: toHex(new Uint8Array(32).fill(i)) as Checksum,
    }))
    const tree = { files, dirs: [] }
    const bytes = DirTree.encode(tree)
    expect(bytes.length).toBeGreaterThan(0xffff)
    expect(DirTree.decode(bytes)).toEqual(tree)
  })

  test('a tombstone has the checksum of the deleted commit', () => {
    fc.assert(
      fc.property(anyChecksum, (commit) => {
        const entries = vardict.decode(encodeTombstone(commit))
        expect(entries.map(([key, { type }]) => [key, type])).toEqual([['commit', 'ay']])
        expect(entries[0]?.[1].bytes).toEqual(concatBytes([encodeUtf8(commit), Uint8Array.of(0)]))
      }),
    )
  })
})

describe('xattrs', () => {
  test('sortXattrs sorts by name in byte order, and returns a sorted list itself', () => {
    fc.assert(
      fc.property(anyUnsortedXattrs, (xattrs) => {
        const sorted = sortXattrs(xattrs)
        expect(isCanonical(sorted)).toBe(true)
        expect(sortXattrs(sorted)).toBe(sorted)
        expect(sorted.length).toBe(xattrs.length)
        expect(sortXattrs(xattrs.toReversed())).toEqual(sorted)
      }),
    )
    const names = ['user.é', 'user.z', 'user.', 'user.a', 'trusted.x'].map(
      (name) => [encodeUtf8(name), encodeUtf8('')] as const,
    )
    expect(sortXattrs(names).map(([name]) => new TextDecoder().decode(name))).toEqual([
      'trusted.x',
      'user.',
      'user.a',
      'user.z',
      'user.é',
    ])
  })

  test('two equal names are not canonical, and sortXattrs keeps their order', () => {
    const twice: Xattrs = [1, 2].map((value) => [encodeUtf8('user.a'), Uint8Array.of(value)])
    expect(isCanonical(twice)).toBe(false)
    expect(sortXattrs(twice)).toEqual(twice)
  })

  test('two lists are equal if they have the same names and values in the same order', () => {
    fc.assert(
      fc.property(anyXattrs, (xattrs) => {
        expect(xattrsEqual(xattrs, Xattrs.decode(Xattrs.encode(xattrs)))).toBe(true)
        fc.pre(xattrs.length > 0)
        expect(xattrsEqual(xattrs, xattrs.slice(1))).toBe(false)
        expect(
          xattrsEqual(
            xattrs,
            xattrs.map(([name, value]) => [name, concatBytes([value, Uint8Array.of(1)])]),
          ),
        ).toBe(false)
      }),
    )
  })
})

describe('file headers', () => {
  test('a header is framed by its length and padding', () => {
    expect(toHex(encodeFileHeader(file))).toBe(
      ['00000012', '00000000', '00000000', '00000000', '000081a4', '00000000', '00', '11'].join(''),
    )
  })

  test('a header is decoded to the values that were encoded, with and without a size', () => {
    fc.assert(
      fc.property(anyFileHeader, fc.nat({ max: Number.MAX_SAFE_INTEGER }), anyBytes, (header, size, body) => {
        const framed = encodeFileHeader(header)
        expect(decodeFileHeader(concatBytes([framed, body]))).toEqual({ header, bodyOffset: framed.length })
        const info = { header, size: header.target === '' ? size : 0 }
        const filez = encodeFilezHeader(info)
        expect(decodeFilezHeader(concatBytes([filez, body]))).toEqual({ info, bodyOffset: filez.length })
        expect(framedSize(filez.subarray(0, 4), filez.length)).toBe(filez.length)
      }),
    )
  })

  test('a header keeps the order of its xattrs', () => {
    fc.assert(
      fc.property(anyUnsortedXattrs, (xattrs) => {
        const header = { ...file, xattrs }
        expect(decodeFileHeader(encodeFileHeader(header)).header).toEqual(header)
        expect(decodeOstreeMeta(encodeOstreeMeta(header))).toEqual(header)
      }),
    )
  })

  test('any bytes are decoded, or refused with a FormatError', () => {
    const anyFramed = fc.oneof(
      anyBytes,
      anyFileHeader.chain((header) => anyDamage(encodeFileHeader(header))),
      anyFileHeader.chain((header) => anyDamage(encodeFilezHeader({ header, size: 5 }))),
    )
    fc.assert(
      fc.property(anyFramed, (bytes) => {
        for (const decode of [decodeFileHeader, decodeFilezHeader]) {
          try {
            decode(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['00000000' + '00000000' + '00', 'File header size is zero'],
    ['00000002' + '00000000' + '00', 'File header size 2 exceeds size 9'],
    ['ffffffff' + '00000000' + '00', 'File header size 4294967295 exceeds size 9'],
    ['0000', 'truncated'],
  ])('the header %s is refused: %s', (hex, message) => {
    expect(() => decodeFilezHeader(fromHex(hex))).toThrow(message)
  })

  test('a device or a directory is refused with its mode or device number', () => {
    const header = encodeFilezHeader({ header: { ...file, mode: 0o40755 }, size: 0 })
    expect(() => decodeFilezHeader(header)).toThrow('Corrupted archive file; invalid mode 16877')
    const device = encodeFileHeader(file)
    device[8 + 15] = 7
    expect(() => decodeFileHeader(device)).toThrow('Corrupted archive file; invalid rdev 7')
  })

  test('a size that a JavaScript number cannot hold is refused', () => {
    const header = encodeFilezHeader({ header: file, size: 0 })
    header.fill(0xff, 8, 16)
    expect(() => decodeFilezHeader(header)).toThrow('invalid size 18446744073709551615')
  })

  test('a malformed `user.ostreemeta` is read as zeros, as in ostree', () => {
    expect(decodeOstreeMeta(new Uint8Array(3))).toEqual({ ...file, mode: 0 })
  })
})

describe('FileHeaderCache', () => {
  test('a cache of any size returns the bytes of encodeFileHeader', () => {
    for (const limit of [1, 3, 4096]) {
      const cache = new FileHeaderCache(limit)
      fc.assert(
        fc.property(fc.array(anyFileHeader, { maxLength: 8 }), (headers) => {
          for (const header of [...headers, ...headers]) {
            expect(toHex(cache.encode(header))).toBe(toHex(encodeFileHeader(header)))
          }
        }),
      )
    }
  })

  test('equal headers are encoded once, except for those of symbolic links', () => {
    const cache = new FileHeaderCache()
    const xattrs: Xattrs = [[encodeUtf8('user.a'), Uint8Array.of(0xff, 0x81)]]
    expect(cache.encode({ ...file, xattrs })).toBe(cache.encode({ ...file, xattrs: structuredClone(xattrs) }))
    const link = { ...file, mode: 0o120777, target: 'there' }
    expect(cache.encode(link)).not.toBe(cache.encode(link))
  })

  test('xattrs whose names and values are equal only when joined are kept apart', () => {
    const cache = new FileHeaderCache()
    const variants: Xattrs[] = [
      [[encodeUtf8('ab'), encodeUtf8('c')]],
      [[encodeUtf8('a'), encodeUtf8('bc')]],
      [
        [encodeUtf8('a'), encodeUtf8('')],
        [encodeUtf8('b'), encodeUtf8('c')],
      ],
      [[encodeUtf8('a'), encodeUtf8(',1,1bc')]],
    ]
    const encoded = variants.map((xattrs) => toHex(cache.encode({ ...file, xattrs })))
    expect(new Set(encoded).size).toBe(variants.length)
  })
})

describe('ostree.sizes', () => {
  const anySize: fc.Arbitrary<ObjectSize> = fc.record({
    checksum: anyChecksum,
    type: fc.constantFrom('file', 'dirtree', 'dirmeta', 'commit'),
    archived: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    unpacked: fc.nat({ max: 300 }),
  })

  test('sizes are decoded as they were encoded, sorted by checksum', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anySize, { selector: ({ checksum }) => checksum }), (sizes) => {
        const sorted = sizes.toSorted((a, b) => (a.checksum < b.checksum ? -1 : 1))
        expect(decodeSizes([['ostree.sizes', encodeSizes(sizes)]])).toEqual(sorted)
      }),
    )
  })

  const entry = (hex: string) => {
    const element = fromHex('00'.repeat(32) + hex)
    // The array has one element, so there is one offset, of one byte.
    return decodeSizes([
      ['ostree.sizes', { type: 'aay', bytes: concatBytes([element, Uint8Array.of(element.length)]) }],
    ])
  }

  test('a varuint has seven bits in each byte, the lowest first', () => {
    expect(entry('e58e2680010302')).toMatchObject([{ archived: 624485, unpacked: 128, type: 'dirmeta' }])
  })

  test('an object without a type, as in the oldest commits, is a file', () => {
    expect(entry('0102')).toMatchObject([{ archived: 1, unpacked: 2, type: 'file' }])
  })

  test.each([
    ['', 'Unexpected EOF reading ostree.sizes varint'],
    ['01', 'Unexpected EOF reading ostree.sizes varint'],
    ['0180', 'Unexpected EOF reading ostree.sizes varint'],
    ['01028a', 'Unexpected ostree.sizes object type 138'],
    ['010200', 'Unexpected ostree.sizes object type 0'],
    [`${'ff'.repeat(9)}0101`, 'Invalid ostree.sizes size of'],
    ['ff'.repeat(12), 'Unexpected EOF reading ostree.sizes varint'],
  ])('the entry %j is refused: %s', (hex, message) => {
    expect(() => entry(hex)).toThrow(message)
  })

  test('an entry that is shorter than a checksum is refused', () => {
    const bytes = concatBytes([new Uint8Array(10), Uint8Array.of(10)])
    expect(() => decodeSizes([['ostree.sizes', { type: 'aay', bytes }]])).toThrow('Could not read ostree.sizes')
  })

  test('a commit without sizes, or with another type under the key, throws an error', () => {
    for (const metadata of [[], [['ostree.sizes', variantOf(string, 'x')]] as const]) {
      expect(() => decodeSizes(metadata)).toThrow('No metadata key ostree.sizes in commit')
    }
  })
})
