import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, displayUtf8, encodeUtf8, readAll } from '../../../src/bytes.ts'
import { LayerFilter, type LayerFilterOptions } from '../../../src/container/import/layer-filter.ts'
import { LimitError, OstreeError, TarFormatError } from '../../../src/errors.ts'
import { encodePaxRecord, packTar, type TarEntry, TarParser } from '../../../src/tar/index.ts'
import { tarBytes } from '../../support/tar-bytes.ts'

interface Seen {
  readonly lines: readonly string[]
  readonly filtered: Readonly<Record<string, number>>
  /** Paths of lost entries. */
  readonly lost?: readonly string[]
}

/** Lists what passes the filter, one entry per line: `type path [-> target] [= content] [xattr keys]`. */
function pass(archive: Uint8Array, options: LayerFilterOptions = {}, chunk = 1 << 20): Seen {
  const lines: string[] = []
  let line = ''
  let content: Uint8Array[] = []
  const filter = new LayerFilter(
    {
      entry({ type, path, linkPath, pax }) {
        const target = linkPath.length > 0 ? ` -> ${displayUtf8(linkPath)}` : ''
        const keys = pax.map(({ key }) => key).filter((key) => key.includes('xattr'))
        line = `${type} ${displayUtf8(path)}${target}${keys.map((key) => ` ${key}`).join('')}`
        content = []
      },
      data: (bytes) => content.push(bytes.slice()),
      end() {
        const body = concatBytes(content)
        lines.push(body.length > 0 ? `${line} = ${displayUtf8(body)}` : line)
      },
    },
    options,
  )
  const parser = new TarParser(filter)
  for (let at = 0; at < archive.length; at += chunk) parser.push(archive.slice(at, at + chunk))
  parser.finish()
  const lost = filter.finish()
  const seen = { lines, filtered: Object.fromEntries(filter.filtered) }
  return lost === undefined ? seen : { ...seen, lost: lost.examples }
}

const packed = (entries: readonly TarEntry[]) => readAll(packTar(entries))
const file = (path: string, text = '', more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  body: encodeUtf8(text),
  ...more,
})
const hardlink = (path: string, linkPath: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  linkPath,
  type: 'hardlink',
  ...more,
})
function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]))
}

const OBJECT = 'sysroot/ostree/repo/objects/aa/x.file'
const modified = { mtime: 1 }

