/** Tests of a platform. Both platforms have to pass them. */
import { createHash, randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, equalBytes } from '../../src/bytes.ts'
import { CompressionError } from '../../src/errors.ts'
import type { Platform } from '../../src/platform/index.ts'
import { anyContent } from './fixtures.ts'
import { formatSuite } from './formats.ts'
import { streamSuite } from './streams.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 })
export function platformSuite(platform: Platform): void {
  describe('sha256', () => {
    test('a hash is 64 lower-case hex digits', () => {
      expect(platform.sha256()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
      expect(platform.sha256(encodeUtf8('abc'))).toBe(
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      )
    })

    test('several parts have the hash of the joined bytes, at once and as a stream', () => {
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

    test.each([32_767, 32_768, 32_769, 1 << 20])('a header and %i bytes have the right hash', (size) => {
      const header = encodeUtf8('header')
      const body = new Uint8Array(randomBytes(size))
      const expected = createHash('sha256').update(header).update(body).digest('hex')
      expect(platform.sha256(header, body)).toBe(expected)
      expect(platform.sha256(concatBytes([header, body]))).toBe(expected)
    })
  })

  describe('inflateRaw and deflateRaw', () => {
    test('deflated content is inflated to the same content at every level', () => {
      fc.assert(
        fc.property(anyContent, fc.integer({ min: 1, max: 9 }), (content, level) => {
          const packed = platform.deflateRaw(content, level)
          expect(platform.inflateRaw(packed, content.length)).toEqual(content)
          expect(new Uint8Array(inflateRawSync(packed))).toEqual(content)
        }),
      )
    })

    test('content of any size that zlib deflated is inflated', () => {
      for (const size of [0, 1, 257, 65_536, 3 << 20]) {
        const content = new Uint8Array(randomBytes(size)).map((byte) => byte & 15)
        // The comparison of toEqual takes seconds for megabytes.
        expect(equalBytes(platform.inflateRaw(deflateRawSync(content), size), content)).toBe(true)
      }
    })

    test('the two bytes that ostree writes for an empty file are inflated to nothing', () => {
      expect(platform.inflateRaw(Uint8Array.of(3, 0), 0)).toEqual(new Uint8Array(0))
    })

    test('a result has a buffer of its own', () => {
      const packed = platform.deflateRaw(encodeUtf8('some text'), 6)
      const content = platform.inflateRaw(packed, 9)
      expect(packed.buffer.byteLength).toBe(packed.length)
      expect(content.buffer.byteLength).toBe(9)
      expect(Object.getPrototypeOf(content)).toBe(Uint8Array.prototype)
    })

    test('content that is longer or shorter than announced is refused', () => {
      const packed = platform.deflateRaw(new Uint8Array(1000), 6)
      for (const size of [0, 999, 1001, 50_000, 2 ** 40]) {
        expect(() => platform.inflateRaw(packed, size), String(size)).toThrow(CompressionError)
      }
    })

    test('a truncated stream is refused', () => {
      const content = encodeUtf8('the quick brown fox jumps over the lazy dog, and over the lazy dog once more')
      const packed = platform.deflateRaw(content, 9)
      for (let length = 0; length < packed.length; length++) {
        expect(() => platform.inflateRaw(packed.subarray(0, length), content.length)).toThrow(CompressionError)
      }
    })

    test('bytes after the end of the stream are ignored, as by ostree', () => {
      const packed = concatBytes([platform.deflateRaw(encodeUtf8('text'), 6), encodeUtf8('garbage')])
      expect(platform.inflateRaw(packed, 4)).toEqual(encodeUtf8('text'))
    })

    test('any bytes are inflated exactly if zlib inflates them', () => {
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

  formatSuite(platform)
  streamSuite(platform)
}
