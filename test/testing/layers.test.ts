/** Tests of the layers that the kit packs and compresses, read by us and by other programs. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { packTar, type TarEntry } from '../../src/tar/index.ts'
import {
  anyImage,
  anyLayerTree,
  compressLayer,
  isTextEntry,
  LAYER_CODECS,
  layerEntries,
  packLayer,
  walkNodes,
} from '../../src/testing/index.ts'
import { PLATFORMS } from '../support/backends.ts'
import { readTar, text, xattrsOf } from '../support/read-tar.ts'
import { describeReference, run } from '../support/reference.ts'

/** Returns the parts of entries that readers of layers use. */
function essentials(bytes: Uint8Array) {
  return readTar(bytes).map(({ header, body }) => ({
    type: header.type,
    path: text(header.path),
    link: text(header.linkPath),
    ...(header.type === 'hardlink' ? {} : { mode: header.mode, uid: header.uid, gid: header.gid }),
    xattrs: xattrsOf(header).map(([name, value]) => [name, Buffer.from(value).toString('hex')]),
    body: Buffer.from(body).toString('hex'),
  }))
}

describe('packLayer', () => {
  test('tar-stream packs text entries with the same meaning as our writer', async () => {
    const layers = anyLayerTree()
      .map(layerEntries)
      .filter((entries) => entries.every(isTextEntry))
    let different = 0
    await fc.assert(
      fc.asyncProperty(layers, async (entries) => {
        const [theirs, ours] = [await packLayer(entries), await readAll(packTar(entries))]
        expect(essentials(theirs)).toEqual(essentials(ours))
        if (!equalBytes(theirs, ours)) different++
      }),
      { numRuns: 100 },
    )
    // The writers differ in bytes, which shows that two of them are used.
    expect(different).toBeGreaterThan(10)
  })

  test.each<[string, Partial<TarEntry>]>([
    ['an xattr value that is not text', { xattrs: [['user.a', Uint8Array.of(255)]] }],
    ['a name that is not text', { path: Uint8Array.of(0x61, 0xff) }],
    ['a user id of 2^21', { uid: 2 ** 21 }],
    ['no permissions', { mode: 0 }],
    ['a time before 1970', { mtime: -1 }],
    ['a fraction of a second', { mtime: 0.5 }],
    ['an owner name', { userName: 'root' }],
  ])('an entry with %s is not a text entry, and packed by our writer', async (_, fields) => {
    const entry = { path: 'usr/a', body: encodeUtf8('x'), ...fields }
    expect(isTextEntry({ path: 'usr/a', body: encodeUtf8('x') })).toBe(true)
    expect(isTextEntry(entry)).toBe(false)
    expect(await packLayer([entry])).toEqual(await readAll(packTar([entry])))
  })
})

describe.each(PLATFORMS)('a compressed layer on platform $name', (platform) => {
  test.each(LAYER_CODECS)('a layer compressed with %s decompresses to itself', async (codec) => {
    const kind = codec.startsWith('gzip') ? 'gzip' : 'zstd'
    for (const tar of [0, 1, 2, 3000, 3001, 70_000, 140_000].map((size) => new Uint8Array(size).map((_, i) => i % 7))) {
      const { blob = tar } = await compressLayer(platform, tar, codec)
      async function* whole() {
        yield blob
      }
      const again = codec === 'none' ? blob : await readAll(platform.decompress(kind, whole()))
      expect(equalBytes(again, tar)).toBe(true)
    }
  })
})

describeReference('zstd', 'compressed layers, read by the program zstd', () => {
  test('zstd decompresses the frames of the kit', async () => {
    const [platform] = PLATFORMS
    if (platform === undefined) throw new Error('no platform')
    for (const tar of [0, 1, 70_000].map((size) => new Uint8Array(size).fill(0x61))) {
      for (const codec of ['zstd', 'zstd-frames'] as const) {
        const { blob } = await compressLayer(platform, tar, codec)
        expect(run('zstd', ['-dcq'], { input: blob ?? tar })).toBe('a'.repeat(tar.length))
      }
    }
  })
})

test('random images include all kinds of names, xattrs, codecs and repeated layers', () => {
  const images = fc.sample(anyImage(), { numRuns: 400, seed: 1 })
  const trees = images.flatMap(({ layers }) => layers.map(({ tree }) => tree))
  const nodes = trees.flatMap((tree) => [...walkNodes(tree)])
  const has = (part: string) => nodes.some(([path]) => path.includes(part))
  for (const part of ['.wh..wh..opq', '.wh.bin', '__proto__', '\n', '\u{1f600}', 'n'.repeat(120), '/.wh/']) {
    expect([part, has(part)]).toEqual([part, true])
  }
  expect(nodes.some(([, { xattrs }]) => xattrs.length === 2)).toBe(true)
  expect(new Set(images.flatMap(({ layers }) => layers.map(({ codec }) => codec)))).toEqual(new Set(LAYER_CODECS))
  expect(images.some(({ layers }) => new Set(layers).size < layers.length)).toBe(true)
  expect(trees.some((tree) => layerEntries(tree).some(({ type }) => type === 'hardlink'))).toBe(true)
})
