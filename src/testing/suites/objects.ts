/** Tests of objects: they are named by content, stored once, and read back unchanged. */

import { ChecksumMismatchError, ObjectNotFoundError } from '../../errors.ts'
import { checksumMeta, formatObjectName, ObjectList, type ObjectName } from '../../objects/index.ts'
import {
  ABSENT,
  attempt,
  collect,
  commitOf,
  contentOf,
  directory,
  emptyTree,
  fileOf,
  type SuiteContext,
  storedIn,
  text,
} from './kit.ts'

/** Registers the tests of objects. */
export function objectTests(context: SuiteContext): void {
  const { describe, test, expect, platform, headers } = context
  const stored = storedIn(context)

  describe('metadata objects', () => {
    test('metadata objects are stored under the checksum of their bytes and read back unchanged', async () => {
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

    test('metadata objects with the same checksum and different types are different objects', async () => {
      const { storage, value } = await stored(async (tx) => await tx.writeMeta(directory.type, directory.bytes))
      expect(await storage.objects.has({ checksum: value, type: 'dirtree' })).toBe(false)
      expect(await storage.objects.has({ checksum: value, type: 'file' })).toBe(false)
      await expect(attempt(() => storage.objects.readMeta('dirtree', value))).rejects.toThrow(ObjectNotFoundError)
      await storage[Symbol.asyncDispose]()
    })

    test('a metadata object with an unexpected checksum is rejected and not stored', async () => {
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

  describe('the store', () => {
    // `slice` of a Buffer returns a view, so a store that uses it to copy copies nothing.
    // Browsers do not have it.
    const buffer = { kind: 'Buffer', copy: (bytes: Uint8Array) => Buffer.from(bytes) }
    test.each([
      { kind: 'Uint8Array', copy: (bytes: Uint8Array) => new Uint8Array(bytes) },
      ...('Buffer' in globalThis ? [buffer] : []),
    ])('the store copies a $kind that it is given, and returns copies', async ({ copy }) => {
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

    test('the store writes an object only once, also across transactions', async () => {
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

    test('the store reports a missing object', async () => {
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

    test('the store lists all objects or those of one type, and deletes them during a listing', async () => {
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

    test('the store deletes only the named object, which can then be written again', async () => {
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

    test('optional fast paths of a store give the same results as its basic methods', async () => {
      const { storage } = await stored(async (tx) => {
        await tx.writeMeta('dirmeta', directory.bytes)
        const commit = await tx.writeMeta('commit', commitOf(platform, 'fast').bytes)
        await tx.writeAttached('commitmeta', commit, text('note'))
        for (let i = 0; i < 20; i++) await tx.writeFile(fileOf(headers[0], text(`file ${i}`)))
      })
      const { objects } = storage
      const names = (list: Iterable<ObjectName>) => [...list].map(formatObjectName)
      for (const type of [undefined, 'file', 'commitmeta'] as const) {
        const plain = names(await collect(objects.list(type))).sort()
        const many: string[] = []
        for (const list of objects.fast?.listMany(type) ?? [ObjectList.from(await collect(objects.list(type)))])
          for (const name of names(list)) many.push(name)
        expect(many.sort()).toEqual(plain)
      }
      const files = ObjectList.from(await collect(objects.list('file')))
      let to = 0
      for await (const batch of objects.fast?.workAhead('verify', files) ?? []) {
        expect(batch.from).toBe(to)
        to = batch.to
      }
      expect([0, 20]).toContain(to)
      for await (const name of objects.list()) {
        const path = objects.loose?.path(name)
        if (objects.loose !== undefined) expect(path).toContain(storage.directory?.path)
      }
      expect(objects.loose?.path({ checksum: ABSENT, type: 'file' })).toBeUndefined()
      expect(await objects.loose?.payloadTarget(ABSENT)).toBeUndefined()
      await storage[Symbol.asyncDispose]()
    })
  })
}
