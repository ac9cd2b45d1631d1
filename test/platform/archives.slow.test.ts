/** Decompression of xz and bzip2 by each platform, of what the programs `xz` and `bzip2` write, and of damaged data. */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { CompressionError, LimitError, OstreeError, UnsupportedError } from '../../src/errors.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { describeReference } from '../support/reference.ts'
import { anyContent, pieces } from './fixtures.ts'

type Kind = 'xz' | 'bzip2'

function packed(kind: Kind, content: Uint8Array, ...options: string[]): Uint8Array {
  const { status, stdout, stderr } = spawnSync(kind, ['-c', ...options], { input: content, maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return new Uint8Array(stdout)
}

const text = encodeUtf8(Array.from({ length: 20_000 }, (_, i) => `line ${i * i} of ${i % 7}\n`).join(''))
const noise = new Uint8Array(randomBytes(200_000))
const mixed = concatBytes([text, noise, new Uint8Array(3_000_000), text.subarray(0, 100_000), noise.subarray(9), text])

describeReference(['xz', 'bzip2'], 'decompress', () => {
  describe.each([nodePlatform, portablePlatform])('$name', (platform) => {
    const unpack = (kind: Kind, bytes: Uint8Array, size = 65_536) =>
      readAll(platform.decompress(kind, pieces(bytes, size)))
    const same = async (kind: Kind, bytes: Uint8Array, content: Uint8Array, size?: number) =>
      expect(equalBytes(await unpack(kind, bytes, size), content)).toBe(true)

    test.each([
      ['xz', []],
      ['xz', ['-0']],
      ['xz', ['-9e']],
      ['xz', ['--check=none']],
      ['xz', ['--check=crc32']],
      ['xz', ['--check=sha256']],
      ['xz', ['--block-size=300000']],
      ['xz', ['-T2', '--block-size=300000']],
      ['xz', ['--lzma2=dict=4KiB']],
      ['xz', ['--lzma2=dict=1MiB,lc=1,lp=3,pb=4,mf=bt2,nice=8']],
      ['xz', ['--lzma2=dict=64KiB,lc=0,lp=0,pb=0,mode=fast']],
      ['xz', ['--lzma2=dict=128MiB']],
      ['bzip2', []],
      ['bzip2', ['-1']],
    ] as const)('reads what %s %j writes', async (kind, options) => {
      for (const content of [mixed, text, noise, new Uint8Array(0), Uint8Array.of(7)]) {
        await same(kind, packed(kind, content, ...options), content)
      }
    })

    test.each(['xz', 'bzip2'] as const)('reads random content in %s, in pieces of any size', async (kind) => {
      await fc.assert(
        fc.asyncProperty(anyContent, fc.integer({ min: 1, max: 50 }), async (content, size) => {
          await same(kind, packed(kind, content), content, size)
        }),
        { numRuns: 25 },
      )
    })

    test('reads runs of every length around the limits of bzip2', async () => {
      const lengths = [1, 2, 3, 4, 5, 254, 255, 256, 258, 259, 260, 263, 899_981, 900_000, 1_100_000]
      const content = concatBytes(lengths.map((length, i) => new Uint8Array(length).fill(i & 1)))
      await same('bzip2', packed('bzip2', content), content)
      await same('bzip2', packed('bzip2', content, '-1'), content)
    })

    test.each(['xz', 'bzip2'] as const)('reads all streams of a file in %s, and zeros behind them', async (kind) => {
      const one = packed(kind, text)
      const twice = concatBytes([one, one])
      const content = concatBytes([text, text])
      await same(kind, twice, content)
      await same(kind, twice, content, 1)
      await same(kind, concatBytes([twice, new Uint8Array(512)]), content, 100)
      await expect(unpack(kind, concatBytes([one, encodeUtf8('garbage')]))).rejects.toThrow(CompressionError)
      if (kind === 'xz') {
        await same(kind, concatBytes([one, new Uint8Array(4), one]), content)
        await expect(unpack(kind, concatBytes([one, new Uint8Array(3)]))).rejects.toThrow('multiple of four')
        await expect(unpack(kind, concatBytes([one, new Uint8Array(5), one]))).rejects.toThrow('multiple of four')
      }
    })

    test.each(['xz', 'bzip2'] as const)('refuses %s that is truncated anywhere, or empty', async (kind) => {
      const small = packed(kind, text.subarray(0, 2000))
      for (let length = 0; length < small.length; length++) {
        await expect(unpack(kind, small.subarray(0, length)), `${length} bytes`).rejects.toThrow(CompressionError)
      }
    })

    test.each([
      ['xz', '--check=crc64'],
      ['xz', '--check=sha256'],
      ['bzip2', '-9'],
    ] as const)('refuses %s %s with any bit changed', async (kind, option) => {
      const content = text.subarray(0, 700)
      const small = packed(kind, content, option)
      for (let at = 0; at < small.length; at++) {
        const damaged = small.slice()
        damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
        const result = await unpack(kind, damaged).catch((thrown: unknown) => thrown)
        // bzip2 has no checksum of the block size and of the bits that fill the last byte, which do not change the content.
        if (kind === 'bzip2' && result instanceof Uint8Array) expect(result, `byte ${at}`).toEqual(content)
        else expect(result, `byte ${at}`).toBeInstanceOf(OstreeError)
      }
    })

    test('refuses dictionaries of more than 128 MiB, filters, and more output than the caller allows', async () => {
      await expect(unpack('xz', packed('xz', text, '--lzma2=dict=192MiB'))).rejects.toThrow(LimitError)
      const filtered = packed('xz', text, '--x86', '--lzma2')
      await expect(unpack('xz', filtered)).rejects.toThrow(UnsupportedError)
      await expect(unpack('xz', filtered)).rejects.toThrow('The filter x86 of xz is not supported')
      for (const kind of ['xz', 'bzip2'] as const) {
        const zeros = packed(kind, new Uint8Array(10_000_000))
        const limited = platform.decompress(kind, pieces(zeros), { maxBytes: 5_000_000 })
        await expect(readAll(limited)).rejects.toThrow(LimitError)
      }
    })

    test.each(['xz', 'bzip2'] as const)('yields chunks of about 1 MiB of %s, however small the input', async (kind) => {
      const hash = createHash('sha256')
      let largest = 0
      for await (const chunk of platform.decompress(kind, pieces(packed(kind, new Uint8Array(20_000_000))))) {
        largest = Math.max(largest, chunk.length)
        hash.update(chunk)
      }
      expect(largest).toBeLessThanOrEqual(1 << 20)
      expect(hash.digest('hex')).toBe(createHash('sha256').update(new Uint8Array(20_000_000)).digest('hex'))
    })
  })
})
