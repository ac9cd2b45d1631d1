import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import { InvalidNameError, UsageError } from '../../src/errors.ts'
import { encodePaxRecord, HeaderBlock, parsePax, type TarEntry, TarWriter } from '../../src/tar/index.ts'
import { packed, readTar, text } from '../support/read-tar.ts'

describe('HeaderBlock', () => {
  const field = (block: HeaderBlock, at: number, length: number) =>
    Buffer.from(block.bytes.subarray(at, at + length)).toString('latin1')

  test.each(['gnu', 'ustar'] as const)('a cleared block of format %s equals a new one', (format) => {
    const block = new HeaderBlock(format)
    block.name = new Uint8Array(100).fill(0x61)
    block.linkName = new Uint8Array(100).fill(0x62)
    block.size = 2 ** 40
    block.type = 'symlink'
    block.sealed()
    block.clear()
    expect(block.bytes).toEqual(new HeaderBlock(format).bytes)
  })

  test('a number is octal if it fits, and base 256 otherwise', () => {
    const block = new HeaderBlock('gnu')
    block.uid = 0o7777777
    block.gid = 0o10000000
    block.size = 8 ** 11 - 1
    block.mtime = 8 ** 11
    expect(field(block, 108, 8)).toBe('7777777\0')
    expect(field(block, 116, 8)).toBe('\x80\0\0\0\0\x20\0\0')
    expect(field(block, 124, 12)).toBe('77777777777\0')
    expect(field(block, 136, 12)).toBe('\x80\0\0\0\0\0\0\x02\0\0\0\0')
    block.mtime = -2
    expect(field(block, 136, 12)).toBe(`${'\xff'.repeat(11)}\xfe`)
    expect(() => {
      block.size = 1.5
    }).toThrow(UsageError)
  })

  test('a text does not overwrite the bytes after its NUL', () => {
    const block = new HeaderBlock('gnu')
    block.name = encodeUtf8('a/long/name')
    block.name = encodeUtf8('short')
    expect(field(block, 0, 12)).toBe('short\0/name\0')
    block.name = new Uint8Array(100).fill(0x61)
    expect(field(block, 0, 101)).toBe(`${'a'.repeat(100)}\0`)
    expect(() => {
      block.name = new Uint8Array(101)
    }).toThrow(UsageError)
  })

  test('a sealed block is a copy with a valid checksum', () => {
    const block = new HeaderBlock('ustar')
    block.name = encodeUtf8('ünï')
    const first = block.seal()
    block.name = encodeUtf8('other')
    expect(text(readTar([first])[0]?.header.path as Uint8Array)).toBe('ünï')
    expect(text(readTar([block.seal()])[0]?.header.path as Uint8Array)).toBe('other')
  })
})

describe('encodePaxRecord', () => {
  test('the length of a record includes its own digits', () => {
    for (const length of [0, 1, 2, 3, 4, 5, 6, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 994, 995, 9990]) {
      const value = new Uint8Array(length).fill(0x78)
      const record = encodePaxRecord('k', value)
      expect(Number.parseInt(text(record), 10)).toBe(record.length)
      expect(parsePax(record)).toEqual({ records: [{ key: 'k', value }], fault: undefined })
    }
  })
})

