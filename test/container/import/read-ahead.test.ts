import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReadAhead } from '../../../src/container/import/read-ahead.ts'
import { parseDigest } from '../../../src/container/oci/digest.ts'
import type { Descriptor } from '../../../src/container/oci/oci-types.ts'

const layer = (name: string, size = 0): Descriptor => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: parseDigest(`sha256:${name.padStart(64, '0')}`),
  size,
})

/** A source of layers in chunks, which counts the bytes requested. It uses one buffer per layer, as a source may. */
class Source {
  readonly asked = new Map<string, number>()
  readonly open = new Set<string>()
  readonly #chunks: ReadonlyMap<string, readonly Uint8Array[]>

  constructor(chunks: ReadonlyMap<string, readonly Uint8Array[]>) {
    this.#chunks = chunks
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = this.#chunks.get(digest) ?? []
    const shared = new Uint8Array(Math.max(0, ...chunks.map(({ length }) => length)))
    this.open.add(digest)
    try {
      for (const chunk of chunks) {
        await Promise.resolve()
        this.asked.set(digest, (this.asked.get(digest) ?? 0) + chunk.length)
        shared.fill(0xee)
        shared.set(chunk)
        yield shared.subarray(0, chunk.length)
      }
    } finally {
      this.open.delete(digest)
    }
  }
}

async function bytesOf(blob: AsyncIterable<Uint8Array>): Promise<number[]> {
  const all: number[] = []
  for await (const chunk of blob) all.push(...chunk)
  return all
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1))

describe('layers read ahead', () => {
  test('layers read ahead have the bytes of the source, in any order of reading and with any limits', async () => {
    const contents = fc.array(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 6 }), {
      minLength: 1,
      maxLength: 6,
    })
    const options = fc.record({ layers: fc.nat(4), bytes: fc.nat(30) })
    await fc.assert(
      fc.asyncProperty(contents, options, fc.infiniteStream(fc.nat()), async (contents, options, choices) => {
        const layers = contents.map((_, i) => layer(String(i)))
        const source = new Source(new Map(contents.map((chunks, i) => [layer(String(i)).digest, chunks])))
        await using ahead = new ReadAhead(source, layers, options)
        for (let reads = 0; reads < contents.length + 1; reads++) {
          const i = choices.next().value % contents.length
          expect(await bytesOf(ahead.blob(layers[i] as Descriptor))).toEqual(contents[i]?.flatMap((c) => [...c]))
        }
      }),
    )
  })

  test('reading ahead starts with the first layer, and pauses at the limit of bytes', async () => {
    const tens = Array.from({ length: 10 }, () => new Uint8Array(10))
    const layers = ['a', 'b', 'c', 'd'].map((name) => layer(name))
    const source = new Source(new Map(layers.map(({ digest }) => [digest, tens])))
    await using ahead = new ReadAhead(source, layers, { layers: 2, bytes: 50 })
    const first = ahead.blob(layers[0] as Descriptor)[Symbol.asyncIterator]()
    await first.next()
    await settle()
    const [a, b, c, d] = layers.map(({ digest }) => source.asked.get(digest) ?? 0)
    expect(a).toBe(10)
    expect((b as number) + (c as number)).toBeGreaterThanOrEqual(50)
    expect((b as number) + (c as number)).toBeLessThanOrEqual(60)
    expect(d).toBe(0)
    await first.return?.(undefined)
  })

  test('an error of a layer read ahead is thrown when that layer is read, not before', async () => {
    const layers = [layer('a'), layer('b')]
    const source = {
      givesPlainLayers: false,
      async *blob({ digest }: Descriptor) {
        yield Uint8Array.of(1)
        if (digest === layers[1]?.digest) throw new Error('gone')
      },
    }
    await using ahead = new ReadAhead(source, layers)
    const reading = ahead.blob(layers[0] as Descriptor)[Symbol.asyncIterator]()
    await reading.next()
    await settle()
    expect((await reading.next()).done).toBe(true)
    await expect(bytesOf(ahead.blob(layers[1] as Descriptor))).rejects.toThrow('gone')
  })

  test('layers read ahead that are never read are closed on disposal', async () => {
    const layers = [layer('a'), layer('b'), layer('c')]
    const source = new Source(new Map(layers.map(({ digest }) => [digest, [Uint8Array.of(1), Uint8Array.of(2)]])))
    {
      await using ahead = new ReadAhead(source, layers, { bytes: 1 })
      for await (const _ of ahead.blob(layers[0] as Descriptor)) break
      await settle()
      expect(source.open.size).toBeGreaterThan(0)
    }
    await settle()
    expect([...source.open]).toEqual([])
  })

  test('no layers are read ahead when the limit is 0', async () => {
    const layers = [layer('a'), layer('b')]
    const source = new Source(new Map(layers.map(({ digest }) => [digest, [Uint8Array.of(1)]])))
    await using ahead = new ReadAhead(source, layers, { layers: 0 })
    expect(await bytesOf(ahead.blob(layers[0] as Descriptor))).toEqual([1])
    await settle()
    expect(source.asked.has((layers[1] as Descriptor).digest)).toBe(false)
  })
})
