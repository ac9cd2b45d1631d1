/** Tests of files: the way of writing does not change the object, and a file is read back unchanged. */

import { type Checksum, readAll } from '../../bytes.ts'
import { ChecksumMismatchError, FormatError, UnsupportedError } from '../../errors.ts'
import { S_IFDIR } from '../../objects/index.ts'
import {
  ABSENT,
  attempt,
  collect,
  contentOf,
  fileChecksum,
  fileOf,
  plainHeader,
  reusing,
  type SuiteContext,
  storedIn,
  text,
} from './kit.ts'

/** Registers the tests of files. */
export function fileTests(context: SuiteContext): void {
  const { describe, test, expect, headers, symlink } = context
  const stored = storedIn(context)

  describe('files', () => {
    test.each(headers.map((header) => ({ header })))(
      'a file with header $header is read back unchanged',
      async ({ header }) => {
        const body = text('some content\n')
        const { storage, value } = await stored(async (tx) => await tx.writeFile(fileOf(header, body)))
        expect(value).toBe(fileChecksum(context, header, body))
        const file = await storage.objects.readFile(value)
        expect(file.header).toEqual(header)
        expect(file.size).toBe(body.length)
        expect(file.body).toBeInstanceOf(Uint8Array)
        expect(new Uint8Array(await contentOf(file.body))).toEqual(body)
        expect(await storage.objects.statFile(value)).toEqual({ header, size: body.length })
        await storage[Symbol.asyncDispose]()
      },
    )

    test('a file may be empty', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeFile(fileOf(headers[0], new Uint8Array(0))))
      const file = await storage.objects.readFile(value)
      expect(file.size).toBe(0)
      expect(await contentOf(file.body)).toHaveLength(0)
      await storage[Symbol.asyncDispose]()
    })

    test('a file may be a symbolic link, which has a target and no content', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeFile(fileOf(symlink, new Uint8Array(0))))
      expect(value).toBe(fileChecksum(context, symlink, new Uint8Array(0)))
      expect(await storage.objects.statFile(value)).toEqual({ header: symlink, size: 0 })
      expect(await contentOf((await storage.objects.readFile(value)).body)).toHaveLength(0)
      await storage[Symbol.asyncDispose]()
    })

    test('a file is the same object whether written as array, stream or piecewise', async () => {
      const body = text('0123456789'.repeat(300))
      const { storage } = await stored(async (tx) => {
        const header = headers[0]
        const size = body.length
        const checksum = fileChecksum(context, header, body)
        expect(await tx.writeFile({ header, size, body: reusing(body, 7) })).toBe(checksum)
        const sink = tx.openFile(header, size)
        const buffer = new Uint8Array(1000)
        for (let offset = 0; offset < size; offset += buffer.length) {
          buffer.set(body.subarray(offset, offset + buffer.length))
          sink.write(buffer)
          buffer.fill(0)
        }
        expect(await sink.finish()).toBe(checksum)
        expect(await tx.writeFile(fileOf(header, body))).toBe(checksum)
        expect(tx.stats).toMatchObject({ contentTotal: 3, contentWritten: 1, contentBytesWritten: size })
        expect(new Uint8Array(await contentOf((await tx.readFile(checksum)).body))).toEqual(body)
      })
      expect(await collect(storage.objects.list('file'))).toHaveLength(1)
      await storage[Symbol.asyncDispose]()
    })

    test('a file with an unexpected checksum is rejected, however it is written, and not stored', async () => {
      const header = headers[0]
      const body = text('forged')
      const actual = fileChecksum(context, header, body)
      const { storage } = await stored(async (tx) => {
        const sink = tx.openFile(header, body.length, ABSENT)
        sink.write(body)
        const ways = [
          () => tx.writeFile(fileOf(header, body), ABSENT),
          () => tx.writeFile({ header, size: body.length, body: reusing(body, 2) }, ABSENT),
          () => sink.finish(),
        ]
        for (const way of ways) {
          const error = await attempt(way).catch((e) => e)
          expect(error).toBeInstanceOf(ChecksumMismatchError)
          expect(error.data).toEqual({ type: 'file', expected: ABSENT, actual })
          expect(error.message).toMatch(/^Writing content object: Corrupted file object; checksum expected=/)
          expect(await tx.has({ checksum: actual, type: 'file' })).toBe(false)
        }
        sink.abort()
        expect(tx.stats).toMatchObject({ contentWritten: 0, contentBytesWritten: 0 })
      })
      expect(await collect(storage.objects.list())).toEqual([])
      await storage[Symbol.asyncDispose]()
    })

    const OTHER_CHECKSUM = ABSENT.replace(/^../, '77') as Checksum

    test('a trusted file is stored under the checksum it is given, which is not verified', async () => {
      const header = headers[0]
      const body = text('not what the checksum names')
      const { storage } = await stored(async (tx) => {
        const file = { header, size: body.length, body: reusing(body, 5) }
        expect(await attempt(() => tx.writeTrustedFile(fileOf(header, body), ABSENT))).toBe(ABSENT)
        expect(await attempt(() => tx.writeTrustedFile(file, OTHER_CHECKSUM))).toBe(OTHER_CHECKSUM)
        expect(tx.stats).toMatchObject({ contentWritten: 2, contentBytesWritten: 2 * body.length })
      })
      for (const checksum of [ABSENT, OTHER_CHECKSUM]) {
        const read = await storage.objects.readFile(checksum)
        expect(await readAll(read.body)).toEqual(body)
      }
      await storage[Symbol.asyncDispose]()
    })

    test('a file with more or fewer bytes than announced is rejected and not stored', async () => {
      const header = headers[0]
      const body = text('sixteen bytes...')
      const { storage } = await stored(async (tx) => {
        for (const size of [body.length - 1, body.length + 1, 0]) {
          await expect(attempt(() => tx.writeFile({ header, size, body }))).rejects.toThrow(FormatError)
          await expect(attempt(() => tx.writeFile({ header, size, body: reusing(body, 5) }))).rejects.toThrow(
            FormatError,
          )
          const sink = tx.openFile(header, size)
          await expect(
            attempt(() => {
              sink.write(body)
              return sink.finish()
            }),
          ).rejects.toThrow(FormatError)
          sink.abort()
        }
      })
      expect(await collect(storage.objects.list())).toEqual([])
      await storage[Symbol.asyncDispose]()
    })

    test('a file that is neither regular nor a symbolic link, and a link with content, are rejected', async () => {
      const body = text('x')
      const { storage } = await stored(async (tx) => {
        for (const header of [
          { ...plainHeader(), mode: S_IFDIR | 0o755 },
          { ...plainHeader(), mode: 0o20644 },
          symlink,
        ])
          await expect(attempt(() => tx.writeFile(fileOf(header, body)))).rejects.toThrow(FormatError)
      })
      expect(await collect(storage.objects.list())).toEqual([])
      await storage[Symbol.asyncDispose]()
    })

    if (context.mode === 'bare-user-only') {
      test('a file that mode bare-user-only cannot store is rejected', async () => {
        const plain = plainHeader()
        const { storage } = await stored(async (tx) => {
          for (const header of [
            plainHeader(0o4755),
            plainHeader(0o666),
            { ...plain, uid: 1 },
            { ...plain, gid: 1 },
            { ...plain, xattrs: [[text('user.a'), text('b')] as const] },
          ]) {
            const body = text('too much')
            for (const content of [body, reusing(body, 3)]) {
              const write = attempt(() => tx.writeFile({ header, size: body.length, body: content }))
              const error = await write.catch((error) => error)
              expect([FormatError, UnsupportedError].some((type) => error instanceof type)).toBe(true)
              expect(error.message).toMatch(/^Writing content object: /)
            }
          }
        })
        expect(await collect(storage.objects.list())).toEqual([])
        await storage[Symbol.asyncDispose]()
      })
    }

    // The xattrs of an inode have no order (mode bare), and mode bare-user-only stores none.
    if (context.mode === 'archive' || context.mode === 'bare-user') {
      test('a file keeps the order of its xattrs, under the checksum of that order or of the sorted one', async () => {
        const body = text('from an old tar import')
        const sorted = { ...plainHeader(), xattrs: [text('user.a'), text('user.z')].map((n) => [n, n] as const) }
        const header = { ...sorted, xattrs: sorted.xattrs.toReversed() }
        const asGiven = fileChecksum(context, header, body)
        const asSorted = fileChecksum(context, sorted, body)
        expect(asGiven).not.toBe(asSorted)
        const { storage } = await stored(async (tx) => {
          expect(await tx.writeFile(fileOf(header, body))).toBe(asGiven)
          expect(await tx.writeFile(fileOf(header, body), asSorted)).toBe(asSorted)
          const stream = { header, size: body.length, body: reusing(body, 4) }
          await expect(attempt(() => tx.writeFile(stream, ABSENT))).rejects.toThrow(ChecksumMismatchError)
          expect(await tx.writeFile({ header, size: body.length, body: reusing(body, 4) }, asSorted)).toBe(asSorted)
          expect(tx.stats.contentWritten).toBe(2)
        })
        for (const checksum of [asGiven, asSorted])
          expect(await storage.objects.statFile(checksum)).toEqual({ header, size: body.length })
        await storage[Symbol.asyncDispose]()
      })
    }

    test('a file whose writing is aborted leaves nothing', async () => {
      const { storage } = await stored(async (tx) => {
        const sink = tx.openFile(headers[0], 10)
        sink.write(text('01234'))
        sink.abort()
        sink.abort()
        const failing = (async function* () {
          yield text('01234')
          throw new Error('the source broke')
        })()
        const write = attempt(() => tx.writeFile({ header: headers[0], size: 10, body: failing }))
        await expect(write).rejects.toThrow('the source broke')
      })
      expect(await collect(storage.objects.list())).toEqual([])
      await storage[Symbol.asyncDispose]()
    })
  })
}