describe('TarWriter', () => {
  test('a plain entry is one ustar block', () => {
    const header = new TarWriter().header({ path: 'etc/hostname', mode: 0o600, mtime: 7 }, 5)
    expect(header.length).toBe(512)
    expect(readTar([header, encodeUtf8('hello'), new Uint8Array(507)])[0]?.header).toMatchObject({
      type: 'file',
      mode: 0o600,
      mtime: 7,
      uid: 0,
      pax: [],
    })
  })

  test('a long name is split at a slash if both parts fit, and is a PAX record otherwise', () => {
    const sizes = (path: string) => new TarWriter().header({ path }).length
    const part = 'p'.repeat(99)
    expect(sizes(`${part}/${part}`)).toBe(512)
    expect(sizes(`${part}/${part}pp`)).toBe(1536)
    expect(sizes(`${part}/${part}p`)).toBe(512)
    expect(sizes(`${part}/${part}/${part}`)).toBe(1536)
    expect(sizes(`${'p'.repeat(156)}/x`)).toBe(1536)
    expect(sizes(`${part}//${part}`)).toBe(1536)
    expect(sizes('p'.repeat(101))).toBe(1536)
    expect(sizes('été')).toBe(1536)
  })

  test('a number that is too large for octal is a PAX record', () => {
    const header = new TarWriter().header({ path: 'a', mtime: -5, uid: 8 ** 7 }, 8 ** 11)
    const block = header.subarray(header.length - 512)
    expect(text(block.subarray(108, 116))).toBe('0000000\0')
    expect(text(block.subarray(124, 148))).toBe('00000000000\0'.repeat(2))
    const records = text(header.subarray(512, 1024)).replace(/\0+$/, '')
    expect(records).toBe('15 uid=2097152\n19 size=8589934592\n12 mtime=-5\n')
  })

  test('a user name is in the header if it fits with its NUL', () => {
    const sizes = (userName: string) => new TarWriter().header({ path: 'a', userName }).length
    expect(sizes('u'.repeat(31))).toBe(512)
    expect(sizes('u'.repeat(32))).toBe(1536)
    expect(sizes('ü')).toBe(1536)
  })

  test('a name that is not UTF-8 is marked by a PAX record', () => {
    const path = new Uint8Array([0x61, 0xff])
    const [entry] = readTar([new TarWriter().header({ path })])
    expect(entry?.header.path).toEqual(path)
    expect(entry?.header.pax.map(({ key }) => key)).toEqual(['hdrcharset', 'path'])
  })

  test.each<[string, TarEntry]>([
    ['an empty path', { path: '' }],
    ['a NUL in the path', { path: 'a\0b' }],
    ['a file that ends in a slash', { path: 'a/' }],
    ['a NUL in the link path', { path: 'a', type: 'symlink', linkPath: '\0' }],
    ['an equals sign in an xattr name', { path: 'a', xattrs: [['user.a=b', encodeUtf8('')]] }],
    ['an xattr without name', { path: 'a', xattrs: [['', encodeUtf8('')]] }],
    ['a NUL in the user name', { path: 'a', userName: 'a\0b' }],
  ])('an entry with an invalid name is refused: %s', async (_, entry) => {
    await expect(packed([entry])).rejects.toThrow(InvalidNameError)
  })

  test.each<[string, TarEntry]>([
    ['a link without a target', { path: 'a', type: 'symlink' }],
    ['a file with a target', { path: 'a', linkPath: 'b' }],
    ['a directory with data', { path: 'a', type: 'directory', body: encodeUtf8('x') }],
    ['a negative uid', { path: 'a', uid: -1 }],
    ['a gid that is not an integer', { path: 'a', gid: 0.5 }],
    ['an mtime that is not a number', { path: 'a', mtime: Number.NaN }],
    ['a device out of range', { path: 'a', type: 'char', devMinor: 2 ** 32 }],
  ])('an entry that contradicts itself is refused: %s', async (_, entry) => {
    await expect(packed([entry])).rejects.toThrow(UsageError)
  })
})

async function* stream(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield encodeUtf8(part)
}

describe('packTar', () => {
  test('a body may be a stream', async () => {
    const archive = await packed([
      { path: 'a', body: stream('hel', '', 'lo'), size: 5 },
      { path: 'b', body: stream(), size: 0 },
    ])
    expect(readTar(archive).map(({ header, body }) => [text(header.path), text(body)])).toEqual([
      ['a', 'hello'],
      ['b', ''],
    ])
  })

  test('a stream without a size, or of another size than announced, is refused', async () => {
    await expect(packed([{ path: 'a', body: stream('hello') }])).rejects.toThrow('needs its size')
    await expect(packed([{ path: 'a', body: stream('hello'), size: 6 }])).rejects.toThrow(
      'body of 5 bytes, said to be 6',
    )
    await expect(packed([{ path: 'a', body: stream('hello'), size: 4 }])).rejects.toThrow('more than 4 bytes')
    await expect(packed([{ path: 'a', body: encodeUtf8('hello'), size: 4 }])).rejects.toThrow(UsageError)
  })

  test('an archive ends with two blocks of zeros, and an archive without entries has only these', async () => {
    expect(await packed([])).toEqual(new Uint8Array(1024))
    const archive = await packed([{ path: 'a', body: encodeUtf8('x') }])
    expect(archive.length).toBe(2048)
    expect(concatBytes([archive.subarray(1024)])).toEqual(new Uint8Array(1024))
  })
})
