import { describe, expect, test, vi } from 'vitest'
import { concatBytes, readAll, streamOf } from '../../../src/bytes.ts'
import { digestOf } from '../../../src/container/oci/digest.ts'
import {
  type ExpectedBlob,
  limitExpansion,
  MAX_LAYER_RATIO,
  VerifiedBlob,
} from '../../../src/container/oci/verified-blob.ts'
import { DigestMismatchError, LimitError, UsageError } from '../../../src/errors.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'

const PIECES = [new Uint8Array(5).fill(1), new Uint8Array(0), new Uint8Array(7).fill(2)]
const WHOLE = concatBytes(PIECES)
const digest = digestOf(platform.sha256(WHOLE))
const OTHER = digestOf(platform.sha256(new Uint8Array(12)))

/** Streams the pieces; `end` is called once, when the stream has ended or is closed. */
async function* source(end: () => void = () => undefined, pieces: readonly Uint8Array[] = PIECES) {
  try {
    yield* pieces
  } finally {
    end()
  }
}

/** A source that never returns a chunk. */
function silent(): AsyncIterable<Uint8Array> & { returned: boolean } {
  const state = {
    returned: false,
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<Uint8Array>>(() => undefined),
      return: () => {
        state.returned = true
        return new Promise<IteratorResult<Uint8Array>>(() => undefined)
      },
    }),
  }
  return state
}

describe('a verified blob', () => {
  test('a verified blob gives the bytes of its source, their digest and their number', async () => {
    const onBytes = vi.fn()
    const blob = new VerifiedBlob(platform, source(), { digest, size: WHOLE.length }, { onBytes })
    expect(await readAll(blob)).toEqual(WHOLE)
    expect(await blob.finish()).toEqual({ digest, size: WHOLE.length })
    expect(onBytes.mock.calls).toEqual([[5], [5], [12]])
    const empty = new VerifiedBlob(platform, streamOf(new Uint8Array(0)))
    expect(await empty.drain()).toEqual({ digest: digestOf(platform.sha256(new Uint8Array(0))), size: 0 })
  })

  test.each([
    ['digest', { digest: OTHER, size: 12 }, { what: 'digest', blob: OTHER, expected: OTHER, actual: digest }],
    ['size', { digest, size: 13 }, { what: 'size', blob: digest, expected: 13, actual: 12 }],
    ['size without a digest', { size: 11 }, { what: 'size', blob: 'without a digest', expected: 11, actual: 12 }],
  ])(
    'a verified blob with a wrong %s fails when it is read, and again when its digest is requested',
    async (_, expected, data) => {
      const blob = new VerifiedBlob(platform, source(), expected)
      const error = await readAll(blob).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(DigestMismatchError)
      expect(error).toMatchObject({ data })
      await expect(blob.finish()).rejects.toBe(error)
      await expect(blob.drain()).rejects.toBe(error)
    },
  )

  test('a verified blob with too many bytes fails although its source never ends', async () => {
    async function* endless() {
      for (;;) yield new Uint8Array(1000)
    }
    const blob = new VerifiedBlob(platform, endless(), { digest, size: 2500 })
    await expect(blob.drain()).rejects.toMatchObject({ data: { what: 'size', expected: 2500, actual: 3000 } })
  })

  test('a verified blob is complete for a reader that stops at the last byte, and not for one that stops earlier', async () => {
    const blob = new VerifiedBlob(platform, source())
    for await (const _ of blob) if (blob.received === WHOLE.length) break
    expect(await blob.finish()).toEqual({ digest, size: WHOLE.length })
    const half = new VerifiedBlob(platform, source())
    for await (const _ of half) break
    await expect(half.finish()).rejects.toThrow(UsageError)
    expect(await half.drain()).toEqual({ digest, size: WHOLE.length })
  })

  test('a verified blob is hashed in order for two concurrent readers', async () => {
    const blob = new VerifiedBlob(platform, source())
    const [one, other] = [blob[Symbol.asyncIterator](), blob[Symbol.asyncIterator]()]
    const steps = await Promise.all([one.next(), other.next(), one.next(), other.next(), one.next()])
    expect(steps.map(({ done }) => done ?? false)).toEqual([false, false, false, true, true])
    expect(await blob.finish()).toEqual({ digest, size: WHOLE.length })
  })

  test('a verified blob closes its source when it is disposed, and not before', async () => {
    const end = vi.fn()
    {
      await using blob = new VerifiedBlob(platform, source(end))
      for await (const _ of blob) break
      expect(end).not.toHaveBeenCalled()
    }
    expect(end).toHaveBeenCalledOnce()
  })

  test('a verified blob that was disposed before its end cannot be read further', async () => {
    const blob = new VerifiedBlob(platform, source())
    for await (const _ of blob) break
    await blob[Symbol.asyncDispose]()
    await expect(blob.finish()).rejects.toThrow(UsageError)
  })

  test('a verified blob fails at once when it is aborted, without waiting for a source that never answers', async () => {
    const never = silent()
    const controller = new AbortController()
    const blob = new VerifiedBlob(platform, never, { digest }, { signal: controller.signal })
    const reading = readAll(blob)
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    await blob[Symbol.asyncDispose]()
    expect(never.returned).toBe(true)
  })

  test('disposing a verified blob does not wait for a pending chunk of its source', async () => {
    const never = silent()
    const blob = new VerifiedBlob(platform, never)
    blob[Symbol.asyncIterator]().next()
    await blob[Symbol.asyncDispose]()
    expect(never.returned).toBe(true)
  })

  test('a verified blob fails with the error of its source', async () => {
    async function* broken() {
      yield new Uint8Array(1)
      throw new RangeError('the source broke')
    }
    const blob = new VerifiedBlob(platform, broken(), { digest, size: 12 })
    await expect(readAll(blob)).rejects.toThrow('the source broke')
    await expect(blob.finish()).rejects.toThrow('the source broke')
  })
})

