/** Objects: named by content, stored once, returned as they came. */

import { ChecksumMismatchError, FormatError, ObjectNotFoundError } from '../../errors.ts'
import { checksumMeta, type ObjectName, S_IFDIR } from '../../objects/index.ts'
import type { Storage, Transaction } from '../../repo/index.ts'
import {
  attempt,
  collect,
  commitOf,
  contentOf,
  directory,
  emptyTree,
  fileChecksum,
  fileOf,
  plainHeader,
  reusing,
  type SuiteContext,
  text,
} from './kit.ts'

const ABSENT = '00'.repeat(32) as ObjectName['checksum']

export function objectTests(context: SuiteContext): void {
  const { describe, test, expect, platform, headers, symlink } = context

  async function stored<T>(work: (tx: Transaction) => Promise<T>): Promise<{ storage: Storage; value: T }> {
    const storage = await context.create()
    const tx = await storage.begin()
    const value = await work(tx)
    await tx.commit()
    return { storage, value }
  }

  describe('metadata objects', () => {
    test('are stored under the checksum of their bytes and come back as they were', async () => {
      const commit = commitOf(platform, 'first')
      const { storage } = await stored(async (tx) => {
        for (const { type, bytes } of [directory, emptyTree, commit]) {
          const checksum = await tx.writeMeta(type, bytes)
          expect(checksum).toBe(checksumMeta(platform, bytes))
          expect(await tx.has({ checksum, type })).toBe(true)
          expect(await tx.readMeta(type, checksum)).toEqual(bytes)
        }
      })
      for (const { type, bytes } of [directory, emptyTree, commit]) {
        const checksum = checksumMeta(platform, bytes)
        expect(await storage.objects.has({ checksum, type })).toBe(true)
        expect(new Uint8Array(await storage.objects.readMeta(type, checksum))).toEqual(bytes)
      }
      await storage[Symbol.asyncDispose]()
    })

    test('of one checksum and another type are other objects', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeMeta(directory.type, directory.bytes))
      expect(await storage.objects.has({ checksum: value, type: 'dirtree' })).toBe(false)
      expect(await storage.objects.has({ checksum: value, type: 'file' })).toBe(false)
      await expect(attempt(() => storage.objects.readMeta('dirtree', value))).rejects.toThrow(ObjectNotFoundError)
      await storage[Symbol.asyncDispose]()
    })

    test('with another checksum than expected are refused, and nothing is stored', async () => {
      const actual = checksumMeta(platform, directory.bytes)
      const { storage } = await stored(async (tx) => {
        const error = await attempt(() => tx.writeMeta('dirmeta', directory.bytes, ABSENT)).catch((e) => e)
        expect(error).toBeInstanceOf(ChecksumMismatchError)
        expect(error.data).toEqual({ type: 'dirmeta', expected: ABSENT, actual })
        expect(error.message).toBe(
          `Writing metadata object: Corrupted dirmeta object; checksum expected='${ABSENT}' actual='${actual}'`,
        )
        expect(await tx.has({ checksum: actual, type: 'dirmeta' })).toBe(false)
        expect(await attempt(() => tx.writeMeta('dirmeta', directory.bytes, actual))).toBe(actual)
      })
      expect(await collect(storage.objects.list())).toEqual([{ checksum: actual, type: 'dirmeta' }])
      await storage[Symbol.asyncDispose]()
    })
  })

  describe('files', () => {
    test.each(headers.map((header) => ({ header })))('come back as they were written: $header', async ({ header }) => {
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
    })

    test('may be empty', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeFile(fileOf(headers[0], new Uint8Array(0))))
      const file = await storage.objects.readFile(value)
      expect(file.size).toBe(0)
      expect(await contentOf(file.body)).toHaveLength(0)
      await storage[Symbol.asyncDispose]()
    })

    test('may be symbolic links, which have a target and no content', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeFile(fileOf(symlink, new Uint8Array(0))))
      expect(value).toBe(fileChecksum(context, symlink, new Uint8Array(0)))
      expect(await storage.objects.statFile(value)).toEqual({ header: symlink, size: 0 })
      expect(await contentOf((await storage.objects.readFile(value)).body)).toHaveLength(0)
      await storage[Symbol.asyncDispose]()
    })

    test('are the same whether they come as an array, a stream or piece by piece', async () => {
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

    test('with another checksum than expected are refused however they come, and nothing is stored', async () => {
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

    test('with more or fewer bytes than promised are refused, and nothing is stored', async () => {
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

    test('that are neither regular nor a symbolic link, or links with content, are refused', async () => {
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
      test('that the mode cannot hold are refused, and the error says which modes can', async () => {
        const plain = plainHeader()
        const { storage } = await stored(async (tx) => {
          for (const [header, message] of [
            [plainHeader(0o4755), /invalid mode 0104755 with bits 04000$/],
            [plainHeader(0o666), /invalid mode 0100666 with bits 00002$/],
            [{ ...plain, uid: 1 }, /archive, bare-user and bare can$/],
            [{ ...plain, gid: 1 }, /archive, bare-user and bare can$/],
            [{ ...plain, xattrs: [[text('user.a'), text('b')]] }, /archive, bare-user and bare can$/],
          ] as const) {
            const body = text('too much')
            const whole = new RegExp(
              `^Writing content object: Content object ${fileChecksum(context, header, body)}: .*${message.source}`,
            )
            await expect(attempt(() => tx.writeFile(fileOf(header, body)))).rejects.toThrow(whole)
            const large = attempt(() => tx.writeFile({ header, size: body.length, body: reusing(body, 3) }))
            await expect(large).rejects.toThrow(whole)
          }
        })
        expect(await collect(storage.objects.list())).toEqual([])
        await storage[Symbol.asyncDispose]()
      })
    }

    test('dropped half way leave nothing', async () => {
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

  describe('the store', () => {
    // A Buffer's `slice` is a view: a store that copies with it has copied nothing.
    test.each([
      { kind: 'Uint8Array', copy: (bytes: Uint8Array) => new Uint8Array(bytes) },
      { kind: 'Buffer', copy: (bytes: Uint8Array) => Buffer.from(bytes) },
    ])('keeps its own copy of a $kind it is given, and gives copies', async ({ copy }) => {
      const meta = copy(directory.bytes)
      const body = copy(text('mine'))
      const attached = copy(text('note'))
      const { storage, value } = await stored(async (tx) => {
        const metaChecksum = await tx.writeMeta('dirmeta', meta)
        const fileSum = await tx.writeFile(fileOf(headers[0], body))
        await tx.writeAttached('commitmeta', metaChecksum, attached)
        for (const given of [meta, body, attached]) given.fill(0xff)
        return { metaChecksum, fileSum }
      })
      for (let round = 0; round < 2; round++) {
        const bytes = await storage.objects.readMeta('dirmeta', value.metaChecksum)
        const content = await contentOf((await storage.objects.readFile(value.fileSum)).body)
        expect(new Uint8Array(bytes)).toEqual(directory.bytes)
        expect(new Uint8Array(content)).toEqual(text('mine'))
        const note = (await storage.objects.readAttached('commitmeta', value.metaChecksum)) ?? new Uint8Array(0)
        expect(new Uint8Array(note)).toEqual(text('note'))
        for (const read of [bytes, content, note]) read.fill(0xaa)
      }
      await storage[Symbol.asyncDispose]()
    })

    test('writes an object once, also over several transactions', async () => {
      const { storage, value } = await stored(async (tx) => {
        await tx.writeMeta('dirmeta', directory.bytes)
        await tx.writeMeta('dirmeta', directory.bytes)
        return await tx.writeFile(fileOf(headers[0], text('once')))
      })
      const tx = await storage.begin()
      expect(await tx.has({ checksum: value, type: 'file' })).toBe(true)
      expect(await tx.writeFile(fileOf(headers[0], text('once')))).toBe(value)
      expect(await tx.writeMeta('dirmeta', directory.bytes)).toBe(checksumMeta(platform, directory.bytes))
      const stats = await tx.commit()
      expect(stats).toMatchObject({ metadataTotal: 1, metadataWritten: 0, contentTotal: 1, contentWritten: 0 })
      expect(stats.contentBytesWritten).toBe(0)
      expect(await collect(storage.objects.list())).toHaveLength(2)
      await storage[Symbol.asyncDispose]()
    })

    test('says that an object is not there', async () => {
      const storage = await context.create()
      const { objects } = storage
      expect(await objects.has({ checksum: ABSENT, type: 'file' })).toBe(false)
      expect(await objects.readAttached('commitmeta', ABSENT)).toBeUndefined()
      for (const ask of [
        () => objects.readMeta('commit', ABSENT),
        () => objects.statFile(ABSENT),
        () => objects.readFile(ABSENT),
        () => objects.storageSize({ checksum: ABSENT, type: 'file' }),
        () => objects.delete({ checksum: ABSENT, type: 'file' }),
        () => objects.delete({ checksum: ABSENT, type: 'commit' }),
      ])
        await expect(attempt<unknown>(ask)).rejects.toThrow(ObjectNotFoundError)
      await storage[Symbol.asyncDispose]()
    })

    test('lists what it holds, by type or all, and lets go of it while listing', async () => {
      const { storage } = await stored(async (tx) => {
        await tx.writeMeta('dirmeta', directory.bytes)
        await tx.writeMeta('dirtree', emptyTree.bytes)
        const commit = await tx.writeMeta('commit', commitOf(platform, 'listed').bytes)
        await tx.writeAttached('commitmeta', commit, new Uint8Array(0))
        for (let i = 0; i < 40; i++) await tx.writeFile(fileOf(headers[0], text(`file ${i}`)))
      })
      const { objects } = storage
      const count = async (type?: ObjectName['type']) => (await collect(objects.list(type))).length
      expect(await count('file')).toBe(40)
      expect(await count('dirtree')).toBe(1)
      expect(await count('dirmeta')).toBe(1)
      expect(await count('commit')).toBe(1)
      expect(await count('commitmeta')).toBe(1)
      expect(await count('tombstone-commit')).toBe(0)
      expect(await count()).toBe(44)
      for await (const name of objects.list()) {
        expect(await objects.storageSize(name)).toBeGreaterThanOrEqual(name.type === 'commitmeta' ? 0 : 1)
        await objects.delete(name)
        expect(await objects.has(name)).toBe(false)
      }
      expect(await count()).toBe(0)
      await storage[Symbol.asyncDispose]()
    })

    test('deletes what is named and nothing else, and takes it again', async () => {
      const commit = commitOf(platform, 'gone and back')
      const { storage } = await stored(async (tx) => {
        await tx.writeMeta('commit', commit.bytes)
        await tx.writeAttached('commitmeta', commit.checksum, text('kept'))
      })
      await storage.objects.delete({ checksum: commit.checksum, type: 'commit' })
      expect(await storage.objects.has({ checksum: commit.checksum, type: 'commit' })).toBe(false)
      expect(await storage.objects.has({ checksum: commit.checksum, type: 'commitmeta' })).toBe(true)
      const tx = await storage.begin()
      await tx.writeMeta('commit', commit.bytes)
      expect(await tx.commit()).toMatchObject({ metadataWritten: 1 })
      expect(new Uint8Array(await storage.objects.readMeta('commit', commit.checksum))).toEqual(commit.bytes)
      await storage[Symbol.asyncDispose]()
    })
  })
}
