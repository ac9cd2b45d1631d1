/** xz by the liblzma of the system, against the program xz and the decoder of this library. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { concatBytes, readAll } from '../../src/bytes.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { loadLzma } from '../../src/system/liblzma.ts'
import { threadedPlatform } from '../../src/system/threaded-platform.ts'
import { describeReference } from '../support/reference.ts'

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

describeReference('xz', 'liblzma', () => {
  const xz = loadLzma()
  const inputs = [
    new Uint8Array(0),
    new TextEncoder().encode('hello'),
    new Uint8Array(3_000_000),
    new Uint8Array(randomBytes(300_000)),
    concatBytes([new Uint8Array(randomBytes(70_000)), new Uint8Array(500_000), new Uint8Array(randomBytes(65_536))]),
  ]

  test('it is what the platform of programs has', () => {
    expect(threadedPlatform.xz?.()).toBe(xz)
    expect(nodePlatform.xz?.()).toBeUndefined()
  })

  test.runIf(xz !== undefined).each([1 << 20, 65_536, 1000])('streams in chunks of %i bytes', async (size) => {
    if (xz === undefined) return
    for (const input of inputs) {
      const packed = await readAll(xz.compress(inChunks(input, size), 8))
      const theirs = spawnSync('xz', ['-8', '-c'], { input, maxBuffer: 1 << 28 }).stdout
      // The program notes sizes in the header of a block, which the library does not know in advance.
      expect(Math.abs(packed.length - theirs.length)).toBeLessThanOrEqual(16)
      expect(Buffer.compare(await readAll(xz.decompress(inChunks(packed, size), 1 << 26)), input)).toBe(0)
      expect(Buffer.compare(await readAll(xz.decompress(inChunks(theirs, size), 1 << 26)), input)).toBe(0)
      expect(Buffer.compare(await readAll(nodePlatform.decompress('xz', inChunks(packed, size))), input)).toBe(0)
    }
  })

  test.runIf(xz !== undefined)('faults have the words of liblzma', async () => {
    if (xz === undefined) return
    const packed = await readAll(xz.compress(inChunks(inputs[4] as Uint8Array, 1000), 6))
    const message = (bytes: Uint8Array, limit = 1 << 27) =>
      readAll(xz.decompress(inChunks(bytes, 1000), limit)).then(
        () => 'none',
        (error: Error) => `${error.name}: ${error.message}`,
      )
    expect(await message(packed)).toBe('none')
    expect(await message(packed.subarray(0, -1))).toBe('CompressionError: Input buffer too small')
    expect(await message(new Uint8Array())).toBe('CompressionError: Input buffer too small')
    expect(await message(new Uint8Array(100))).toBe('CompressionError: File format not recognized')
    expect(await message(packed.map((byte, i) => (i === 50_000 ? byte ^ 1 : byte)))).toBe(
      'CompressionError: Data is corrupt',
    )
    expect(await message(packed, 1 << 20)).toBe('LimitError: Exceeded memory limit')
  })

  test.runIf(xz !== undefined)('a stream may be abandoned', async () => {
    if (xz === undefined) return
    for await (const chunk of xz.compress(inChunks(inputs[3] as Uint8Array, 1000), 1)) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
  })
})
