/** Deflate with the bytes of zlib, compared with what programs wrote that use zlib. */
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, equalBytes, readAll } from '../../src/bytes.ts'
import { decodeFilezHeader } from '../../src/objects/index.ts'
import { loadExactDeflate } from '../../src/platform/codecs/stock-zlib.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { goldenImage } from '../container/golden-images.ts'
import { goldenJson } from '../support/golden.ts'
import { describeReference, run } from '../support/reference.ts'
import { anyContent, pieces } from './fixtures.ts'

const IMAGES = ['chunked', 'chunked-update', 'single', 'nocap', 'nonostree']
const GZIP = [0x1f, 0x8b]

/** The gzip layers of the golden images, each once for each image. */
const layers = IMAGES.flatMap((name) =>
  [...goldenImage(`container/oci-${name}.tar.gz`).blobs.values()].filter((blob) =>
    GZIP.every((byte, i) => blob[i] === byte),
  ),
)

const filez = goldenJson<{ objects: { level: number; loose_path: string; data_b64: string }[] }>(
  'core/filez-levels.json',
).objects.map(({ level, data_b64 }) => {
  const bytes = new Uint8Array(Buffer.from(data_b64, 'base64'))
  const { info, bodyOffset } = decodeFilezHeader(bytes)
  const body = bytes.subarray(bodyOffset)
  return { level, body, content: nodePlatform.inflateRaw(body, info.size) }
})

describe.each([nodePlatform, portablePlatform])('exact compression on the $name platform', (platform) => {
  test('writes the gzip layers of ostree-ext again, whatever the size of the pieces is', async () => {
    expect(layers.length).toBe(11)
    for (const blob of layers) {
      const tar = new Uint8Array(gunzipSync(blob))
      for (const size of [tar.length, 7000, 512]) {
        const packed = await readAll(platform.compress('gzip', pieces(tar, size), { level: 6, exact: true }))
        expect(equalBytes(packed, blob)).toBe(true)
      }
    }
  })

  test('writes the compressed files of ostree again, at every level', async () => {
    expect(new Set(filez.map(({ level }) => level)).size).toBe(9)
    for (const { level, body, content } of filez) {
      const packed = await readAll(platform.compress('deflate-raw', pieces(content, 4096), { level, exact: true }))
      expect(equalBytes(packed, body)).toBe(true)
    }
  })

  test('is read by every decoder', async () => {
    const content = pieces(
      new Uint8Array(3_000_000).map((_, i) => (i * i) >> 7),
      1 << 20,
    )
    const packed = await readAll(platform.compress('gzip', content, { exact: true }))
    expect(gunzipSync(packed).length).toBe(3_000_000)
  })

  test('of level 0, and of zstd, is what it is without the option', async () => {
    for (const [kind, level] of [
      ['gzip', 0],
      ['zstd', 3],
    ] as const) {
      const content = () => pieces(new Uint8Array(100_000).fill(7), 5000)
      const exact = await readAll(platform.compress(kind, content(), { level, exact: true }))
      expect(equalBytes(exact, await readAll(platform.compress(kind, content(), { level })))).toBe(true)
    }
  })
})

describe('exact compression of whole files', () => {
  test('writes the compressed files of ostree again, one after the other with the same encoder', async () => {
    const exact = await loadExactDeflate()
    for (let round = 0; round < 2; round++) {
      for (const { level, body, content } of filez)
        expect(equalBytes(exact.deflateRaw(content, level), body)).toBe(true)
    }
    expect([...exact.deflateRaw(new Uint8Array(0), 6)]).toEqual([3, 0])
  })

  test('gives the bytes of a stream', async () => {
    const exact = await loadExactDeflate()
    fc.assert(
      fc.property(anyContent, fc.integer({ min: 1, max: 9 }), fc.nat(), (content, level, at) => {
        const stream = exact.stream(level)
        const cut = content.length === 0 ? 0 : at % content.length
        const parts = [...stream.push(content.subarray(0, cut), false), ...stream.push(content.subarray(cut), true)]
        expect(equalBytes(concatBytes(parts), exact.deflateRaw(content, level))).toBe(true)
      }),
    )
  })
})

describeReference(['python3', '/usr/lib/x86_64-linux-gnu/libz.so.1'], 'zlib itself', () => {
  test('gives the same bytes for a program at every level', async () => {
    const exact = await loadExactDeflate()
    const code = `import sys, zlib
data = open(sys.argv[1], 'rb').read(3000000)
for level in range(1, 10):
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    print((deflate.compress(data) + deflate.flush()).hex())
print('ng' if 'ng' in zlib.ZLIB_RUNTIME_VERSION else zlib.ZLIB_RUNTIME_VERSION)`
    const program = '/usr/lib/x86_64-linux-gnu/libz.so.1'
    const lines = run('python3', ['-c', code, program]).trim().split('\n')
    expect(lines.at(-1)).not.toBe('ng')
    const { readFileSync } = await import('node:fs')
    const content = new Uint8Array(readFileSync(program)).subarray(0, 3_000_000)
    for (let level = 1; level <= 9; level++) {
      expect(Buffer.from(exact.deflateRaw(content, level)).toString('hex') === lines[level - 1]).toBe(true)
    }
  })
})