describe('a limited expansion', () => {
  const MIB = 1 << 20
  const mebibyte = new Uint8Array(MIB)

  async function* mebibytes(count: number) {
    for (let i = 0; i < count; i++) yield mebibyte
  }

  async function read(count: number, received: number, maxBytes = 2 ** 40): Promise<number> {
    let size = 0
    const limits = { what: 'layer', maxBytes, path: 'a.tar' }
    for await (const chunk of limitExpansion(mebibytes(count), { received }, limits)) size += chunk.length
    return size
  }

  test('a limited expansion allows any ratio up to 1 GiB, and MAX_LAYER_RATIO above', async () => {
    expect(await read(1024, 1)).toBe(1024 * MIB)
    expect(await read(2048, (2048 * MIB) / MAX_LAYER_RATIO)).toBe(2048 * MIB)
    const error = await read(1025, (1024 * MIB) / MAX_LAYER_RATIO).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(LimitError)
    expect(error).toMatchObject({ message: expect.stringContaining('compression ratio of the layer') })
  })

  test('a limited expansion fails above its largest size', async () => {
    expect(await read(3, 3 * MIB, 3 * MIB)).toBe(3 * MIB)
    await expect(read(4, 4 * MIB, 3 * MIB)).rejects.toThrow('layer size')
  })
})

test('a wrong blob fails in the words of containers/image', async () => {
  const read = (expected: ExpectedBlob) => readAll(new VerifiedBlob(platform, source(), expected))
  await expect(read({ digest, size: 13 })).rejects.toThrow(`Blob ${digest}: expected 13 bytes in blob, got 12`)
  await expect(read({ digest, size: 11 })).rejects.toThrow(`Blob ${digest}: expected 11 bytes in blob, got 12`)
  await expect(read({ digest: OTHER })).rejects.toThrow(`corrupted blob, expecting ${OTHER}, got ${digest}`)
})
