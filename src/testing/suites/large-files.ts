/** Tests of files larger than SMALL_FILE, whose content is read and written as a stream. */

import { type Checksum, equalBytes } from '../../bytes.ts'
import { SMALL_FILE } from '../../repo/index.ts'
import { attempt, collect, contentOf, fileChecksum, fileOf, noise, reusing, type SuiteContext } from './kit.ts'

const CHUNK = 65_521
/** Five times SMALL_FILE and a remainder, so that it is not a multiple of any buffer size. */
const LARGE = 5 * SMALL_FILE + 4321

/** Registers the tests of large files. */
export function largeFileTests(context: SuiteContext): void {
  const { describe, test, expect, headers } = context
  const [header] = headers

  describe('large files', () => {
    test('a large file is written from a stream and read as a stream', async () => {
      const content = noise(LARGE)
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeFile({ header, size: LARGE, body: reusing(content, CHUNK) })
      expect(checksum).toBe(fileChecksum(context, header, content))
      expect(tx.stats).toMatchObject({ contentWritten: 1, contentBytesWritten: LARGE })
      const within = await tx.readFile(checksum)
      expect(equalBytes(await contentOf(within.body), content)).toBe(true)
      await tx.commit()

      const file = await storage.objects.readFile(checksum)
      expect(file).toMatchObject({ header, size: LARGE })
      expect(file.body).not.toBeInstanceOf(Uint8Array)
      let largest = 0
      let length = 0
      for await (const chunk of file.body as AsyncIterable<Uint8Array>) {
        if (!equalBytes(chunk, content.subarray(length, length + chunk.length)))
          throw new Error(`other bytes in the chunk at ${length}`)
        length += chunk.length
        largest = Math.max(largest, chunk.length)
      }
      expect(length).toBe(LARGE)
      expect(largest).toBeLessThanOrEqual(SMALL_FILE)
      expect(await storage.objects.statFile(checksum)).toEqual({ header, size: LARGE })
      expect(await storage.objects.storageSize({ checksum, type: 'file' })).toBeGreaterThan(LARGE / 2)
      await storage[Symbol.asyncDispose]()
    })

    test('a large file is the same object whether written as array, stream or piecewise, and is stored once', async () => {
      const content = noise(2 * SMALL_FILE, 7)
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeFile(fileOf(header, content))
      expect(await tx.writeFile({ header, size: content.length, body: reusing(content, CHUNK) })).toBe(checksum)
      const sink = tx.openFile(header, content.length, checksum)
      for await (const chunk of reusing(content, SMALL_FILE)) {
        sink.write(chunk)
        await tx.drained()
      }
      expect(await sink.finish()).toBe(checksum)
      expect(await tx.commit()).toMatchObject({
        contentTotal: 3,
        contentWritten: 1,
        contentBytesWritten: content.length,
      })
      expect(await collect(storage.objects.list())).toEqual([{ checksum, type: 'file' }])
      await storage[Symbol.asyncDispose]()
    })

    test.each([
      { size: SMALL_FILE - 1, whole: true },
      { size: SMALL_FILE, whole: true },
      { size: SMALL_FILE + 1, whole: false },
    ])('a file of $size bytes is read as one array up to SMALL_FILE, as a stream above it', async ({ size, whole }) => {
      const content = noise(size, size)
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeFile(fileOf(header, content))
      await tx.commit()
      const { body } = await storage.objects.readFile(checksum)
      expect(body instanceof Uint8Array).toBe(whole)
      expect(equalBytes(await contentOf(body), content)).toBe(true)
      await storage[Symbol.asyncDispose]()
    })

    test('a large file may be left half read, and the store still works', async () => {
      const content = noise(LARGE, 3)
      const storage = await context.create()
      let tx = await storage.begin()
      const checksum = await tx.writeFile(fileOf(header, content))
      await tx.commit()
      for await (const chunk of (await storage.objects.readFile(checksum)).body as AsyncIterable<Uint8Array>) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      tx = await storage.begin()
      const second = await tx.writeFile(fileOf(header, noise(10)))
      await tx.commit()
      expect(await storage.objects.has({ checksum: second, type: 'file' })).toBe(true)
      await storage.objects.delete({ checksum, type: 'file' })
      expect(await collect(storage.objects.list())).toEqual([{ checksum: second, type: 'file' }])
      await storage[Symbol.asyncDispose]()
    })

    test('large files may be written concurrently, with small objects in between', async () => {
      const contents = [noise(LARGE, 11), noise(LARGE - 1, 12)] as const
      const storage = await context.create()
      const tx = await storage.begin()
      const sinks = contents.map((content) => tx.openFile(header, content.length))
      const small: Checksum[] = []
      for (let offset = 0; offset < LARGE; offset += SMALL_FILE) {
        for (const [i, sink] of sinks.entries())
          sink.write((contents[i] as Uint8Array).subarray(offset, offset + SMALL_FILE))
        small.push(await tx.writeFile(fileOf(header, noise(100, 1000 + offset))))
      }
      const large = [await sinks[1]?.finish(), await sinks[0]?.finish()]
      expect(large).toEqual([contents[1], contents[0]].map((content) => fileChecksum(context, header, content)))
      await tx.commit()
      for (const checksum of small) expect(await storage.objects.has({ checksum, type: 'file' })).toBe(true)
      const { body } = await storage.objects.readFile(large[1] as Checksum)
      expect(equalBytes(await contentOf(body), contents[0])).toBe(true)
      await storage[Symbol.asyncDispose]()
    })

    test('a large file may be started before a checkpoint and finished after it', async () => {
      const contents = [noise(LARGE, 21), noise(LARGE, 22), noise(LARGE, 23)] as const
      const storage = await context.create()
      const tx = await storage.begin()
      const [early, middle, late] = contents.map((content) => tx.openFile(header, content.length))
      early?.write(contents[0].subarray(0, 2 * SMALL_FILE))
      middle?.write(contents[1].subarray(0, 10))
      await tx.checkpoint()
      const between = await tx.writeFile(fileOf(header, noise(2 * SMALL_FILE, 24)))
      early?.write(contents[0].subarray(2 * SMALL_FILE))
      middle?.write(contents[1].subarray(10))
      late?.write(contents[2])
      const checksums = [await early?.finish(), await middle?.finish(), await late?.finish()] as Checksum[]
      await tx.commit()
      expect(checksums).toEqual(contents.map((content) => fileChecksum(context, header, content)))
      for (const [i, checksum] of checksums.entries()) {
        const { body } = await storage.objects.readFile(checksum)
        expect(equalBytes(await contentOf(body), contents[i] as Uint8Array)).toBe(true)
      }
      expect(await storage.objects.has({ checksum: between, type: 'file' })).toBe(true)
      await storage[Symbol.asyncDispose]()
    })

    test('a large file that is aborted, has a wrong checksum or a wrong size leaves nothing', async () => {
      const content = noise(LARGE, 5)
      const wrong = '11'.repeat(32) as Checksum
      const storage = await context.create()
      const tx = await storage.begin()
      const dropped = tx.openFile(header, LARGE)
      dropped.write(content.subarray(0, 3 * SMALL_FILE))
      dropped.abort()
      const forged = attempt(() => tx.writeFile({ header, size: LARGE, body: reusing(content, CHUNK) }, wrong))
      await expect(forged).rejects.toMatchObject({ name: 'ChecksumMismatchError' })
      const short = attempt(() =>
        tx.writeFile({ header, size: LARGE, body: reusing(content.subarray(0, LARGE - 1), CHUNK) }),
      )
      await expect(short).rejects.toMatchObject({ name: 'FormatError' })
      const long = attempt(() => tx.writeFile({ header, size: LARGE - 1, body: reusing(content, CHUNK) }))
      await expect(long).rejects.toMatchObject({ name: 'FormatError' })
      await tx.commit()
      expect(await collect(storage.objects.list())).toEqual([])
      await storage[Symbol.asyncDispose]()
    })
  })
}
