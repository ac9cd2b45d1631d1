/** The platforms compared with each other, and with other programs and libraries. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { decompress as fzstdDecompress } from 'fzstd'
import { describe, expect, test } from 'vitest'
import { concatBytes, equalBytes, readAll } from '../../src/bytes.ts'
import { LimitError } from '../../src/errors.ts'
import { crc32 } from '../../src/platform/codecs/crc32.ts'
import { Xxh64 } from '../../src/platform/codecs/zstd/xxh64.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { describeReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { pieces, WORDS } from './fixtures.ts'

const platforms = [nodePlatform, portablePlatform]

/** Makes content like that of layers: text, runs of bytes, noise, and copies of earlier content. */
function mixed(size: number): Uint8Array {
  const parts: Uint8Array[] = []
  const noise = new Uint8Array(randomBytes(4096))
  let length = 0
  for (let i = 0; length < size; i++) {
    const text = new TextEncoder().encode(`usr/share/doc/package-${(i * 7919) % 977}/copyright line ${i}\n`.repeat(5))
    parts.push(text, noise.subarray(i % 4000), new Uint8Array((i * 37) % 900).fill(i))
    length = parts.reduce((sum, part) => sum + part.length, 0)
  }
  return concatBytes(parts).subarray(0, size)
}

const content = mixed(700_000)

describe('the two platforms', () => {
  test.each(['gzip', 'zstd', 'deflate-raw'] as const)('each reads the %s streams of the other', async (kind) => {
    for (const level of [0, 1, 6, 9]) {
      for (const [writer, reader] of [platforms, platforms.toReversed()]) {
        const packed = await readAll(writer!.compress(kind, pieces(content, 65_536), { level }))
        expect(equalBytes(await readAll(reader!.decompress(kind, pieces(packed, 4099))), content)).toBe(true)
      }
    }
  })

  test('each inflates the deflated bytes of the other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: content.length }), fc.integer({ min: 1, max: 9 }), (end, level) => {
        const part = content.subarray(Math.max(0, end - 3000), end)
        for (const [writer, reader] of [platforms, platforms.toReversed()]) {
          const packed = writer!.deflateRaw(part, level)
          expect(equalBytes(reader!.inflateRaw(packed, part.length), part)).toBe(true)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('checksums', () => {
  test('crc32 gives the value of zlib, also piece by piece', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 50 }), (a, b) => {
        expect(crc32(a)).toBe(zlibCrc32(a))
        expect(crc32(b, crc32(a))).toBe(zlibCrc32(concatBytes([a, b])))
      }),
    )
  })

  test.each([
    ['', 0x51d8e999],
    ['a', 0xa98c6e5b],
    ['abc', 0xad770999],
  ])('XXH64 of %j is the value in its specification', (text, low) => {
    const hash = new Xxh64()
    hash.update(new TextEncoder().encode(text))
    expect(hash.digestLow()).toBe(low)
  })

  test('XXH64 gives the same value in whatever pieces the input comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 90 }), { maxLength: 6 }), (parts) => {
        const whole = new Xxh64()
        whole.update(concatBytes(parts))
        const cut = new Xxh64()
        for (const part of parts) cut.update(part)
        expect(cut.digestLow()).toBe(whole.digestLow())
      }),
    )
  })
})

describeReference('zstd', 'decompression and the program `zstd`', () => {
  const folder = temporaryFolder('disk')
  const file = join(folder, 'content')
  writeFileSync(file, content)

  const zstd = (...args: string[]): Uint8Array => {
    const { stdout, status } = spawnSync('zstd', ['-q', '-c', ...args, file], { maxBuffer: 1 << 26 })
    expect(status).toBe(0)
    return new Uint8Array(stdout)
  }

  test.each([
    [['-1']],
    [['-3']],
    [['-9', '--no-check']],
    [['-19']],
    [['--ultra', '-22']],
    [['--fast=5']],
    [['-3', '--long=27']],
    [['-3', '-B20000', '-T2']],
    [['-1', '--no-content-size']],
  ])('both platforms read a stream that zstd writes with %j', async (args) => {
    const packed = zstd(...args)
    for (const platform of platforms) {
      for (const size of [packed.length, 1009]) {
        expect(equalBytes(await readAll(platform.decompress('zstd', pieces(packed, size))), content)).toBe(true)
      }
    }
  })

  test('both platforms refuse a longer window than zstd accepts by default', async () => {
    // zstd writes the window only if it does not know the size of the content.
    const { stdout } = spawnSync('zstd', ['-q', '-c', '--long=28'], { input: content, maxBuffer: 1 << 26 })
    for (const platform of platforms) {
      await expect(readAll(platform.decompress('zstd', pieces(stdout)))).rejects.toThrow(LimitError)
    }
  })

  test('both platforms read many small frames, which a zstd:chunked layer has', async () => {
    const frames = [zstd('-3'), WORDS, zstd('-19'), WORDS, WORDS]
    const words = fzstdDecompress(WORDS)
    const expected = concatBytes([content, words, content, words, words])
    for (const platform of platforms) {
      const unpacked = await readAll(platform.decompress('zstd', pieces(concatBytes(frames), 5000)))
      expect(equalBytes(unpacked, expected)).toBe(true)
    }
  })

  test('the portable platform and fzstd read random parts of the content at every level', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: content.length }),
        fc.integer({ min: 0, max: 200_000 }),
        fc.integer({ min: 1, max: 19 }),
        async (start, length, level) => {
          const part = content.subarray(start, start + length)
          const { stdout } = spawnSync('zstd', ['-q', '-c', `-${level}`], { input: part, maxBuffer: 1 << 26 })
          expect(equalBytes(fzstdDecompress(new Uint8Array(stdout)), part)).toBe(true)
          const unpacked = await readAll(portablePlatform.decompress('zstd', pieces(new Uint8Array(stdout))))
          expect(equalBytes(unpacked, part)).toBe(true)
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('compression and the program `gzip`', () => {
  test.skipIf(spawnSync('gzip', ['--version']).status !== 0)('gzip reads the streams of both platforms', async () => {
    for (const platform of platforms) {
      for (const level of [0, 1, 6, 9]) {
        const packed = await readAll(platform.compress('gzip', pieces(content), { level }))
        const { stdout, status } = spawnSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 26 })
        expect(status).toBe(0)
        expect(equalBytes(new Uint8Array(stdout), content)).toBe(true)
      }
    }
  })
})
