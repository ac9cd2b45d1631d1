/** Tests of transactions: all changes become visible together, or none does. */

import type { Checksum } from '../../bytes.ts'
import { ConflictError, UsageError } from '../../errors.ts'
import type { Transaction } from '../../repo/index.ts'
import { attempt, collect, commitOf, directory, fileOf, noise, type SuiteContext, text } from './kit.ts'

/** Registers the tests of transactions. */
export function transactionTests(context: SuiteContext): void {
  const { describe, test, expect, platform, headers } = context
  const [header] = headers
  const commit = commitOf(platform, 'in a transaction')
  const type = 'commit' as const

  describe('a transaction', () => {
    test('a transaction sees its own changes at once, others see them when it commits', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeMeta(type, commit.bytes)
      const file = await tx.writeFile(fileOf(header, text('new')))
      tx.setRef('heads/main', { commit: checksum })
      tx.setCommitState(checksum, 'partial')
      await tx.writeAttached('commitmeta', checksum, text('detached'))

      expect(await tx.has({ checksum, type })).toBe(true)
      expect(await tx.has({ checksum, type: 'commitmeta' })).toBe(true)
      expect(new Uint8Array(await tx.readMeta(type, checksum))).toEqual(commit.bytes)
      expect(new Uint8Array((await tx.readAttached('commitmeta', checksum)) ?? [])).toEqual(text('detached'))
      expect(await tx.statFile(file)).toEqual({ header, size: 3 })

      expect(await storage.objects.has({ checksum, type })).toBe(false)
      expect(await storage.objects.has({ checksum: file, type: 'file' })).toBe(false)
      expect(await storage.objects.readAttached('commitmeta', checksum)).toBeUndefined()
      expect(await storage.objects.commitState(checksum)).toBe('complete')
      expect(await storage.refs.read('heads/main')).toBeUndefined()
      expect(await collect(storage.objects.list())).toEqual([])

      await tx.commit()
      expect(await storage.objects.has({ checksum, type })).toBe(true)
      expect(await storage.objects.has({ checksum: file, type: 'file' })).toBe(true)
      expect(await storage.objects.commitState(checksum)).toBe('partial')
      expect(new Uint8Array((await storage.objects.readAttached('commitmeta', checksum)) ?? [])).toEqual(
        text('detached'),
      )
      expect(await storage.refs.read('heads/main')).toEqual({ commit: checksum })
      expect(await collect(storage.objects.list())).toHaveLength(3)
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction that is disposed leaves nothing', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeMeta(type, commit.bytes)
      await tx.writeFile(fileOf(header, text('new')))
      await tx.writeFile(fileOf(header, noise(3_000_000)))
      tx.setRef('heads/main', { commit: checksum })
      tx.setCommitState(checksum, 'partial')
      await tx.writeAttached('commitmeta', checksum, text('detached'))
      await tx[Symbol.asyncDispose]()
      expect(await collect(storage.objects.list())).toEqual([])
      expect(await storage.refs.list('heads')).toEqual([])
      expect(await storage.objects.commitState(checksum)).toBe('complete')
      expect(await storage.objects.readAttached('commitmeta', checksum)).toBeUndefined()

      // The same objects again: leftover staging files must not prevent writing them.
      const again = await storage.begin()
      expect(await again.writeMeta(type, commit.bytes)).toBe(checksum)
      await again.writeFile(fileOf(header, text('new')))
      await again.commit()
      expect(await collect(storage.objects.list())).toHaveLength(2)
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction that is disposed keeps changes before its checkpoint and drops later ones', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      const early = await tx.writeFile(fileOf(header, text('early')))
      tx.setRef('heads/early', { commit: commit.checksum })
      tx.setCommitState(commit.checksum, 'partial')
      await tx.writeAttached('commitmeta', commit.checksum, text('early'))
      await tx.checkpoint()
      expect(await storage.objects.has({ checksum: early, type: 'file' })).toBe(true)
      expect(await storage.refs.read('heads/early')).toEqual({ commit: commit.checksum })
      expect(await storage.objects.commitState(commit.checksum)).toBe('partial')

      const late = await tx.writeFile(fileOf(header, text('late')))
      expect(await tx.has({ checksum: early, type: 'file' })).toBe(true)
      expect(await tx.writeFile(fileOf(header, text('early')))).toBe(early)
      tx.setRef('heads/late', { commit: commit.checksum })
      tx.setCommitState(commit.checksum, 'complete')
      await tx.writeAttached('commitmeta', commit.checksum, undefined)
      expect(await tx.readAttached('commitmeta', commit.checksum)).toBeUndefined()
      await tx[Symbol.asyncDispose]()
      expect(await storage.objects.has({ checksum: late, type: 'file' })).toBe(false)
      expect(await storage.objects.has({ checksum: early, type: 'file' })).toBe(true)
      expect(await storage.refs.list('heads')).toEqual(['heads/early'])
      expect(await storage.objects.commitState(commit.checksum)).toBe('partial')
      expect(await storage.objects.has({ checksum: commit.checksum, type: 'commitmeta' })).toBe(true)
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction counts requested and newly written objects', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      await tx.writeMeta('dirmeta', directory.bytes)
      await tx.writeMeta('dirmeta', directory.bytes)
      await tx.writeMeta(type, commit.bytes)
      await tx.writeFile(fileOf(header, text('12345')))
      await tx.writeFile(fileOf(header, text('12345')))
      await tx.writeFile(fileOf(header, text('123')))
      const expected = {
        metadataTotal: 3,
        metadataWritten: 2,
        contentTotal: 3,
        contentWritten: 2,
        contentBytesWritten: 8,
        contentCacheHits: 0,
      }
      expect(tx.stats).toEqual(expected)
      await tx.checkpoint()
      expect(await tx.commit()).toEqual(expected)
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction excludes another one until it ends', async () => {
      const storage = await context.create()
      const first = await storage.begin()
      const second = attempt(() => storage.begin())
      await expect(second).rejects.toThrow(ConflictError)
      await expect(second).rejects.toThrow('Failed to prepare transaction, another transaction is in progress')
      await first[Symbol.asyncDispose]()
      await (await storage.begin()).commit()
      await (await storage.begin()).commit()
      await storage[Symbol.asyncDispose]()
    })

    test.each([
      { how: 'committed', end: (tx: Transaction) => tx.commit().then(() => {}) },
      { how: 'disposed', end: async (tx: Transaction) => await tx[Symbol.asyncDispose]() },
    ])('a transaction that was $how rejects further use, and may be disposed again', async ({ end }) => {
      const storage = await context.create()
      const tx = await storage.begin()
      const open = tx.openFile(header, 3)
      await end(tx)
      const sum = commit.checksum
      for (const use of [
        () => tx.writeMeta('dirmeta', directory.bytes),
        () => tx.writeFile(fileOf(header, text('late'))),
        () => tx.openFile(header, 4),
        () => tx.writeAttached('commitmeta', sum, text('late')),
        () => tx.setRef('heads/late', { commit: sum }),
        () => tx.setCommitState(sum, 'partial'),
        () => tx.checkpoint(),
        () => tx.commit(),
        () => {
          open.write(text('abc'))
          return open.finish()
        },
      ])
        await expect(attempt<unknown>(use)).rejects.toThrow(UsageError)
      await tx[Symbol.asyncDispose]()
      await tx[Symbol.asyncDispose]()
      expect(await collect(storage.objects.list())).toEqual([])
      expect(await storage.refs.list('heads')).toEqual([])
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction refuses writes while it is being committed, and a dispose waits for the commit', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      const checksum = await tx.writeMeta(type, commit.bytes)
      tx.setRef('heads/main', { commit: checksum })
      const checkpoint = tx.checkpoint()
      await expect(attempt(() => tx.writeMeta('dirmeta', directory.bytes))).rejects.toThrow(UsageError)
      await checkpoint
      await tx.writeMeta('dirmeta', directory.bytes)
      const committed = tx.commit()
      await expect(attempt(() => tx.setRef('heads/late', { commit: checksum }))).rejects.toThrow(UsageError)
      await tx[Symbol.asyncDispose]()
      expect(await collect(storage.objects.list())).toHaveLength(2)
      expect(await committed).toMatchObject({ metadataWritten: 2 })
      expect(await storage.refs.list('heads')).toEqual(['heads/main'])
      await (await storage.begin()).commit()
      await storage[Symbol.asyncDispose]()
    })

    test('a transaction changes no ref when one of its refs cannot be written', async () => {
      const storage = await context.create()
      await storage.refs.write('heads/b/c', { commit: commit.checksum })
      const tx = await storage.begin()
      tx.setRef('heads/a', { commit: commit.checksum })
      tx.setRef('heads/b', { commit: commit.checksum })
      tx.setRef('heads/z', { commit: commit.checksum })
      await expect(tx.commit()).rejects.toThrow('Conflict: c exists under b when attempting write')
      await tx[Symbol.asyncDispose]()
      expect(await storage.refs.list('heads')).toEqual(['heads/b/c'])
      const next = await storage.begin()
      next.setRef('heads/b/c', undefined)
      next.setRef('heads/b', { commit: commit.checksum })
      await next.commit()
      expect(await storage.refs.list('heads')).toEqual(['heads/b'])
      await storage[Symbol.asyncDispose]()
    })
  })

  describe('commit state and detached metadata', () => {
    test('the state of a commit can be set and cleared', async () => {
      const storage = await context.create()
      const { objects } = storage
      const sum = commit.checksum
      for (const state of ['partial', 'fsck-partial', 'partial', 'complete', 'complete'] as const) {
        await objects.setCommitState(sum, state)
        expect(await objects.commitState(sum)).toBe(state)
      }
      expect(await objects.commitState('22'.repeat(32) as Checksum)).toBe('complete')
      await storage[Symbol.asyncDispose]()
    })

    test('detached metadata is also replaced and removed outside a transaction, and empty differs from absent', async () => {
      const storage = await context.create()
      const { objects } = storage
      const sum = commit.checksum
      for (const attached of ['commitmeta', 'tombstone-commit'] as const) {
        const name = { checksum: sum, type: attached }
        for (const bytes of [text('first'), text('second, longer'), text(''), undefined, undefined, text('third')]) {
          await objects.writeAttached(attached, sum, bytes)
          const read = await objects.readAttached(attached, sum)
          expect(read && new Uint8Array(read)).toEqual(bytes)
          expect(await objects.has(name)).toBe(bytes !== undefined)
        }
        await objects.delete(name)
        expect(await objects.readAttached(attached, sum)).toBeUndefined()
      }
      await storage[Symbol.asyncDispose]()
    })

    test('a tombstone is removed when its commit is written again', async () => {
      const storage = await context.create()
      const tombstone = { checksum: commit.checksum, type: 'tombstone-commit' as const }
      await storage.objects.writeAttached('tombstone-commit', commit.checksum, text('dead'))
      const tx = await storage.begin()
      await tx.writeMeta(type, commit.bytes)
      expect(await tx.has(tombstone)).toBe(false)
      await tx.commit()
      expect(await storage.objects.has(tombstone)).toBe(false)
      await storage[Symbol.asyncDispose]()
    })
  })
}
