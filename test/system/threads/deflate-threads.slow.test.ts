/** Streams that threads compress, compared with the same streams compressed in one thread. */
import { expect, test } from 'vitest'
import { equalBytes, readAll } from '../../../src/bytes.ts'
import { loadExactDeflate } from '../../../src/platform/codecs/stock-zlib.ts'
import { DeflateThreads } from '../../../src/system/threads/deflate-threads.ts'
import { pieces } from '../../platform/fixtures.ts'
import { failingThreadProgram, threadProgram } from '../../support/bundle.ts'

const program = threadProgram('deflate-worker')

/** Content that is neither random nor uniform. */
function content(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0, state = seed; i < size; i++) {
    state = (state * 48_271) % 2_147_483_647
    bytes[i] = i % 300 < 200 ? (state >> 12) & 15 : i & 0xff
  }
  return bytes
}

test.each([
  [0, 1],
  [1, 1000],
  [(1 << 20) - 1, 7000],
  [1 << 20, 1 << 20],
  [(1 << 20) + 1, 65_536],
  [5_000_000, 999_999],
])('%i bytes in pieces of %i are compressed to the same bytes', async (size, piece) => {
  const threads = new DeflateThreads({ count: 2, program })
  const exact = await loadExactDeflate()
  for (const level of [1, 6]) {
    const bytes = content(size, level)
    const packed = await readAll(threads.deflate(pieces(bytes, piece), level))
    expect(equalBytes(packed, exact.deflateRaw(bytes, level))).toBe(true)
  }
})

test('streams that are compressed at the same time are not mixed up', async () => {
  const threads = new DeflateThreads({ count: 2, program, after: 50_000 })
  const exact = await loadExactDeflate()
  const inputs = Array.from({ length: 7 }, (_, i) => content(400_000 + i, i + 1))
  const packed = await Promise.all(inputs.map((bytes, i) => readAll(threads.deflate(pieces(bytes, 9000), 1 + i))))
  for (const [i, bytes] of inputs.entries())
    expect(equalBytes(packed[i] ?? bytes, exact.deflateRaw(bytes, 1 + i))).toBe(true)
})

test('a stream that is not read to its end, and one whose source fails, do not disturb the others', async () => {
  const threads = new DeflateThreads({ count: 1, program, after: 10_000 })
  const exact = await loadExactDeflate()
  const bytes = content(900_000, 3)
  async function* failing() {
    yield bytes
    throw new RangeError('source failed')
  }
  const stopped = (async () => {
    for await (const _ of threads.deflate(pieces(bytes, 5000), 6)) return
  })()
  const failed = expect(readAll(threads.deflate(failing(), 6))).rejects.toThrow('source failed')
  const packed = await readAll(threads.deflate(pieces(bytes, 5000), 6))
  await Promise.all([stopped, failed])
  expect(equalBytes(packed, exact.deflateRaw(bytes, 6))).toBe(true)
  expect(equalBytes(await readAll(threads.deflate(pieces(bytes, 5000), 6)), packed)).toBe(true)
})

test('a thread that ends by itself is an error, and the next stream has a new one', async () => {
  const failing = new DeflateThreads({ count: 1, program: failingThreadProgram(), after: 1000 })
  for (let i = 0; i < 2; i++) {
    await expect(readAll(failing.deflate(pieces(content(90_000, 1), 5000), 6))).rejects.toMatchObject({
      name: 'IoError',
      message: expect.stringContaining('compression thread'),
    })
  }
})

test.each([1, 2, 3, 5, 8])(
  'a thread that ends after %i answers fails every stream that it has, and no stream waits',
  async (answers) => {
    const program = failingThreadProgram(answers, `{ kind: 'deflated', pieces: [] }`)
    const failing = new DeflateThreads({ count: 1, program, after: 1000 })
    const streams = Array.from({ length: 3 }, () => readAll(failing.deflate(pieces(content(90_000, 1), 5000), 6)))
    const ends = await Promise.allSettled(streams)
    for (const end of ends) {
      expect(end).toMatchObject({ status: 'rejected', reason: { name: 'IoError', data: { errno: 'EIO' } } })
    }
  },
)
