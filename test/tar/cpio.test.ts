import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeUtf8 } from '../../src/bytes.ts'
import { OstreeError } from '../../src/errors.ts'
import { CpioParser, isCpio, type TarHeader, type TarSink } from '../../src/tar/index.ts'
import { describeReference } from '../support/reference.ts'

interface Found {
  readonly type: string
  readonly path: string
  readonly link: string
  readonly data: string
}

function collect(): { sink: TarSink; found: Found[] } {
  const found: Found[] = []
  let header: TarHeader | undefined
  let data = ''
  const text = (bytes: Uint8Array | undefined): string => decodeUtf8(bytes ?? new Uint8Array()) ?? '?'
  const sink: TarSink = {
    entry(next) {
      header = next
      data = ''
    },
    data(bytes) {
      data += text(bytes)
    },
    end() {
      found.push({ type: header?.type ?? '', path: text(header?.path), link: text(header?.linkPath), data })
    },
  }
  return { sink, found }
}

function parse(bytes: Uint8Array, pieces: readonly number[] = []): Found[] {
  const { sink, found } = collect()
  const parser = new CpioParser(sink)
  let at = 0
  for (const length of pieces) {
    parser.push(bytes.subarray(at, at + length))
    at += length
  }
  parser.push(bytes.subarray(at))
  parser.finish()
  return found
}

/** Formats a `newc` entry. @param links number of names that the inode has */
function entry(name: string, data: string, { mode = 0o100644, inode = 1, links = 1 } = {}): string {
  const hex = (value: number): string => value.toString(16).padStart(8, '0')
  const pad = (text: string): string => text + '\0'.repeat(-text.length & 3)
  const numbers = [inode, mode, 1, 2, links, 3, data.length, 0, 0, 0, 0, name.length + 1, 0]
  return pad(`070701${numbers.map(hex).join('')}${name}\0`) + pad(data)
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const TRAILER = entry('TRAILER!!!', '')
const ARCHIVE = bytes(
  entry('.', '', { mode: 0o40755, links: 2 }) +
    entry('a', '', { inode: 7, links: 3 }) +
    entry('s', 'target', { mode: 0o120777 }) +
    entry('b', '', { inode: 7, links: 3 }) +
    entry('one', 'x') +
    entry('c', 'data of all', { inode: 7, links: 3 }) +
    entry('e', '', { inode: 8, links: 2 }) +
    entry('f', '', { inode: 8, links: 2 }) +
    TRAILER,
)
const EXPECTED = [
  ['directory', '.', '', ''],
  ['symlink', 's', 'target', ''],
  ['file', 'one', '', 'x'],
  ['hardlink', 'a', 'c', ''],
  ['hardlink', 'b', 'c', ''],
  ['file', 'c', '', 'data of all'],
  ['file', 'e', '', ''],
  ['hardlink', 'f', 'e', ''],
]

describe('CpioParser', () => {
  test('names of an inode that come before its data are read as hard links to the name with the data', () => {
    expect(parse(ARCHIVE).map(({ type, path, link, data }) => [type, path, link, data])).toEqual(EXPECTED)
  })

  test('the entries are the same in whatever pieces the archive comes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 20 }), (pieces) => {
        expect(parse(ARCHIVE, pieces).length).toBe(EXPECTED.length)
      }),
    )
  })

  test('bytes after the end of the archive are ignored', () => {
    expect(parse(bytes(`${entry('a', '1')}${TRAILER}junk`)).length).toBe(1)
  })

  test.each([
    ['', 'Truncated cpio archive'],
    [entry('a', '1'), 'Truncated cpio archive'],
    [`${entry('a', '1')}070709`, 'Damaged cpio archive'],
    [entry('a', '1').replace('000081a4', '0000zzzz'), 'Damaged cpio archive'],
  ])('the archive %j is refused', (text, message) => {
    expect(() => parse(bytes(text))).toThrow(message)
  })

  test('a file, a name and a number of entries beyond the limits are refused', () => {
    const { sink } = collect()
    expect(() => new CpioParser(sink, { maxFileBytes: 10 }).push(bytes(entry('a', 'eleven bytes')))).toThrow(
      'cpio file',
    )
    expect(() => new CpioParser(sink, { maxExtensionBytes: 3 }).push(bytes(entry('name', '')))).toThrow('cpio name')
    expect(() => new CpioParser(sink, { maxEntries: 1 }).push(bytes(entry('a', '') + entry('b', '')))).toThrow(
      'entries',
    )
  })

  test('an archive with a damaged byte is read, or refused with an OstreeError', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ARCHIVE.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const damaged = ARCHIVE.slice()
        damaged[at] = byte
        try {
          parse(damaged)
        } catch (error) {
          expect(error).toBeInstanceOf(OstreeError)
        }
      }),
    )
  })

  test('an archive is recognised by its magic number', () => {
    expect(isCpio(bytes('070701'))).toBe(true)
    expect(isCpio(bytes('070707'))).toBe(true)
    expect(isCpio(bytes('070703'))).toBe(false)
    expect(isCpio(new Uint8Array(512))).toBe(false)
  })
})

describeReference('bsdtar', 'CpioParser and `bsdtar`', () => {
  test.each(['newc', 'odc'])('an archive of bsdtar in format %s is read', (format) => {
    const { stdout } = spawnSync('bsdtar', [`--format=${format}`, '-cf', '-', 'test/golden/README.md', 'test/tar'], {
      maxBuffer: 1 << 26,
    })
    const found = parse(stdout)
    expect(found.find(({ path }) => path === 'test/tar')?.type).toBe('directory')
    expect(found.find(({ path }) => path === 'test/golden/README.md')?.data).toContain('# Vectors')
  })
})
