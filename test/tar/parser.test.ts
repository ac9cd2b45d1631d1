import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import { LimitError, TarFormatError } from '../../src/errors.ts'
import { type TarHeader, type TarLimits, TarParser, type TarSink } from '../../src/tar/index.ts'
import { readTar, text } from '../support/read-tar.ts'
import { extension, header, padded, pax, zeros } from './odd-archives.ts'

const file = (name: string, body: string) => concatBytes([header('ustar', { name, size: body.length }), padded(body)])

/** Reads an invalid archive. @returns the error */
function failure(bytes: Uint8Array, limits?: TarLimits): unknown {
  try {
    readTar(bytes, limits)
  } catch (error) {
    return error
  }
  throw new Error('it was read')
}

const nothing: TarSink = { entry: () => {}, data: () => {}, end: () => {} }

describe('TarParser', () => {
  test('the sink is called with entry, data and end in this order', () => {
    const calls: string[] = []
    const parser = new TarParser({
      entry: ({ path, size }) => calls.push(`entry ${text(path)} ${size}`),
      data: (bytes) => calls.push(`data ${text(bytes)}`),
      end: () => calls.push('end'),
    })
    parser.push(concatBytes([file('a', 'hello'), file('b', ''), zeros]))
    expect(parser.ended).toBe(true)
    parser.finish()
    expect(calls).toEqual(['entry a 5', 'data hello', 'end', 'entry b 0', 'end'])
  })

  test('the offset of an entry is that of its first extension header', () => {
    const a = file('a', 'x')
    const offsets = readTar(
      concatBytes([a, pax(['mtime', '1']), a, extension('gnu', 'L', 'n\0'), pax(['uid', '1']), a]),
    )
    expect(offsets.map(({ header }) => header.offset)).toEqual([0, 1024, 3072])
  })

  test('an entry has the link name of its header besides the one of an extension header', () => {
    const [entry] = readTar(
      concatBytes([extension('gnu', 'K', 'a/long/one\0'), header('gnu', { flag: '1', link: 'short' }), zeros]),
    )
    expect(text(entry?.header.linkPath as Uint8Array)).toBe('a/long/one')
    expect(text(entry?.header.headerLinkName as Uint8Array)).toBe('short')
  })

  test('an entry has the mtime of its header besides the one of a PAX record', () => {
    const [entry] = readTar(
      concatBytes([pax(['mtime', '-7.25']), header('ustar', { raw: { 136: '00000000012\0' } }), zeros]),
    )
    expect(entry?.header).toMatchObject({ mtime: -7.25, headerMtime: 10 })
  })

  test('PAX records are passed on as bytes, in their order and with duplicates', () => {
    const body = new Uint8Array([...encodeUtf8('6 k='), 0xfe, 0x0a, ...encodeUtf8('8 k=val\n9 key==\n\n')])
    const archive = concatBytes([
      header('ustar', { flag: 'x', size: body.length }),
      body,
      zeros.subarray(body.length, 512),
    ])
    const records = readTar(concatBytes([archive, file('a', '')]))[0]?.header.pax
    expect(records?.map(({ key, value }) => [key, [...value]])).toEqual([
      ['k', [0xfe]],
      ['k', [...encodeUtf8('val')]],
      ['key', [...encodeUtf8('=\n')]],
    ])
  })

  test('a global PAX header is an entry of its own and does not change other entries', () => {
    const global = extension('ustar', 'g', '9 uid=77\n10 path=b\n')
    const entries = readTar(concatBytes([global, file('a', 'x'), zeros]))
    expect(entries.map(({ header: { type, path, size, uid } }) => [type, text(path), size, uid])).toEqual([
      ['pax-global', 'ext', 0, 0],
      ['file', 'a', 1, 0],
    ])
    expect(entries[0]?.header.pax.map(({ key }) => key)).toEqual(['uid', 'path'])
    expect(entries[1]?.header.pax).toEqual([])
  })

  test.each(['v7', 'gnu', 'ustar'] as const)('the size field of a hard link is ignored in format %s', (magic) => {
    const link = header(magic, { name: 'l', flag: '1', size: 5, link: 'a' })
    const entries = readTar(concatBytes([file('a', 'hello'), link, file('z', 'Z'), zeros]))
    expect(entries.map(({ header }) => [text(header.path), header.size])).toEqual([
      ['a', 5],
      ['l', 0],
      ['z', 1],
    ])
  })

  test('a hard link in a PAX archive has data of the size in its header', () => {
    const link = header('ustar', { name: 'l', flag: '1', size: 5, link: 'a' })
    const entries = readTar(concatBytes([pax(['comment', '']), file('a', 'hello'), link, padded('HELLO'), zeros]))
    expect(entries.map(({ header, body }) => [text(header.path), text(body)])).toEqual([
      ['a', 'hello'],
      ['l', 'HELLO'],
    ])
  })

  test.each([
    [
      'cut in a body',
      concatBytes([file('a', 'x'), file('b', 'x'.repeat(600)).subarray(0, 900)]),
      'Truncated tar archive',
      1024,
      'b',
    ],
    ['cut in padding', file('a', 'x').subarray(0, 700), 'Truncated tar archive', 700, undefined],
    ['cut in a header', concatBytes([file('a', 'x'), zeros.subarray(0, 5)]), 'Truncated tar archive', 1029, undefined],
    [
      'cut in an extension',
      concatBytes([file('a', ''), extension('gnu', 'L', 'name').subarray(0, 514)]),
      'Truncated tar archive',
      512,
      undefined,
    ],
    ['not an archive', encodeUtf8('#!/bin/sh\n'.repeat(100)), 'Unrecognized archive format', 0, undefined],
    ['garbage', concatBytes([file('a', 'x'), encodeUtf8('x'.repeat(512))]), 'Damaged tar archive', 1024, undefined],
    [
      'an extension header without an entry',
      concatBytes([file('a', 'x'), pax(['uid', '1']), zeros]),
      'Damaged tar archive',
      1024,
      undefined,
    ],
    [
      'a negative size',
      header('gnu', { name: 'neg', raw: { 124: '-0000000001\0' } }),
      'Tar entry has negative size',
      0,
      'neg',
    ],
    [
      'overlapping pieces',
      concatBytes([pax(['GNU.sparse.map', '0,3,2,2'], ['GNU.sparse.size', '9']), file('s', 'hello')]),
      'Malformed sparse map data',
      0,
      's',
    ],
  ])('the error of an archive with a fault has its offset and path: %s', (_, bytes, message, offset, path) => {
    const error = failure(bytes)
    expect(error).toBeInstanceOf(TarFormatError)
    expect(error).toMatchObject({ message, data: path === undefined ? { offset } : { offset, path } })
  })

  test.each([
    ['pieces out of order', '8,1,0,1', 9],
    ['a piece behind the end', '5,5', 9],
    ['more than the archive holds', '0,9', 9],
    ['an odd number of numbers', '0,5,6', 9],
    ['a letter', '0,x', 9],
    ['nothing between commas', '0,,5', 9],
    ['a negative offset', '-1,5', 9],
  ])('a sparse map with %s is refused', (_, map, size) => {
    const archive = concatBytes([
      pax(['GNU.sparse.map', map], ['GNU.sparse.size', `${size}`]),
      file('s', 'hello'),
      zeros,
    ])
    expect(failure(archive)).toMatchObject({ message: 'Malformed sparse map data' })
  })

  test.each([
    ['that never ends', '9'.repeat(512)],
    ['with more pieces than it has numbers', '1000000\n'.padEnd(512, '1\n')],
    ['with a word', '1\nzero\n5\n'],
    ['with an empty line', '1\n\n5\n'],
  ])('a sparse map in the body %s is refused', (_, map) => {
    const archive = concatBytes([
      pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '9']),
      file('s', map.padEnd(512, '\0')),
      zeros,
    ])
    expect(failure(archive)).toMatchObject({ message: 'Malformed sparse map data' })
  })

  test('a sparse file of a few bytes that claims terabytes of zeros is refused', () => {
    const archive = concatBytes([
      pax(['GNU.sparse.map', '0,5'], ['GNU.sparse.size', `${2 ** 42}`]),
      file('s', 'hello'),
      zeros,
    ])
    expect(failure(archive)).toBeInstanceOf(LimitError)
    expect(failure(archive)).toMatchObject({ data: { what: 'zeros in sparse files', limit: 2 ** 34, path: 's' } })
    const small = concatBytes([pax(['GNU.sparse.map', '0,5'], ['GNU.sparse.size', '105']), file('s', 'hello')])
    expect(readTar(small, { maxHoleBytes: 100 })[0]?.body.length).toBe(105)
    expect(failure(small, { maxHoleBytes: 99 })).toBeInstanceOf(LimitError)
    expect(failure(concatBytes([small, small]), { maxHoleBytes: 199 })).toBeInstanceOf(LimitError)
  })

  test('the padding of the last file may be missing only if that is allowed, and its data never', () => {
    const archive = concatBytes([file('a', 'x'.repeat(600)), file('b', 'hello')])
    const end = archive.length - 507
    for (const cut of [end, end + 100, archive.length - 1]) {
      const short = archive.subarray(0, cut)
      expect(failure(short)).toMatchObject({ message: 'Truncated tar archive' })
      expect(readTar(short, { allowMissingPadding: true }).map(({ body }) => body.length)).toEqual([600, 5])
    }
    expect(failure(archive.subarray(0, end - 1), { allowMissingPadding: true })).toMatchObject({
      message: 'Truncated tar archive',
    })
    expect(failure(pax(['comment', 'x']).subarray(0, 524), { allowMissingPadding: true })).toBeInstanceOf(
      TarFormatError,
    )
  })

  test('parsing in parts stops when the sink has received 1 MiB of zeros, in any number of sparse files', () => {
    const hole = (name: string, size: number) => [
      pax(['GNU.sparse.map', '0,1'], ['GNU.sparse.size', `${size}`], ['GNU.sparse.name', name]),
      file('x', 'a'),
    ]
    const archive = concatBytes([
      ...hole('large', 3 * 2 ** 20),
      ...Array.from({ length: 40 }, (_, i) => hole(`${i}`, 100_000)).flat(),
      pax(['GNU.sparse.map', '5000000,5'], ['GNU.sparse.size', '5000005']),
      file('middle', 'hello'),
      zeros,
    ])
    const sizes = new Map<string, number>()
    let last = ''
    let part = 0
    const parser = new TarParser({
      entry: ({ path }) => {
        last = text(path)
        sizes.set(last, 0)
      },
      data: (bytes) => {
        sizes.set(last, (sizes.get(last) as number) + bytes.length)
        part += bytes.length
      },
      end: () => undefined,
    })
    let parts = 0
    for (let at: number | undefined = 0; at !== undefined; parts++) {
      part = 0
      at = parser.pushPart(archive, at)
      expect(part).toBeLessThanOrEqual(2 ** 20 + archive.length)
    }
    parser.finish()
    expect(parts).toBe(Math.ceil((3 * 2 ** 20 + 40 * 100_000 + 5_000_000) / 2 ** 20))
    expect(sizes).toEqual(
      new Map(readTar(archive).map(({ header, body }) => [text(header.path), body.length] as const)),
    )
    expect(sizes.get('large')).toBe(3 * 2 ** 20)
    expect(sizes.get('middle')).toBe(5_000_005)
  })

  test('a sparse map in a body has the size limit of an extension header', () => {
    const numbers = Array.from({ length: 300 }, (_, i) => `${2 * i}\n1\n`).join('')
    const map = `300\n${numbers}`
    const blocks = Math.ceil(map.length / 512)
    const inBody = concatBytes([
      pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '600']),
      file('s', map.padEnd(blocks * 512, '\0') + 'x'.repeat(300)),
    ])
    expect(text(readTar(inBody, { maxExtensionBytes: blocks * 512 })[0]?.body as Uint8Array)).toBe('x\0'.repeat(300))
    const limit = blocks * 512 - 1
    expect(failure(inBody, { maxExtensionBytes: limit })).toMatchObject({
      data: { what: 'tar sparse map', limit, path: 's' },
    })
  })

  test('every limit accepts its value and refuses one more', () => {
    const two = concatBytes([file('a', 'hello'), file('b', '')])
    expect(readTar(two, { maxEntries: 2, maxFileBytes: 5 }).length).toBe(2)
    expect(failure(two, { maxEntries: 1 })).toMatchObject({ data: { what: 'tar entries', limit: 1, path: 'b' } })
    expect(failure(two, { maxFileBytes: 4 })).toMatchObject({ data: { what: 'tar entry', limit: 4, path: 'a' } })
    const long = concatBytes([extension('gnu', 'L', 'n'.repeat(200)), file('a', '')])
    expect(readTar(long, { maxExtensionBytes: 200 }).length).toBe(1)
    expect(failure(long, { maxExtensionBytes: 199 })).toMatchObject({ data: { what: 'tar extension header' } })
  })

  test('an entry of nine gigabytes is announced with its size', () => {
    const size = 9 * 2 ** 30
    const headers: TarHeader[] = []
    const sink = { ...nothing, entry: (header: TarHeader) => void headers.push(header) }
    for (const archive of [header('gnu', { size }), concatBytes([pax(['size', `${size}`]), header('ustar', {})])]) {
      const parser = new TarParser(sink)
      parser.push(archive)
      expect(() => parser.finish()).toThrow('Truncated tar archive')
    }
    expect(headers.map((header) => header.size)).toEqual([size, size])
  })

  test('an error of the sink is thrown by push, and by every later call', () => {
    const parser = new TarParser({
      ...nothing,
      entry: () => {
        throw new Error('enough')
      },
    })
    const archive = concatBytes([file('a', ''), zeros])
    expect(() => parser.push(archive)).toThrow('enough')
    expect(() => parser.push(archive)).toThrow('enough')
    expect(() => parser.finish()).toThrow('enough')
  })

  test('bytes after the end of the archive are ignored', () => {
    const parser = new TarParser(nothing)
    parser.push(concatBytes([file('a', ''), zeros]))
    parser.push(encodeUtf8('whatever'))
    parser.finish()
    expect(parser.ended).toBe(true)
  })
})