describe('the layer filter', () => {
  test('an object that is a hard link to another one is a second name of it, in every order', async () => {
    const [x, y, z] = ['x', 'y', 'z'].map((name) => `sysroot/ostree/repo/objects/aa/${name}.file`) as [
      string,
      string,
      string,
    ]
    const entries = [
      file(x, 'text', modified),
      hardlink(y, x, modified),
      hardlink(z, `/${y}`, modified),
      hardlink('usr/a', z, modified),
      hardlink('usr/b', x, modified),
    ]
    for (const allowNonusr of [false, true]) {
      for (const order of permutations(entries)) {
        const { lines, filtered } = pass(await packed(order), { allowNonusr })
        expect(filtered).toEqual({})
        expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(['usr/a', 'usr/b']))
        expect(lines).toHaveLength(2)
        expect(lines[0]).toMatch(/^file usr\/[ab] = text$/)
        expect(lines[1]).toMatch(/^hardlink usr\/[ab] -> usr\/[ab]$/)
      }
    }
  })

  test('objects that are hard links to each other have no content', async () => {
    const other = 'sysroot/ostree/repo/objects/aa/y.file'
    const links = [
      hardlink(OBJECT, other, modified),
      hardlink(other, OBJECT, modified),
      hardlink('usr/a', OBJECT, modified),
    ]
    expect(pass(await packed(links))).toEqual({ lines: [], filtered: {}, lost: ['usr/a'] })
    const replaced = [
      hardlink(OBJECT, other, modified),
      file(OBJECT, 'text', modified),
      hardlink('usr/a', OBJECT, modified),
    ]
    expect(pass(await packed(replaced)).lines).toEqual(['file usr/a = text'])
  })

  test('the filter keeps paths that belong to the image and counts the others', async () => {
    const archive = await packed([
      file('usr/bin/sh', 'sh'),
      file('etc/hostname', 'box'),
      file('var/lib/x', 'v'),
      { path: 'run/', type: 'directory' },
      file('run/lock', 'l'),
      file('boot/a', 'a'),
      file('boot/b', 'b'),
      { path: 'usr/l', type: 'symlink', linkPath: '/etc//x' },
      hardlink('usr/h', 'etc/hostname'),
    ])
    for (const chunk of [1 << 20, 100]) {
      expect(pass(archive, {}, chunk)).toEqual({
        lines: [
          'file usr/bin/sh = sh',
          'file usr/etc/hostname = box',
          'file usr/share/factory/var/lib/x = v',
          'directory run/',
          'symlink usr/l -> /etc/x',
          'hardlink usr/h -> usr/etc/hostname',
        ],
        filtered: { lock: 1, boot: 2 },
      })
    }
  })

  test('the filter passes the same header object for an unchanged entry', async () => {
    const archive = await packed([file('usr/bin/sh', 'sh')])
    const read: unknown[] = []
    const passed: unknown[] = []
    const filter = new LayerFilter({
      entry: (header) => passed.push(header),
      data: () => undefined,
      end: () => undefined,
    })
    const parser = new TarParser({
      entry(header) {
        read.push(header)
        filter.entry(header)
      },
      data: (bytes) => filter.data(bytes),
      end: () => filter.end(),
    })
    parser.push(archive)
    parser.finish()
    expect(passed[0]).toBe(read[0])
  })

  test('the error about a path with .. has its offset', async () => {
    const archive = await packed([file('usr/a', 'x'), file('usr/../b', 'x')])
    const error = caught(() => pass(archive))
    expect(error).toBeInstanceOf(TarFormatError)
    expect(error).toMatchObject({ message: 'Invalid path: usr/../b', data: { offset: 1024, path: 'usr/../b' } })
  })

  test('the filter counts a global PAX header as a file of its name, and does not pass it on (case D10)', () => {
    const content = encodePaxRecord('comment', encodeUtf8('abc'))
    const archive = tarBytes([{ name: 'pax_global_header', type: 'g', content }])
    expect(pass(archive)).toEqual({ lines: [], filtered: { pax_global_header: 1 } })
    expect(pass(archive, { allowNonusr: true })).toEqual({ lines: [], filtered: {} })
  })
})

