/** What every provider of `Platform` must do; `node` and `portable` run it alike. */
import { createHash, randomBytes } from 'node:crypto'
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, equalBytes, readAll } from '../../src/bytes.ts'
import { CompressionError, LimitError, OstreeError, UnsupportedError } from '../../src/errors.ts'
import type { CompressionKind, DecompressOptions, Platform } from '../../src/platform/index.ts'
import { GREETING, GZIP_SAMPLES, pieces, WORDS, watched, ZSTD_SAMPLES } from './fixtures.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 })
/** Bytes that compress: few values, long runs. */
const anyContent = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 400 })), { maxLength: 20 })
  .map((runs) => concatBytes(runs.map(([byte, length]) => new Uint8Array(length).fill(byte))))

/** A copy with one byte changed. */
function changed(bytes: Uint8Array, at: number, change = 1): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[at] = (copy[at] as number) ^ change
  return copy
}

export function platformSuite(platform: Platform): void {
  const unpack = (kind: CompressionKind, bytes: Uint8Array, size?: number, options?: DecompressOptions) =>
    readAll(platform.decompress(kind, pieces(bytes, size), options))
  const pack = (kind: CompressionKind, bytes: Uint8Array, level?: number) =>
    readAll(platform.compress(kind, pieces(bytes, 1000), { level }))
  const failure = async (kind: CompressionKind, bytes: Uint8Array, size?: number): Promise<unknown> =>
    unpack(kind, bytes, size).then(
      () => undefined,
      (error: unknown) => error,
    )

  describe('sha256', () => {
    test('gives 64 lower-case hex digits', () => {
      expect(platform.sha256()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
      expect(platform.sha256(encodeUtf8('abc'))).toBe(
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      )
    })

    test('hashes several parts as if joined, one-shot and streaming alike', () => {
      fc.assert(
        fc.property(fc.array(anyBytes, { maxLength: 5 }), (parts) => {
          const expected = createHash('sha256').update(concatBytes(parts)).digest('hex')
          const hasher = platform.createSha256()
          for (const part of parts) hasher.update(part)
          expect(platform.sha256(...parts)).toBe(expected)
          expect(hasher.digest()).toBe(expected)
        }),
      )
    })

    test.each([32_767, 32_768, 32_769, 1 << 20])('hashes a header and %i bytes', (size) => {
      const header = encodeUtf8('header')
      const body = new Uint8Array(randomBytes(size))
      const expected = createHash('sha256').update(header).update(body).digest('hex')
      expect(platform.sha256(header, body)).toBe(expected)
      expect(platform.sha256(concatBytes([header, body]))).toBe(expected)
    })
  })

  describe('raw deflate at once', () => {
    test('inflateRaw is the inverse of deflateRaw at every level', () => {
      fc.assert(
        fc.property(anyContent, fc.integer({ min: 1, max: 9 }), (content, level) => {
          const packed = platform.deflateRaw(content, level)
          expect(platform.inflateRaw(packed, content.length)).toEqual(content)
          expect(new Uint8Array(inflateRawSync(packed))).toEqual(content)
        }),
      )
    })

    test('inflates what zlib deflated, of any size', () => {
      for (const size of [0, 1, 257, 65_536, 3 << 20]) {
        const content = new Uint8Array(randomBytes(size)).map((byte) => byte & 15)
        // toEqual takes seconds for megabytes.
        expect(equalBytes(platform.inflateRaw(deflateRawSync(content), size), content)).toBe(true)
      }
    })

    test('an empty file is the two bytes ostree writes', () => {
      expect(platform.inflateRaw(Uint8Array.of(3, 0), 0)).toEqual(new Uint8Array(0))
    })

    test('results own their memory', () => {
      const packed = platform.deflateRaw(encodeUtf8('some text'), 6)
      const content = platform.inflateRaw(packed, 9)
      expect(packed.buffer.byteLength).toBe(packed.length)
      expect(content.buffer.byteLength).toBe(9)
      expect(Object.getPrototypeOf(content)).toBe(Uint8Array.prototype)
    })

    test('another size than promised is an error, in both directions', () => {
      const packed = platform.deflateRaw(new Uint8Array(1000), 6)
      for (const size of [0, 999, 1001, 50_000, 2 ** 40]) {
        expect(() => platform.inflateRaw(packed, size), String(size)).toThrow(CompressionError)
      }
    })

    test('a stream cut short anywhere is an error', () => {
      const content = encodeUtf8('the quick brown fox jumps over the lazy dog, and over the lazy dog once more')
      const packed = platform.deflateRaw(content, 9)
      for (let length = 0; length < packed.length; length++) {
        expect(() => platform.inflateRaw(packed.subarray(0, length), content.length)).toThrow(CompressionError)
      }
    })

    test('what follows the stream is left alone, as ostree does', () => {
      const packed = concatBytes([platform.deflateRaw(encodeUtf8('text'), 6), encodeUtf8('garbage')])
      expect(platform.inflateRaw(packed, 4)).toEqual(encodeUtf8('text'))
    })

    test('any bytes inflate or fail as zlib says', () => {
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          let expected: Uint8Array | undefined
          try {
            expected = new Uint8Array(inflateRawSync(bytes))
          } catch {}
          if (expected !== undefined) expect(platform.inflateRaw(bytes, expected.length)).toEqual(expected)
          else expect(() => platform.inflateRaw(bytes, 10)).toThrow(CompressionError)
        }),
        { numRuns: 500 },
      )
    })
  })

  describe('decompress', () => {
    const samples = [
      ...GZIP_SAMPLES.map((sample) => ({ kind: 'gzip' as const, ...sample })),
      ...ZSTD_SAMPLES.map((sample) => ({ kind: 'zstd' as const, ...sample })),
    ]

    test.each(samples)('$kind: reads $name, however it is cut', async ({ kind, packed, content }) => {
      for (const size of packed.length > 10_000 ? [packed.length, 999, 1024] : [packed.length, 1, 3, 7]) {
        expect(equalBytes(await unpack(kind, packed, size), content), `pieces of ${size}`).toBe(true)
      }
    })

    test.each(samples)('$kind: $name cut short anywhere is an error', async ({ kind, packed, name }) => {
      const ends = packed.length > 400 ? [1, 5, 17, packed.length >> 1, packed.length - 1] : packed.keys()
      for (const length of ends) {
        // Streams may end between members, before padding, or before a frame.
        const whole = (await unpack(kind, packed.subarray(0, length)).catch(() => undefined)) !== undefined
        const mayEnd = /two|zeros behind|behind/.test(name)
        if (whole) expect(mayEnd, `${length} of ${packed.length} bytes`).toBe(true)
        else expect(await failure(kind, packed.subarray(0, length), 5)).toBeInstanceOf(CompressionError)
      }
    })

    test('raw deflate ends where it ends; the rest of the source is read and left alone', async () => {
      const packed = concatBytes([deflateRawSync(encodeUtf8('text')), encodeUtf8('garbage')])
      expect(await unpack('deflate-raw', packed, 2)).toEqual(encodeUtf8('text'))
      const { seen, source } = watched([packed, packed, packed])
      expect(await readAll(platform.decompress('deflate-raw', source))).toEqual(encodeUtf8('text'))
      expect(seen.ended).toBe(true)
    })

    test.each(['gzip', 'zstd', 'deflate-raw'] as const)('%s: nothing at all is an error', async (kind) => {
      expect(await failure(kind, new Uint8Array(0))).toMatchObject({
        code: 'corrupt',
        message: 'unexpected end of file',
      })
    })

    test('garbage is refused by name', async () => {
      const garbage = encodeUtf8('this is neither the one nor the other')
      expect(await failure('gzip', garbage)).toMatchObject({ message: 'invalid gzip header', data: { kind: 'gzip' } })
      expect(String(await failure('zstd', garbage))).toContain('Unknown frame descriptor')
    })

    test('gzip: a wrong check sum or length is an error', async () => {
      const packed = gzipSync('some text')
      for (const [from, message] of [
        [8, 'incorrect data check'],
        [4, 'incorrect length check'],
      ] as const) {
        const broken = changed(packed, packed.length - from)
        expect(await failure('gzip', broken, 3)).toMatchObject({ code: 'corrupt', message })
      }
    })

    test('gzip: what is no member and no padding must not follow', async () => {
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
      ['another method than deflate', 2, 7],
      ['a wrong check sum of the header', 3, 2],
    ])('gzip: %s is refused', async (_, at, byte) => {
      const packed = new Uint8Array(gzipSync('some longer text, so that a header may seem to have more fields'))
      packed[at] = byte
      expect(await failure('gzip', packed)).toMatchObject({ message: 'invalid gzip header' })
    })

    test('zstd: a wrong check sum or content size is an error', async () => {
      expect(await failure('zstd', changed(GREETING, GREETING.length - 1))).toBeInstanceOf(CompressionError)
      // A single segment whose size says 21 where one byte is.
      const packed = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 21, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', packed)).toBeInstanceOf(CompressionError)
      expect(await unpack('zstd', changed(packed, 5, 20))).toEqual(encodeUtf8('a'))
    })

    test('zstd: a window beyond the limit is refused before memory is spent', async () => {
      // 2 ** 41 bytes.
      const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0)
      expect(await failure('zstd', bomb)).toMatchObject({ code: expect.stringMatching(/^(limit|corrupt)$/) })
    })

    test('zstd: a frame that claims much and holds little costs little', async () => {
      const before = process.memoryUsage().arrayBuffers
      // Single segment, 100 MB; one raw block of one byte.
      const bomb = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0xe1, 0xf5, 0x05, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', bomb)).toBeInstanceOf(CompressionError)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20)
    })

    test('zstd: a dictionary nobody has is an error', async () => {
      const packed = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x01, 0x09, 0, 0, 0x61)
      expect(await failure('zstd', packed)).toBeInstanceOf(OstreeError)
    })

    test('zstd: a Huffman table that takes no bits does not go on for ever', async () => {
      const tree = [6, 0xf0, 0x03, 0x81, 0xff, 0xff, 0x81]
      const packed = tree.length + 4
      const literals = [0x42, 0x01 | ((packed & 3) << 6), packed >> 2]
      const body = [...literals, ...tree, 1, 2, 3, 0x81, 0]
      const block = [1 | (2 << 1) | ((body.length << 3) & 0xff), body.length >> 5, 0]
      const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 20, ...block, ...body, 0, 0, 0, 0)
      expect(await failure('zstd', frame)).toBeInstanceOf(CompressionError)
    })

    test('the offset of a fault is within the source', async () => {
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
    ] as const)('%s: one changed byte is noticed or does not matter, and never more', async (kind, packed) => {
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

    test('gzip: accepts of broken streams what zlib accepts', async () => {
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

    test.each(['gzip', 'zstd', 'deflate-raw'] as const)('%s: any bytes decompress or fail in order', async (kind) => {
      await fc.assert(
        fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 40 }), async (bytes, size) => {
          const start = kind === 'zstd' ? GREETING.subarray(0, 5) : gzipSync('').subarray(0, kind === 'gzip' ? 10 : 0)
          const error = await failure(kind, concatBytes([start, bytes]), size)
          if (error !== undefined) expect(error).toBeInstanceOf(OstreeError)
        }),
        { numRuns: 300 },
      )
    })
  })

  describe('decompress as a good neighbour', () => {
    const megabytes = new Uint8Array(gzipSync(new Uint8Array(24 << 20)))

    test('maxBytes is met before the memory is spent', async () => {
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

    test('exactly maxBytes is fine', async () => {
      expect(await unpack('gzip', gzipSync('12345'), 4, { maxBytes: 5 })).toEqual(encodeUtf8('12345'))
      await expect(unpack('gzip', gzipSync('12345'), 4, { maxBytes: 4 })).rejects.toThrow(LimitError)
    })

    test('chunks come at about 1 MiB', async () => {
      const sizes: number[] = []
      for await (const chunk of platform.decompress('gzip', pieces(megabytes))) sizes.push(chunk.length)
      expect(sizes.reduce((a, b) => a + b)).toBe(24 << 20)
      expect(sizes.length).toBeLessThanOrEqual(30)
    })

    test('the source is asked only as output is wanted', async () => {
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

    test('leaving early returns the source', async () => {
      for (const kind of ['gzip', 'zstd'] as const) {
        const packed = kind === 'gzip' ? megabytes : GREETING
        const { seen, source } = watched([packed, packed])
        for await (const _ of platform.decompress(kind, source)) break
        expect(seen).toMatchObject({ returned: true, ended: false })
      }
    })

    test('a reader that is never started asks for nothing', async () => {
      const { seen, source } = watched([megabytes])
      const reader = platform.decompress('gzip', source)[Symbol.asyncIterator]()
      await reader.return?.()
      expect(seen.asked).toBe(0)
    })

    test('an error of the source comes through as it is', async () => {
      const fault = new Error('connection lost')
      async function* source() {
        yield megabytes.subarray(0, 100)
        throw fault
      }
      await expect(readAll(platform.decompress('gzip', source()))).rejects.toBe(fault)
    })

    test('a source that fails behind the end of the stream is an error all the same', async () => {
      const fault = new Error('connection lost')
      async function* source() {
        yield new Uint8Array(gzipSync('text'))
        throw fault
      }
      await expect(readAll(platform.decompress('gzip', source()))).rejects.toBe(fault)
    })

    test.each(['gzip', 'zstd'] as const)('%s: an abort frees the reader, also of a silent source', async (kind) => {
      const controller = new AbortController()
      async function* silent(): AsyncGenerator<Uint8Array> {
        yield kind === 'gzip' ? megabytes.subarray(0, 50) : GREETING.subarray(0, 10)
        await new Promise(() => {})
      }
      const reading = readAll(platform.decompress(kind, silent(), { signal: controller.signal }))
      setTimeout(() => controller.abort(), 10)
      await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    })

    test('an aborted signal stops everything before it starts', async () => {
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
    ])('gzip at level %s opens with a header that names no machine', async (level, xfl) => {
      const packed = await pack('gzip', encodeUtf8('text'), level)
      expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff])
      expect(gunzipSync(packed).toString()).toBe('text')
    })

    test.each(['gzip', 'deflate-raw'] as const)('%s: decompress is the inverse', async (kind) => {
      await fc.assert(
        fc.asyncProperty(anyContent, fc.integer({ min: 0, max: 9 }), async (content, level) => {
          expect(await unpack(kind, await pack(kind, content, level))).toEqual(content)
        }),
        { numRuns: 50 },
      )
    })

    test('the bytes do not depend on how the source is cut', async () => {
      const content = new Uint8Array(2_500_000).map((_, i) => (i * i) >> 7)
      const whole = await readAll(platform.compress('gzip', pieces(content)))
      expect(equalBytes(await unpack('gzip', whole), content)).toBe(true)
      expect(equalBytes(new Uint8Array(gunzipSync(whole)), content)).toBe(true)
      expect(equalBytes(await readAll(platform.compress('gzip', pieces(content, 70_001))), whole)).toBe(true)
    })

    test('zstd: is written where the platform can, and refused in so many words where not', async () => {
      let packed: Uint8Array
      try {
        packed = await pack('zstd', encodeUtf8('text'))
      } catch (error) {
        expect(error).toBeInstanceOf(UnsupportedError)
        return
      }
      expect(await unpack('zstd', packed)).toEqual(encodeUtf8('text'))
    })

    test('an error of the source comes through', async () => {
      const fault = new Error('no more')
      async function* source(): AsyncGenerator<Uint8Array> {
        yield encodeUtf8('text')
        throw fault
      }
      await expect(readAll(platform.compress('gzip', source()))).rejects.toBe(fault)
    })
  })
}
