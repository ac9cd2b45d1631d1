/** Tests of decompression for each platform: gzip, zstd and raw deflate, valid and damaged. */
import { randomBytes } from 'node:crypto'
import { deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { CompressionError, LimitError, OstreeError, UnsupportedError } from '../../src/errors.ts'
import type { CompressionKind, Platform } from '../../src/platform/index.ts'
import { changed, GREETING, GZIP_SAMPLES, pieces, WORDS, watched, ZSTD_SAMPLES } from './fixtures.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 })

export function formatSuite(platform: Platform): void {
  const unpack = (kind: CompressionKind, bytes: Uint8Array, size?: number) =>
    readAll(platform.decompress(kind, pieces(bytes, size)))
  const failure = async (kind: CompressionKind, bytes: Uint8Array, size?: number): Promise<unknown> =>
    unpack(kind, bytes, size).then(
      () => undefined,
      (error: unknown) => error,
    )

  describe('decompress: formats', () => {
    const samples = [
      ...GZIP_SAMPLES.map((sample) => ({ kind: 'gzip' as const, ...sample })),
      ...ZSTD_SAMPLES.map((sample) => ({ kind: 'zstd' as const, ...sample })),
    ]

    test.each(samples)('$kind: $name is read in pieces of any size', async ({ kind, packed, content }) => {
      for (const size of packed.length > 10_000 ? [packed.length, 999, 1024] : [packed.length, 1, 3, 7]) {
        expect(equalBytes(await unpack(kind, packed, size), content), `pieces of ${size}`).toBe(true)
      }
    })

    test.each(samples)('$kind: $name is refused when it is truncated', async ({ kind, packed, name }) => {
      const ends = packed.length > 400 ? [1, 5, 17, packed.length >> 1, packed.length - 1] : packed.keys()
      for (const length of ends) {
        // A stream may end between members, before padding, or before a frame.
        const whole = (await unpack(kind, packed.subarray(0, length)).catch(() => undefined)) !== undefined
        const mayEnd = /two|zeros behind|behind/.test(name)
        if (whole) expect(mayEnd, `${length} of ${packed.length} bytes`).toBe(true)
        else expect(await failure(kind, packed.subarray(0, length), 5)).toBeInstanceOf(CompressionError)
      }
    })

    test('deflate-raw: bytes after the end of the stream are read and ignored', async () => {
      const packed = concatBytes([deflateRawSync(encodeUtf8('text')), encodeUtf8('garbage')])
      expect(await unpack('deflate-raw', packed, 2)).toEqual(encodeUtf8('text'))
      const { seen, source } = watched([packed, packed, packed])
      expect(await readAll(platform.decompress('deflate-raw', source))).toEqual(encodeUtf8('text'))
      expect(seen.ended).toBe(true)
    })

    test.each(['gzip', 'zstd', 'deflate-raw'] as const)('%s: an empty source is refused', async (kind) => {
      expect(await failure(kind, new Uint8Array(0))).toMatchObject({
        code: 'corrupt',
        message: 'unexpected end of file',
      })
    })

    test('gzip, zstd: a source in another format is refused with an error that names the format', async () => {
      const garbage = encodeUtf8('this is neither the one nor the other')
      expect(await failure('gzip', garbage)).toMatchObject({ message: 'invalid gzip header', data: { kind: 'gzip' } })
      expect(String(await failure('zstd', garbage))).toContain('Unknown frame descriptor')
    })

    test('gzip: a wrong checksum or length is refused', async () => {
      const packed = gzipSync('some text')
      for (const [from, message] of [
        [8, 'incorrect data check'],
        [4, 'incorrect length check'],
      ] as const) {
        const broken = changed(packed, packed.length - from)
        expect(await failure('gzip', broken, 3)).toMatchObject({ code: 'corrupt', message })
      }
    })

    test('gzip: bytes after a member that are neither a member nor padding are refused', async () => {
      const packed = new Uint8Array(gzipSync('text'))
      const zeros = new Uint8Array(10)
      const garbage = encodeUtf8('garbage')
      for (const tail of [garbage, concatBytes([zeros, garbage]), concatBytes([zeros, packed])]) {
        for (const size of [1, packed.length, 1000]) {
          expect(String(await failure('gzip', concatBytes([packed, tail]), size))).toContain('invalid gzip header')
        }
      }
    })

    test.each([
      ['a reserved flag', 3, 0x20],
      ['a method other than deflate', 2, 7],
      ['a wrong checksum of the header', 3, 2],
    ])('gzip: %s is refused', async (_, at, byte) => {
      const packed = new Uint8Array(gzipSync('some longer text, so that a header may seem to have more fields'))
      packed[at] = byte
      expect(await failure('gzip', packed)).toMatchObject({ message: 'invalid gzip header' })
    })

    test('zstd: a wrong checksum or content size is refused', async () => {
      expect(await failure('zstd', changed(GREETING, GREETING.length - 1))).toBeInstanceOf(CompressionError)
      // A single segment with a content size of 21, and content of one byte.
      const packed = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 21, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', packed)).toBeInstanceOf(CompressionError)
      expect(await unpack('zstd', changed(packed, 5, 20))).toEqual(encodeUtf8('a'))
    })

    test('zstd: a window beyond the limit is refused before it is allocated', async () => {
      // The window has 2 ** 41 bytes.
      const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0)
      expect(await failure('zstd', bomb)).toBeInstanceOf(LimitError)
    })

    test('zstd: a frame that claims 100 MB and has one byte does not allocate 100 MB', async () => {
      const before = process.memoryUsage().arrayBuffers
      // A single segment of 100 MB, and one raw block of one byte.
      const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0xe1, 0xf5, 0x05, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', bomb)).toBeInstanceOf(CompressionError)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20)
    })

    test('zstd: a frame that needs a dictionary is refused', async () => {
      const packed = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x01, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', packed)).toBeInstanceOf(UnsupportedError)
    })

    test('zstd: a Huffman table with a symbol of no bits is refused and does not loop forever', async () => {
      const tree = [6, 0xf0, 0x03, 0x81, 0xff, 0xff, 0x81]
      const packed = tree.length + 4
      const literals = [0x42, 0x01 | ((packed & 3) << 6), packed >> 2]
      const body = [...literals, ...tree, 1, 2, 3, 0x81, 0]
      const block = [1 | (2 << 1) | ((body.length << 3) & 0xff), body.length >> 5, 0]
      const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 20, ...block, ...body, 0, 0, 0, 0)
      expect(await failure('zstd', frame)).toBeInstanceOf(CompressionError)
    })

    test('gzip: the offset of an error is within the source', async () => {
      const whole = gzipSync(randomBytes(1000))
      const packed = changed(whole, whole.length - 5)
      const error = (await failure('gzip', packed, 100)) as CompressionError
      expect(error.data.offset).toBeGreaterThan(0)
      expect(error.data.offset).toBeLessThanOrEqual(packed.length)
    })

    test.each([
      ['gzip', new Uint8Array(gzipSync(encodeUtf8('some text, some text'.repeat(20))))],
      ['zstd', GREETING],
      ['zstd', WORDS],
    ] as const)('%s: a changed byte is refused or does not change the content', async (kind, packed) => {
      const content = await unpack(kind, packed)
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: packed.length - 1 }),
          fc.integer({ min: 1, max: 255 }),
          async (at, change) => {
            const broken = changed(packed, at, change)
            const result: unknown = await unpack(kind, broken, 50).catch((error: unknown) => error)
            if (result instanceof Uint8Array) expect(result).toEqual(content)
            else expect(result).toBeInstanceOf(OstreeError)
          },
        ),
        { numRuns: 300 },
      )
    })

    test('deflate-raw: a damaged stream is accepted exactly if zlib accepts it', async () => {
      const packed = deflateRawSync(
        encodeUtf8(`${'some text, '.repeat(9)}${'0123456789abcdefghijklmnopqrstuvwxyz'.repeat(3)}`),
      )
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: packed.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, change) => {
          const broken = changed(packed, at, change)
          let expected: Uint8Array | undefined
          try {
            expected = new Uint8Array(inflateRawSync(broken))
          } catch {}
          const result = await unpack('deflate-raw', broken).catch(() => undefined)
          expect(result).toEqual(expected)
        }),
        { numRuns: 300 },
      )
    })

    test.each(['gzip', 'zstd', 'deflate-raw'] as const)(
      '%s: any bytes are decompressed, or refused with an OstreeError',
      async (kind) => {
        await fc.assert(
          fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 40 }), async (bytes, size) => {
            const start = kind === 'zstd' ? GREETING.subarray(0, 5) : gzipSync('').subarray(0, kind === 'gzip' ? 10 : 0)
            const error = await failure(kind, concatBytes([start, bytes]), size)
            if (error !== undefined) expect(error).toBeInstanceOf(OstreeError)
          }),
          { numRuns: 300 },
        )
      },
    )
  })
}
