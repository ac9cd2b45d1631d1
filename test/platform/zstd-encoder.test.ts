/** zstd as we write it, read by the zstd program, by fzstd and by ourselves. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { decompress as fzstdDecompress } from 'fzstd'
import { describe, expect, test } from 'vitest'
import { concatBytes, equalBytes, readAll } from '../../src/bytes.ts'
import { BitWriter } from '../../src/platform/codecs/zstd/bit-writer.ts'
import { BlockEncoder } from '../../src/platform/codecs/zstd/block-encoder.ts'
import type { Matches, Sequences } from '../../src/platform/codecs/zstd/matches.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { noise } from '../../src/testing/suites/kit.ts'
import { describeReference, hasReference } from '../support/reference.ts'
import { pieces } from './fixtures.ts'

const BLOCK = 1 << 17

const pack = (content: Uint8Array, level?: number) =>
  readAll(portablePlatform.compress('zstd', pieces(content, 50_000), { level }))

async function expectRead(content: Uint8Array, packed: Uint8Array): Promise<void> {
  const unpacked = await readAll(portablePlatform.decompress('zstd', pieces(packed, 65_536)))
  expect(equalBytes(unpacked, content)).toBe(true)
  if (content.length > 0) expect(equalBytes(fzstdDecompress(packed), content)).toBe(true)
}

/** Bytes of few or many kinds, some of them rare. */
const anySkewed = fc
  .record({
    size: fc.nat({ max: 9000 }),
    kinds: fc.integer({ min: 1, max: 256 }),
    power: fc.integer({ min: 1, max: 9 }),
    seed: fc.nat(),
  })
  .map(({ size, kinds, power, seed }) =>
    noise(size * 2, seed).reduce((into, byte, i, all) => {
      if (i % 2 === 0) into[i >> 1] = Math.floor(kinds * ((byte * 256 + (all[i + 1] as number)) / 65_536) ** power)
      return into
    }, new Uint8Array(size)),
  )

const anyPart = fc.oneof(
  anySkewed,
  fc.uint8Array({ maxLength: 300 }),
  fc
    .record({ byte: fc.nat({ max: 255 }), size: fc.nat({ max: 70_000 }) })
    .map(({ byte, size }) => new Uint8Array(size).fill(byte)),
  fc.record({ size: fc.nat({ max: 140_000 }), seed: fc.nat() }).map(({ size, seed }) => noise(size, seed)),
)

/** Parts, some of which come again, from anywhere in them and as long as one likes. */
const anyContent = fc
  .record({
    parts: fc.array(anyPart, { maxLength: 5 }),
    copies: fc.array(
      fc.record({ from: fc.nat(), size: fc.nat({ max: 200_000 }), times: fc.integer({ min: 1, max: 3 }) }),
      { maxLength: 4 },
    ),
  })
  .map(({ parts, copies }) => {
    let content = concatBytes(parts)
    for (const { from, size, times } of copies) {
      const start = content.length === 0 ? 0 : from % content.length
      content = concatBytes([content, ...Array<Uint8Array>(times).fill(content.slice(start, start + size))])
    }
    return content.subarray(0, 3_000_000)
  })

function blockHeader(type: number, size: number, last: boolean): Uint8Array {
  const header = (last ? 1 : 0) | (type << 1) | (size << 3)
  return Uint8Array.of(header, header >> 8, header >> 16)
}

function unpackedByZstd(packed: Uint8Array): Uint8Array {
  const { status, stdout, stderr } = spawnSync('zstd', ['-dcq'], { input: packed, maxBuffer: 1 << 26 })
  expect([status, stderr.toString()]).toEqual([0, ''])
  return new Uint8Array(stdout)
}

