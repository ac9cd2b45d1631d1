import { describe, expect, test, vi } from 'vitest'
import { concatBytes, displayUtf8, encodeUtf8, readAll } from '../../src/bytes.ts'
import { TarFormatError } from '../../src/errors.ts'
import { feed, feedThrough, packTar, TarOrCpioParser, TarParser, type TarSink } from '../../src/tar/index.ts'
import { header, pax, zeros } from './odd-archives.ts'

const tar = await readAll(
  packTar([
    { path: 'a', body: encodeUtf8('one') },
    { path: 'b', body: encodeUtf8('two') },
  ]),
)

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Creates a sink that collects lines of `path=content`. */
function listing() {
  const lines: string[] = []
  const sink: TarSink = {
    entry: ({ path }) => void lines.push(`${displayUtf8(path)}=`),
    data: (bytes) => void lines.push(`${lines.pop()}${displayUtf8(bytes)}`),
    end: () => undefined,
  }
  return { sink, lines, take: () => lines.splice(0) }
}

/** Yields every chunk in the same buffer, whose `slice` does not copy. */
async function* reusing(bytes: Uint8Array, size: number) {
  const buffer = Buffer.alloc(size)
  for await (const chunk of chunks(bytes, size)) {
    buffer.set(chunk)
    yield buffer.subarray(0, chunk.length)
    buffer.fill(0xff)
  }
}

test('a chunk that is a Buffer may be reused: paths and content that are kept are copies', async () => {
  const kept: Uint8Array[] = []
  await feed(
    new TarParser({ entry: ({ path }) => void kept.push(path), data: () => undefined, end: () => undefined }),
    reusing(tar, 512),
  )
  expect(kept.map(displayUtf8)).toEqual(['a', 'b'])
  expect(await readAll(reusing(tar, 512))).toEqual(tar)
})

describe('feed', () => {
  test('an archive is read to its end, and a truncated one is refused', async () => {
    const { sink, lines } = listing()
    await feed(new TarParser(sink), chunks(tar, 100))
    expect(lines).toEqual(['a=one', 'b=two'])
    await expect(feed(new TarParser(sink), chunks(tar.subarray(0, 700), 100))).rejects.toThrow(TarFormatError)
  })

  test('the next chunk is read only when the sink is drained', async () => {
    const events: string[] = []
    async function* watched() {
      for await (const chunk of chunks(tar, 1024)) {
        events.push('read')
        yield chunk
      }
    }
    const drained = vi.fn(() =>
      events.length === 1 ? Promise.resolve().then(() => events.push('drained')) : undefined,
    )
    await feed(new TarParser(listing().sink), watched(), { drained, onChunk: () => events.push('taken') })
    expect(events.slice(0, 5)).toEqual(['read', 'drained', 'taken', 'read', 'taken'])
    expect(drained).toHaveBeenCalledTimes(Math.ceil(tar.length / 1024))
  })

  test('zeros of a sparse file wait for the sink, also when all of the archive comes in one chunk', async () => {
    const archive = concatBytes([
      pax(['GNU.sparse.map', '0,0'], ['GNU.sparse.size', `${5 << 20}`], ['GNU.sparse.name', 's']),
      header('ustar', { name: 'x' }),
      zeros,
    ])
    let held = 0
    let total = 0
    const sink: TarSink = {
      entry: () => undefined,
      data: ({ length }) => {
        held += length
        total += length
        expect(held).toBeLessThanOrEqual(1 << 20)
      },
      end: () => undefined,
    }
    const drained = async () => {
      held = 0
    }
    await feed(new TarOrCpioParser(sink), chunks(archive, archive.length), { drained })
    expect(total).toBe(5 << 20)
    const taken: number[] = []
    const take = () => {
      taken.push(held)
      held = 0
      return []
    }
    for await (const _ of feedThrough(new TarParser(sink), chunks(archive, archive.length), take));
    expect(taken.filter((size) => size > 0)).toEqual(new Array(5).fill(1 << 20))
  })

  test('an aborted signal stops it with the reason of the signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(feed(new TarParser(listing().sink), chunks(tar, 100), { signal })).rejects.toThrow('enough')
  })

  test('`stopAtEnd` does not read beyond the end of the archive', async () => {
    async function* twice() {
      yield tar
      throw new Error('read on')
    }
    await feed(new TarParser(listing().sink), twice(), { stopAtEnd: true })
    await expect(feed(new TarParser(listing().sink), twice())).rejects.toThrow('read on')
  })

  test('feedThrough yields the output of a chunk before it reads the next one', async () => {
    const { sink, take } = listing()
    let read = 0
    async function* counted() {
      for await (const chunk of chunks(tar, 1024)) {
        read++
        yield chunk
      }
    }
    const seen: [string, number][] = []
    for await (const line of feedThrough(new TarParser(sink), counted(), take)) seen.push([line, read])
    expect(seen).toEqual([
      ['a=one', 1],
      ['b=two', 2],
    ])
  })

  test('TarOrCpioParser reads tar, cpio and empty streams', async () => {
    const { sink, take } = listing()
    const field = (number: number) => number.toString(16).padStart(8, '0')
    const entry = (name: string, content: string) => {
      const fields = [1, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0].map(field)
      const head = `070701${fields.join('')}${name}\0`
      return `${head}${'\0'.repeat(-head.length & 3)}${content}${'\0'.repeat(-content.length & 3)}`
    }
    await feed(new TarOrCpioParser(sink), chunks(encodeUtf8(entry('c', 'three') + entry('TRAILER!!!', '')), 50))
    expect(take()).toEqual(['c=three'])
    await feed(new TarOrCpioParser(sink), chunks(tar, 50))
    expect(take()).toEqual(['a=one', 'b=two'])
    const parser = new TarOrCpioParser(sink)
    expect(parser.ended).toBe(false)
    await feed(parser, chunks(new Uint8Array(0), 1))
    expect(take()).toEqual([])
  })
})
