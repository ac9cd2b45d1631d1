/** zstd streams that the original encoder wrote, as a program and as a package, read by both platforms. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as zlib from 'node:zlib'
import { build } from 'esbuild'
import fc from 'fast-check'
import { decompress as fzstdDecompress } from 'fzstd'
import { describe, expect, test } from 'vitest'
import { concatBytes, equalBytes, readAll } from '../../src/bytes.ts'
import type { Platform } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { noise } from '../../src/testing/suites/kit.ts'
import { describeReference, hasReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { pieces } from './fixtures.ts'

const platforms = [nodePlatform, portablePlatform]
const BLOCK = 1 << 17
/** Bytes of content in each frame that the portable platform writes with the package. */
const FRAME = 8 << 20
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]

const pack = (content: Uint8Array, level?: number, platform: Platform = portablePlatform) =>
  readAll(platform.compress('zstd', pieces(content, 50_000), { level }))

async function expectRead(content: Uint8Array, packed: Uint8Array): Promise<void> {
  for (const platform of platforms) {
    const unpacked = await readAll(platform.decompress('zstd', pieces(packed, 65_536)))
    expect(equalBytes(unpacked, content), platform.name).toBe(true)
  }
}

/** Generates bytes of few or many values, some of them rare. */
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

/** Generates content of several parts, with copies of any pieces of it. */
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

/** Makes text that compresses well. */
function text(size: number): Uint8Array {
  return new TextEncoder()
    .encode('usr/share/doc/some-package/copyright\n'.repeat(Math.ceil(size / 37)))
    .subarray(0, size)
}

function packedByZstd(content: Uint8Array, ...args: string[]): Uint8Array {
  const { status, stdout } = spawnSync('zstd', ['-cq', ...args], { input: content, maxBuffer: 1 << 26 })
  expect(status).toBe(0)
  return new Uint8Array(stdout)
}

function unpackedByZstd(packed: Uint8Array): Uint8Array {
  const { status, stdout, stderr } = spawnSync('zstd', ['-dcq'], { input: packed, maxBuffer: 1 << 26 })
  expect([status, stderr.toString()]).toEqual([0, ''])
  return new Uint8Array(stdout)
}

function blockHeader(type: number, size: number, last: boolean): Uint8Array {
  const header = (last ? 1 : 0) | (type << 1) | (size << 3)
  return Uint8Array.of(header, header >> 8, header >> 16)
}

/** Packs numbers of `width` bits so that a decoder reads them from the end: the last in the lowest bits, and then a 1. */
function backwards(numbers: readonly number[], width: number): Uint8Array {
  const bits = [
    ...numbers.toReversed().flatMap((value) => Array.from({ length: width }, (_, i) => (value >> i) & 1)),
    1,
  ]
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
  return bytes
}