describe('a zstd frame of ours', () => {
  test('holds any content, at every level', async () => {
    await fc.assert(
      fc.asyncProperty(anyContent, fc.integer({ min: 1, max: 9 }), async (content, level) => {
        await expectRead(content, await pack(content, level))
      }),
      { numRuns: 60 },
    )
  })

  test.each([0, 1, 2, 63, 64, 255, 256, 1023, 1024, 16_383, 16_384, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])(
    'of %i bytes is as it should be, whatever they are like',
    async (size) => {
      const text = new TextEncoder().encode('usr/share/doc/some-package/copyright\n'.repeat(Math.ceil(size / 36)))
      for (const content of [noise(size), text.subarray(0, size), new Uint8Array(size).fill(7)]) {
        const packed = await pack(content)
        await expectRead(content, packed)
        // Header, check sum, and three bytes a block: no content takes more.
        expect(packed.length).toBeLessThanOrEqual(10 + size + 3 * Math.max(1, Math.ceil(size / BLOCK)))
      }
    },
  )

  test('finds what lies up to 1 MiB back, however long the content is', async () => {
    const line = noise(30_000)
    const far = concatBytes([
      line,
      noise(1_000_000, 2),
      line,
      noise(900_000, 3),
      noise(30_000),
      noise(1_000_000, 4),
      line,
    ])
    const packed = await pack(far)
    await expectRead(far, packed)
    expect(packed.length).toBeLessThan(far.length - 3 * 28_000)
  })

  test('takes literals and matches of any length', async () => {
    const long = concatBytes([
      new Uint8Array(BLOCK - 70_000).fill(1),
      noise(70_000),
      new Uint8Array(131_000).fill(2),
      noise(72),
    ])
    await expectRead(long, await pack(long))
  })

  test('takes as many matches as a block can have', async () => {
    // A block of noise, and one of nothing but its words of four bytes, in another order.
    const bytes = noise(2 * BLOCK)
    const count = BLOCK / 4
    const found = Array.from({ length: count }, (_, i) => 4 * ((i * 12_345) % count))
    for (const [i, from] of found.entries()) bytes.set(bytes.subarray(from, from + 4), BLOCK + 4 * i)
    const matches = {
      bytes,
      end: bytes.length,
      find(start: number, sequences: Sequences) {
        for (const [i, from] of found.entries()) sequences.push(0, start + 4 * i - from, 4)
      },
    }
    const out = new BitWriter(new Uint8Array(4 * BLOCK))
    // Only these members are asked for.
    expect(new BlockEncoder().encode(matches as unknown as Matches, BLOCK, out)).toBe(true)
    const packed = concatBytes([
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, (20 - 10) << 3),
      blockHeader(0, BLOCK, false),
      bytes.subarray(0, BLOCK),
      blockHeader(2, out.at, true),
      out.bytes.subarray(0, out.at),
    ])
    await expectRead(bytes, packed)
    if (hasReference('zstd')) expect(equalBytes(unpackedByZstd(packed), bytes)).toBe(true)
  })

  test('without a chunk is empty, and ends with its check sum', async () => {
    async function* nothing(): AsyncGenerator<Uint8Array> {}
    const packed = await readAll(portablePlatform.compress('zstd', nothing()))
    expect(packed).toEqual(await pack(new Uint8Array(0)))
    packed[packed.length - 1]! ^= 1
    await expect(readAll(portablePlatform.decompress('zstd', pieces(packed)))).rejects.toThrow('check sum')
  })
})

describeReference('zstd', 'the zstd program', () => {
  test('reads what we write', async () => {
    await fc.assert(
      fc.asyncProperty(anyContent, fc.integer({ min: 1, max: 9 }), async (content, level) => {
        const packed = await pack(content, level)
        expect(equalBytes(unpackedByZstd(packed), content)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test('takes no less for text at its fastest', async () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `word${(i * i * 7919) % 4099} `)
    const content = new TextEncoder().encode(words.join(''))
    const { stdout } = spawnSync('zstd', ['-1cq'], { input: content, maxBuffer: 1 << 26 })
    expect((await pack(content)).length).toBeLessThan(stdout.length * 1.05)
  })
})