function caught(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

describe('objects of the store in a layer', () => {
  test('an object becomes the file of its first link, and further links point to that file', async () => {
    const xattrs = [['user.a', encodeUtf8('b')]] as const
    const archive = await packed([
      file(OBJECT, 'bash', { ...modified, mode: 0o755, xattrs }),
      hardlink('./usr/bin/bash', OBJECT, modified),
      hardlink('usr/bin/sh', OBJECT, modified),
      hardlink('etc/raw', OBJECT, modified),
    ])
    // Every path is that of a deployment; xattrs are lost, as in ostree-ext.
    const lines = [
      'file ./usr/bin/bash = bash',
      'hardlink usr/bin/sh -> ./usr/bin/bash',
      'hardlink usr/etc/raw -> ./usr/bin/bash',
    ]
    for (const chunk of [1 << 20, 3]) expect(pass(archive, {}, chunk)).toEqual({ lines, filtered: {} })
    expect(pass(archive, { allowNonusr: true })).toEqual({ lines, filtered: {} })
  })

  test('objects and links are found whatever their times are', async () => {
    const times = [0, 1].flatMap((a) => [0, 1].flatMap((b) => [0, 1].map((c) => [a, b, c])))
    for (const [object, first, second] of times) {
      const entries = [
        file(OBJECT, 'x', { mtime: object }),
        hardlink('etc/a', OBJECT, { mtime: first }),
        hardlink('usr/b', `/${OBJECT}`, { mtime: second }),
      ]
      for (const order of permutations(entries)) {
        const links = order
          .filter(({ type }) => type === 'hardlink')
          .map(({ path }) => `${path}`.replace(/^etc/, 'usr/etc'))
        const lines = [`file ${links[0]} = x`, `hardlink ${links[1]} -> ${links[0]}`]
        expect(pass(await packed(order))).toEqual({ lines, filtered: {} })
        const seen = pass(await packed(order), { allowNonusr: true })
        if (object === 1) expect(seen).toEqual({ lines, filtered: {} })
        else {
          // ostree-ext keeps an unmodified object at its path.
          const kept = [`file ${OBJECT} = x`, ...links.map((path) => `hardlink ${path} -> ${OBJECT}`)]
          expect(new Set(seen.lines)).toEqual(new Set(kept))
          expect(seen.lines).toHaveLength(3)
          expect(seen.filtered).toEqual({})
        }
      }
    }
  })

  test('an unmodified object without a link is counted as before, a modified one and a link without an object are reported', async () => {
    const archive = await packed([
      hardlink('usr/a', OBJECT, modified),
      hardlink('usr/b', OBJECT),
      file(`${OBJECT}2`, 'old'),
      file(`${OBJECT}3`, 'never linked', modified),
      hardlink(`${OBJECT}4`, `${OBJECT}2`),
    ])
    expect(pass(archive)).toEqual({ lines: [], filtered: { sysroot: 2 }, lost: ['usr/a', 'usr/b', `${OBJECT}3`] })
    const lines = [`file ${OBJECT}2 = old`, `hardlink ${OBJECT}4 -> ${OBJECT}2`]
    const kept = pass(archive, { allowNonusr: true })
    expect(kept).toEqual({ lines, filtered: {}, lost: ['usr/a', 'usr/b', `${OBJECT}3`] })
  })

  test('symbolic links can be objects, too', async () => {
    const link: TarEntry = { path: OBJECT, type: 'symlink', linkPath: '../b', mtime: 0 }
    const entries = [link, hardlink('usr/a', OBJECT), hardlink('usr/c', OBJECT, modified)]
    for (const order of permutations(entries)) {
      const { lines, filtered } = pass(await packed(order))
      expect(filtered).toEqual({})
      expect(lines.toSorted()).toEqual(['symlink usr/a -> ../b', 'symlink usr/c -> ../b'])
    }
    expect(pass(await packed([link]))).toEqual({ lines: [], filtered: { sysroot: 1 } })
  })

  test('unmodified objects beyond maxHeldBytes are left out, which is an error only if there is a link to one', async () => {
    const objects = Array.from({ length: 10 }, (_, n) => file(`${OBJECT}${n}`, 'x'.repeat(1000)))
    expect(pass(await packed(objects), { maxHeldBytes: 12_000 }).filtered).toEqual({ sysroot: 10 })
    const linked9 = await packed([...objects, hardlink('usr/a', `${OBJECT}9`)])
    expect(caught(() => pass(linked9, { maxHeldBytes: 12_000 }))).toBeInstanceOf(LimitError)
    expect(pass(linked9).lines).toEqual([`file usr/a = ${'x'.repeat(1000)}`])
  })

  test.each(['', './', '/', '././/'])(
    'an object is found through links and at a path that begin with "%s"',
    async (lead) => {
      const archive = await packed([
        file(`${lead}${OBJECT}`, 'x', modified),
        hardlink('usr/a', OBJECT, modified),
        hardlink('usr/b', `${lead}${OBJECT}`, modified),
      ])
      expect(pass(archive).lines).toEqual(['file usr/a = x', 'hardlink usr/b -> usr/a'])
    },
  )

  test('links in etc and var lead to files of a deployment, whichever path is the first', async () => {
    const links = ['etc/a', 'var/lib/b', 'usr/c'].map((path) => hardlink(path, OBJECT, modified))
    const archive = await packed([file(OBJECT, 'x', modified), ...links])
    expect(pass(archive).lines).toEqual([
      'file usr/etc/a = x',
      'hardlink usr/share/factory/var/lib/b -> usr/etc/a',
      'hardlink usr/c -> usr/etc/a',
    ])
    expect(pass(archive, { retainVar: true }).lines).toContain('hardlink var/lib/b -> usr/etc/a')
  })

  test('a link in run is counted, and does not take the object from the others', async () => {
    const archive = await packed([
      file(OBJECT, 'x', modified),
      hardlink('run/a', OBJECT, modified),
      hardlink('usr/b', OBJECT, modified),
    ])
    expect(pass(archive)).toEqual({ lines: ['file usr/b = x'], filtered: { a: 1 } })
  })

  test('links before their object become the file and links to it', async () => {
    const object = file(OBJECT, 'x'.repeat(2000), { ...modified, mode: 0o755 })
    const archive = await packed([
      hardlink('etc/a', OBJECT, modified),
      hardlink('run/b', `/${OBJECT}`, modified),
      hardlink('usr/c', OBJECT, modified),
      object,
      hardlink('usr/d', OBJECT, modified),
      hardlink('usr/none', `${OBJECT}2`, modified),
    ])
    for (const chunk of [1 << 20, 100]) {
      expect(pass(archive, {}, chunk)).toEqual({
        lines: [`file usr/etc/a = ${'x'.repeat(2000)}`, 'hardlink usr/c -> usr/etc/a', 'hardlink usr/d -> usr/etc/a'],
        filtered: { b: 1 },
        lost: ['usr/none'],
      })
    }
    expect(caught(() => pass(archive, { maxHeldBytes: 1000 }))).toBeInstanceOf(LimitError)
  })

  test('hard links within var follow their files', async () => {
    const archive = await packed([file('var/lib/a', 'x'), hardlink('var/lib/b', './var/lib/a')])
    expect(pass(archive).lines).toEqual([
      'file usr/share/factory/var/lib/a = x',
      'hardlink usr/share/factory/var/lib/b -> usr/share/factory/var/lib/a',
    ])
    expect(pass(archive, { retainVar: true }).lines[1]).toBe('hardlink var/lib/b -> ./var/lib/a')
  })

  test('an unmodified object stays at its path if all paths are allowed', async () => {
    expect(pass(await packed([file(OBJECT, 'x')]), { allowNonusr: true }).lines).toEqual([`file ${OBJECT} = x`])
  })

  test('objects are held up to maxHeldBytes, and a linked one is released', async () => {
    const body = 'x'.repeat(10_000)
    const two = await packed([file(OBJECT, body, modified), file(`${OBJECT}2`, body, modified)])
    expect(caught(() => pass(two, { maxHeldBytes: 15_000 }))).toBeInstanceOf(LimitError)
    const one = await packed([
      file(OBJECT, body, modified),
      hardlink('usr/a', OBJECT, modified),
      file(`${OBJECT}2`, body, modified),
    ])
    expect(pass(one, { maxHeldBytes: 15_000 }).lines).toHaveLength(1)
  })
})

test('the names of filtered paths are limited by maxHeldBytes too', async () => {
  const archive = await packed(Array.from({ length: 100 }, (_, i) => file(`dev/${i}`)))
  expect(Object.keys(pass(archive).filtered)).toHaveLength(100)
  expect(caught(() => pass(archive, { maxHeldBytes: 10_000 }))).toBeInstanceOf(LimitError)
})

test('random entries pass the same way however the bytes are split, or fail with a typed error', async () => {
  const path = fc
    .array(fc.constantFrom('usr', 'etc', 'var', 'dev', 'a', '.', '..', '', OBJECT), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'))
    .filter((text) => text !== '' && !text.endsWith('/'))
  const entry = fc.record({
    path,
    type: fc.constantFrom('file', 'hardlink', 'symlink', 'directory', 'fifo', 'char'),
    linkPath: path,
    mtime: fc.nat(1),
    text: fc.string({ maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.boolean(), async (entries, allowNonusr) => {
      const archive = await packed(
        entries.map(({ path, type, linkPath, mtime, text }): TarEntry => {
          if (type === 'file') return file(path, text, { mtime })
          return { path, mtime, type, ...(type === 'hardlink' || type === 'symlink' ? { linkPath } : {}) } as TarEntry
        }),
      )
      let whole: Seen
      try {
        whole = pass(archive, { allowNonusr })
      } catch (error) {
        expect(error).toBeInstanceOf(OstreeError)
        return
      }
      // The result does not depend on where the bytes are split.
      expect(pass(archive, { allowNonusr }, 100)).toEqual(whole)
      const counted = Object.values(whole.filtered).reduce((sum, count) => sum + count, 0)
      expect(counted + whole.lines.length).toBeLessThanOrEqual(entries.length)
    }),
    { numRuns: 200 },
  )
})