describe('the zstd decoder', () => {
  test('any content that the package compresses is read, at every level', async () => {
    await fc.assert(
      fc.asyncProperty(anyContent, fc.integer({ min: 1, max: 19 }), async (content, level) => {
        const packed = await pack(content, level)
        await expectRead(content, packed)
        // fzstd does not read empty content.
        if (content.length > 0) expect(equalBytes(fzstdDecompress(packed), content)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test.each([0, 1, 2, 63, 64, 255, 256, 1023, 1024, 16_383, 16_384, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])(
    '%i bytes of noise, of text and of one value are read',
    async (size) => {
      for (const content of [noise(size), text(size), new Uint8Array(size).fill(7)]) {
        await expectRead(content, await pack(content))
      }
    },
  )

  test('literals and matches of any length are read', async () => {
    const runs = [new Uint8Array(BLOCK - 70_000).fill(1), noise(70_000), new Uint8Array(131_000).fill(2), noise(72)]
    const long = concatBytes(runs)
    for (const level of [1, 9, 19]) await expectRead(long, await pack(long, level))
  })

  test('a block with the maximum number of sequences is read', async () => {
    // A block of noise, then a block of its four-byte words in another order. Every sequence has no literals, a match
    // of 4 bytes (code 1) and an offset of code 17, so each table is a single symbol and only offsets take bits.
    const content = noise(2 * BLOCK)
    const offsets = Array.from({ length: BLOCK / 4 }, (_, i) => BLOCK + 4 * i - 4 * ((i * 12_345) % (i + 1)))
    for (const [i, offset] of offsets.entries())
      content.copyWithin(BLOCK + 4 * i, BLOCK + 4 * i - offset, BLOCK + 4 * i - offset + 4)
    const count = offsets.length - 0x7f00
    const body = concatBytes([
      Uint8Array.of(0, 255, count & 0xff, count >> 8, 0x54, 0, 17, 1),
      backwards(
        offsets.map((offset) => offset + 3 - (1 << 17)),
        17,
      ),
    ])
    const packed = concatBytes([
      Uint8Array.of(...MAGIC, 0, (20 - 10) << 3),
      blockHeader(0, BLOCK, false),
      content.subarray(0, BLOCK),
      blockHeader(2, body.length, true),
      body,
    ])
    await expectRead(content, packed)
    expect(equalBytes(fzstdDecompress(packed), content)).toBe(true)
    if (hasReference('zstd')) expect(equalBytes(unpackedByZstd(packed), content)).toBe(true)
  })
})

describe('zstd compression with the package', () => {
  test.each([
    [0, 1],
    [1, 1],
    [FRAME - 1, 1],
    [FRAME, 1],
    [FRAME + 1, 2],
    [2 * FRAME + 5, 3],
  ])('content of %i bytes is written as %i frames', async (size, frames) => {
    const content = text(size)
    const packed = await pack(content)
    await expectRead(content, packed)
    const parts: Uint8Array[] = []
    for await (const part of portablePlatform.compress('zstd', pieces(content, 1 << 20))) parts.push(part)
    expect(parts.map((part) => [...part.subarray(0, 4)])).toEqual(Array(frames).fill(MAGIC))
    expect(equalBytes(concatBytes(parts), packed)).toBe(true)
  })

  test('a copy of content up to 2 MiB back is found, at any position', async () => {
    const line = noise(30_000)
    const far = concatBytes([line, noise(1_900_000, 2), line, noise(900_000, 3), line, noise(1_000_000, 4), line])
    const packed = await pack(far)
    await expectRead(far, packed)
    expect(packed.length).toBeLessThan(far.length - 3 * 28_000)
  })

  test('streams that are read in turns do not affect each other', async () => {
    const contents = [text(2 * FRAME), noise(FRAME + 9), new Uint8Array(3 * FRAME).fill(1)]
    const alone = await Promise.all(contents.map((content) => pack(content)))
    const readers = contents.map((content) => portablePlatform.compress('zstd', pieces(content, 70_001)))
    const open = new Map(readers.map((reader, i) => [i, reader[Symbol.asyncIterator]()]))
    const got = contents.map((): Uint8Array[] => [])
    while (open.size > 0) {
      for (const [i, reader] of open) {
        const next = await reader.next()
        if (next.done) open.delete(i)
        else got[i]?.push(next.value)
      }
    }
    for (const [i, parts] of got.entries()) expect(equalBytes(concatBytes(parts), alone[i] as Uint8Array)).toBe(true)
  })

  test('a level that zstd does not have is refused', async () => {
    const content = text(100_000)
    for (const level of [-5, 23, 99, 1.5]) expect(() => pack(content, level)).toThrow('Invalid level of zstd')
    for (const level of [0, 1, 22]) await expectRead(content, await pack(content, level))
  })

  test('a source without chunks gives an empty frame', async () => {
    async function* nothing(): AsyncGenerator<Uint8Array> {}
    const packed = await readAll(portablePlatform.compress('zstd', nothing()))
    expect(packed).toEqual(await pack(new Uint8Array(0)))
    await expectRead(new Uint8Array(0), packed)
  })
})

describe('zstd compression without the package', () => {
  const folder = temporaryFolder('disk')

  test('it fails before the source is read, with an error that says what it needs, and gzip works', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    await build({
      stdin: {
        contents: `
          export { portablePlatform } from './src/platform/portable.ts'
          export { nodePlatform } from './src/platform/node.ts'
          export { UnsupportedError } from './src/errors.ts'`,
        resolveDir: root,
        loader: 'ts',
      },
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['@hpcc-js/wasm-zstd'],
      outfile: join(folder, 'platforms.mjs'),
      logLevel: 'silent',
    })
    const program = `
      import { nodePlatform, portablePlatform, UnsupportedError } from './platforms.mjs'
      const outcome = async (platform, kind) => {
        let read = false
        async function* source() {
          read = true
          yield new Uint8Array(1000)
        }
        try {
          let size = 0
          for await (const part of platform.compress(kind, source())) size += part.length
          return size > 0
        } catch (error) {
          return error instanceof UnsupportedError && !read ? error.message : 'another error: ' + error
        }
      }
      const outcomes = {}
      for (const platform of [nodePlatform, portablePlatform]) {
        for (const kind of ['zstd', 'gzip']) outcomes[platform.name + ' ' + kind] = await outcome(platform, kind)
      }
      console.log(JSON.stringify(outcomes))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    const needs =
      'Writing zstd needs Node 22.15 or newer, or the package @hpcc-js/wasm-zstd; gzip needs neither (--compression=gzip)'
    expect(JSON.parse(stdout)).toEqual({
      'node zstd': 'createZstdCompress' in zlib ? true : needs,
      'node gzip': true,
      'portable zstd': needs,
      'portable gzip': true,
    })
  })
})

describeReference('zstd', 'zstd on both platforms and the program `zstd`', () => {
  const anyOptions = fc.oneof(
    fc.integer({ min: 1, max: 19 }).map((level) => [`-${level}`]),
    fc.integer({ min: 1, max: 50 }).map((speed) => [`--fast=${speed}`]),
    fc.integer({ min: 10, max: 27 }).map((window) => ['-3', `--zstd=wlog=${window}`]),
    fc.constantFrom(['-9', '--no-check'], ['-3', '--no-content-size'], ['-3', '-B20000', '-T2'], ['--ultra', '-22']),
    fc
      .record({ strategy: fc.integer({ min: 1, max: 9 }), least: fc.integer({ min: 3, max: 7 }) })
      .map(({ strategy, least }) => ['-5', `--zstd=strategy=${strategy},mml=${least}`]),
  )

  test('both platforms read the streams of zstd with any options', async () => {
    await fc.assert(
      fc.asyncProperty(anyContent, anyOptions, async (content, options) => {
        await expectRead(content, packedByZstd(content, ...options))
      }),
      { numRuns: 60 },
    )
  })

  test('zstd reads the streams of both platforms', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyContent,
        fc.integer({ min: 1, max: 19 }),
        fc.constantFrom(...platforms),
        async (content, level, platform) => {
          const packed = await pack(content, level, platform)
          expect(equalBytes(unpackedByZstd(packed), content)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a frame of the package has the size of one of zstd, with a tolerance of 1 %', async () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `word${(i * i * 7919) % 4099} `)
    const content = new TextEncoder().encode(words.join(''))
    for (const level of [1, 3, 9]) {
      const size = packedByZstd(content, `-${level}`, '--no-check').length
      expect(Math.abs((await pack(content, level)).length - size)).toBeLessThan(size / 100)
    }
  })
})
