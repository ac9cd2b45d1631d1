/** Tests of streams for each platform: bounded memory, back-pressure, errors of sources, aborts; and compression. */
import { randomBytes } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { LimitError } from '../../src/errors.ts'
import type { CompressionKind, DecompressOptions, Platform } from '../../src/platform/index.ts'
import { anyContent, GREETING, pieces, watched } from './fixtures.ts'

export function streamSuite(platform: Platform): void {
  const unpack = (kind: CompressionKind, bytes: Uint8Array, size?: number, options?: DecompressOptions) =>
    readAll(platform.decompress(kind, pieces(bytes, size), options))
  const pack = (kind: CompressionKind, bytes: Uint8Array, level?: number) =>
    readAll(platform.compress(kind, pieces(bytes, 1000), { level }))

  describe('decompress: streams', () => {
    const megabytes = new Uint8Array(gzipSync(new Uint8Array(24 << 20)))

    test('content beyond maxBytes is refused before it is allocated', async () => {
      let most = 0
      let sum = 0
      const read = async () => {
        for await (const chunk of platform.decompress('gzip', pieces(megabytes), { maxBytes: 3 << 20 })) {
          most = Math.max(most, chunk.length)
          sum += chunk.length
        }
      }
      await expect(read()).rejects.toThrow(LimitError)
      expect(sum).toBeLessThanOrEqual(3 << 20)
      expect(most).toBeLessThanOrEqual(2 << 20)
    })

    test('content of exactly maxBytes is accepted', async () => {
      expect(await unpack('gzip', gzipSync('12345'), 4, { maxBytes: 5 })).toEqual(encodeUtf8('12345'))
      await expect(unpack('gzip', gzipSync('12345'), 4, { maxBytes: 4 })).rejects.toThrow(LimitError)
    })

    test('chunks have about 256 KiB', async () => {
      const sizes: number[] = []
      for await (const chunk of platform.decompress('gzip', pieces(megabytes))) sizes.push(chunk.length)
      expect(sizes.reduce((a, b) => a + b)).toBe(24 << 20)
      expect(sizes.length).toBeLessThanOrEqual(110)
    })

    test('the source is read only as far as output is read', async () => {
      const content = new Uint8Array(randomBytes(12 << 20))
      const packed = new Uint8Array(gzipSync(content, { level: 1 }))
      const parts = Array.from({ length: 192 }, (_, i) => packed.subarray(i << 16, (i + 1) << 16))
      const { seen, source } = watched(parts)
      for await (const _ of platform.decompress('gzip', source)) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        break
      }
      expect(seen.asked).toBeLessThan(80)
    })

    test('the source is closed when the reader stops early', async () => {
      for (const kind of ['gzip', 'zstd'] as const) {
        const packed = kind === 'gzip' ? megabytes : GREETING
        const { seen, source } = watched([packed, packed])
        for await (const _ of platform.decompress(kind, source)) break
        expect(seen).toMatchObject({ returned: true, ended: false })
      }
    })

    test('the source is not read when the reader stops before its first chunk', async () => {
      const { seen, source } = watched([megabytes])
      const reader = platform.decompress('gzip', source)[Symbol.asyncIterator]()
      await reader.return?.()
      expect(seen.asked).toBe(0)
    })

    test('an error of the source is thrown as it is', async () => {
      const fault = new Error('connection lost')
      async function* source() {
        yield megabytes.subarray(0, 100)
        throw fault
      }
      await expect(readAll(platform.decompress('gzip', source()))).rejects.toBe(fault)
    })

    test('an error of the source after the end of the compressed stream is thrown', async () => {
      const fault = new Error('connection lost')
      async function* source() {
        yield new Uint8Array(gzipSync('text'))
        throw fault
      }
      await expect(readAll(platform.decompress('gzip', source()))).rejects.toBe(fault)
    })

    test.each(['gzip', 'zstd'] as const)(
      '%s: an abort ends the reader also while the source is silent',
      async (kind) => {
        const controller = new AbortController()
        async function* silent(): AsyncGenerator<Uint8Array> {
          yield kind === 'gzip' ? megabytes.subarray(0, 50) : GREETING.subarray(0, 10)
          await new Promise(() => {})
        }
        const reading = readAll(platform.decompress(kind, silent(), { signal: controller.signal }))
        setTimeout(() => controller.abort(), 10)
        await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
      },
    )

    test('the source is not read if the signal is already aborted', async () => {
      const { seen, source } = watched([megabytes])
      const reading = readAll(platform.decompress('gzip', source, { signal: AbortSignal.abort() }))
      await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
      expect(seen.asked).toBe(0)
    })
  })

  describe('compress', () => {
    test.each([
      [undefined, 0],
      [6, 0],
      [0, 4],
      [1, 4],
      [2, 0],
      [9, 2],
    ])('gzip at level %s has a header without the operating system and with XFL %i', async (level, xfl) => {
      const packed = await pack('gzip', encodeUtf8('text'), level)
      expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff])
      expect(gunzipSync(packed).toString()).toBe('text')
    })

    test.each(['gzip', 'deflate-raw'] as const)(
      '%s: compressed content is decompressed to the same content',
      async (kind) => {
        await fc.assert(
          fc.asyncProperty(anyContent, fc.integer({ min: 0, max: 9 }), async (content, level) => {
            expect(await unpack(kind, await pack(kind, content, level))).toEqual(content)
          }),
          { numRuns: 50 },
        )
      },
    )

    test('gzip: the compressed bytes are the same in whatever pieces the content comes', async () => {
      const content = new Uint8Array(2_500_000).map((_, i) => (i * i) >> 7)
      const whole = await readAll(platform.compress('gzip', pieces(content)))
      expect(equalBytes(await unpack('gzip', whole), content)).toBe(true)
      expect(equalBytes(new Uint8Array(gunzipSync(whole)), content)).toBe(true)
      expect(equalBytes(await readAll(platform.compress('gzip', pieces(content, 70_001))), whole)).toBe(true)
    })

    test('zstd: the compressed bytes are the same in whatever pieces the content comes', async () => {
      const content = new Uint8Array(700_000).map((_, i) => (i * i) >> 9)
      const whole = await pack('zstd', content)
      expect(whole.length).toBeLessThan(content.length / 2)
      expect(equalBytes(await unpack('zstd', whole), content)).toBe(true)
      expect(equalBytes(await readAll(platform.compress('zstd', pieces(content, 70_001))), whole)).toBe(true)
    })

    test('an error of the source is thrown by compress', async () => {
      const fault = new Error('no more')
      async function* source(): AsyncGenerator<Uint8Array> {
        yield encodeUtf8('text')
        throw fault
      }
      await expect(readAll(platform.compress('gzip', source()))).rejects.toBe(fault)
    })
  })
}
