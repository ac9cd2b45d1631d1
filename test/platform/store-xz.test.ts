/** xz that is not compressed, read by the program xz and by the decoder of this library. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { readAll } from '../../src/bytes.ts'
import { storeXz } from '../../src/platform/internal.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { hasReference } from '../support/reference.ts'

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

test.each([0, 1, 2, 3, 4, 127, 65_536, 65_537, 200_001])('%i bytes', async (length) => {
  const bytes = Uint8Array.from({ length }, (_, i) => i * 7)
  for (const size of [1000, 1 << 20]) {
    const packed = await readAll(storeXz(inChunks(bytes, size)))
    expect(packed.length % 4).toBe(0)
    const chunks = nodePlatform.decompress('xz', inChunks(packed, 333))
    expect(Buffer.compare(await readAll(chunks), bytes)).toBe(0)
    if (!hasReference('xz')) continue
    const { status, stdout, stderr } = spawnSync('xz', ['-dc'], { input: packed })
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: '' })
    expect(Buffer.compare(stdout, bytes)).toBe(0)
  }
})
