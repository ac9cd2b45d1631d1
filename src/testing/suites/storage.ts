/**
 * Conformance suite of storage backends. The test file of a backend is one call:
 *
 * ```ts
 * import * as vitest from 'vitest'
 * storageSuite(vitest, 'memory', { platform, create: async (mode) => createMemoryStorage({ mode, platform }) })
 * ```
 */

import type { Checksum } from '../../bytes.ts'
import { RepoLockedError } from '../../errors.ts'
import { fileTests } from './files.ts'
import {
  attempt,
  collect,
  commitOf,
  fileOf,
  type StorageSubject,
  type SuiteContext,
  suiteContext,
  type TestTools,
  text,
} from './kit.ts'
import { largeFileTests } from './large-files.ts'
import { modelTests } from './model.ts'
import { namedFileTests, reopenedFilesTest } from './named-files.ts'
import { objectTests } from './objects.ts'
import { refTests } from './refs.ts'
import { scratchTests } from './scratch.ts'
import { transactionTests } from './transactions.ts'

/** Registers the tests of a storage backend, one `describe` per mode. */
export function storageSuite(tools: TestTools, name: string, subject: StorageSubject): void {
  for (const mode of subject.modes ?? ['archive']) {
    const context = suiteContext(tools, subject, mode)
    tools.describe(`${name}, mode ${mode}`, () => {
      objectTests(context)
      fileTests(context)
      largeFileTests(context)
      transactionTests(context)
      refTests(context)
      handleTests(context)
      namedFileTests(context)
      scratchTests(context)
      if (subject.reopen) {
        persistenceTests(context, subject.reopen.bind(subject))
        reopenedFilesTest(context, subject.reopen.bind(subject))
      }
      modelTests(context)
    })
  }
}

function handleTests(context: SuiteContext): void {
  const { describe, test, expect, mode } = context

  describe('a storage', () => {
    test('a storage has a mode, a location and a configuration, whose text is kept unchanged', async () => {
      const storage = await context.create()
      expect(storage.mode).toBe(mode)
      expect(storage.writable).toBe(true)
      expect(storage.location).not.toBe('')
      const config = await storage.readConfig()
      expect(config.split('\n')).toEqual(expect.arrayContaining(['[core]', 'repo_version=1']))
      expect(config).toContain(`\nmode=${mode === 'archive' ? 'archive-z2' : mode}\n`)
      const changed = `${config}\n# a note\n[remote "origin"]\nurl=https://example.org/ä\n`
      await storage.writeConfig(changed)
      expect(await storage.readConfig()).toBe(changed)
      await storage[Symbol.asyncDispose]()
    })

    test('a storage may be disposed twice, and aborts its open transaction', async () => {
      const storage = await context.create()
      const tx = await storage.begin()
      await tx.writeFile(fileOf(context.headers[0], text('never seen')))
      await storage[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await tx[Symbol.asyncDispose]()
    })

    test('a storage handle may take locks repeatedly, also a shared one while it holds an exclusive one', async () => {
      const storage = await context.create()
      for (const kinds of [
        ['shared', 'shared', 'shared'],
        ['exclusive', 'exclusive', 'shared', 'exclusive'],
      ] as const) {
        const locks = []
        for (const kind of kinds) locks.push(await storage.lock(kind, { timeout: 0 }))
        for (const lock of locks.reverse()) await lock[Symbol.asyncDispose]()
      }
      const lock = await storage.lock('exclusive', { timeout: 0 })
      await storage.refs.write('heads/locked', { commit: '11'.repeat(32) as Checksum })
      await storage.objects.setCommitState('11'.repeat(32) as Checksum, 'partial')
      await lock[Symbol.asyncDispose]()
      await lock[Symbol.asyncDispose]()
      await (await storage.begin()).commit()
      await storage[Symbol.asyncDispose]()
    })
  })
}

function persistenceTests(context: SuiteContext, reopen: NonNullable<StorageSubject['reopen']>): void {
  const { describe, test, expect, platform, headers, symlink, mode } = context
  const commit = commitOf(platform, 'kept')
  const name = { checksum: commit.checksum, type: 'commit' as const }

  describe('a storage opened again', () => {
    test('a reopened storage has everything that was committed', async () => {
      const first = await context.create()
      const tx = await first.begin()
      await tx.writeMeta('commit', commit.bytes)
      const files = new Map<Checksum, (typeof headers)[number]>()
      for (const header of headers) files.set(await tx.writeFile(fileOf(header, text('body'))), header)
      const link = await tx.writeFile(fileOf(symlink, new Uint8Array(0)))
      await tx.writeAttached('commitmeta', commit.checksum, text('detached'))
      tx.setRef('heads/main', { commit: commit.checksum })
      tx.setRef('heads/alias', { alias: 'heads/main' })
      tx.setCommitState(commit.checksum, 'fsck-partial')
      await tx.commit()
      const config = `${await first.readConfig()}\n[group]\nkey=value\n`
      await first.writeConfig(config)
      await first[Symbol.asyncDispose]()

      const second = await reopen(first)
      expect(second.mode).toBe(mode)
      expect(await second.readConfig()).toBe(config)
      expect(new Uint8Array(await second.objects.readMeta('commit', commit.checksum))).toEqual(commit.bytes)
      for (const [checksum, header] of files)
        expect(await second.objects.statFile(checksum)).toEqual({ header, size: 4 })
      expect(await second.objects.statFile(link)).toEqual({ header: symlink, size: 0 })
      expect(await second.objects.has({ ...name, type: 'commitmeta' })).toBe(true)
      expect(await second.objects.commitState(commit.checksum)).toBe('fsck-partial')
      expect(await second.refs.list('heads')).toEqual(['heads/alias', 'heads/main'])
      expect(await second.refs.read('heads/alias')).toEqual({ alias: 'heads/main' })
      await second[Symbol.asyncDispose]()
    })

    test('a reopened storage shows nothing of a transaction that was not committed', async () => {
      const first = await context.create()
      const tx = await first.begin()
      await tx.writeMeta('commit', commit.bytes)
      tx.setRef('heads/main', { commit: commit.checksum })
      await first[Symbol.asyncDispose]()
      const second = await reopen(first)
      expect(await collect(second.objects.list())).toEqual([])
      expect(await second.refs.list('heads')).toEqual([])
      await second[Symbol.asyncDispose]()
    })

    test('a second handle sees a checkpoint at once, and nothing of an open transaction before it', async () => {
      const writer = await context.create()
      const reader = await reopen(writer)
      const tx = await writer.begin()
      await tx.writeMeta('commit', commit.bytes)
      tx.setRef('heads/main', { commit: commit.checksum })
      expect(await reader.objects.has(name)).toBe(false)
      expect(await reader.refs.read('heads/main')).toBeUndefined()
      await tx.checkpoint()
      expect(await reader.objects.has(name)).toBe(true)
      expect(await reader.refs.read('heads/main')).toEqual({ commit: commit.checksum })
      await tx.commit()
      await reader[Symbol.asyncDispose]()
      await writer[Symbol.asyncDispose]()
    })

    test('an exclusive lock excludes all locks of another handle, and a shared lock excludes exclusive ones', async () => {
      const one = await context.create()
      const other = await reopen(one)
      const exclusive = await one.lock('exclusive', { timeout: 0 })
      await expect(attempt(() => other.lock('shared', { timeout: 0 }))).rejects.toThrow(RepoLockedError)
      await expect(attempt(() => other.lock('exclusive', { timeout: 0 }))).rejects.toThrow(
        'Locking repo exclusive failed: Resource temporarily unavailable',
      )
      await exclusive[Symbol.asyncDispose]()
      const shared = await one.lock('shared', { timeout: 0 })
      const alsoShared = await other.lock('shared', { timeout: 0 })
      await expect(attempt(() => other.lock('exclusive', { timeout: 0 }))).rejects.toThrow(RepoLockedError)
      await shared[Symbol.asyncDispose]()
      await alsoShared[Symbol.asyncDispose]()
      await (await other.lock('exclusive', { timeout: 0 }))[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
    })

    test('the lock for refs, where there is one, has one holder at a time, whatever other locks are held', async () => {
      const one = await context.create()
      const other = await reopen(one)
      const shared = await one.lock('shared')
      const held = await one.lockRefs?.({ timeout: 0 })
      for (const storage of held === undefined ? [] : [one, other]) {
        await expect(attempt(async () => storage.lockRefs?.({ timeout: 0 }))).rejects.toThrow(RepoLockedError)
      }
      const waiting = other.lockRefs?.({ timeout: 10 })
      await (await other.lock('shared', { timeout: 0 }))[Symbol.asyncDispose]()
      await held?.[Symbol.asyncDispose]()
      await (await waiting)?.[Symbol.asyncDispose]()
      await (await one.lockRefs?.({ timeout: 0 }))?.[Symbol.asyncDispose]()
      await shared[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
    })

    test('an open transaction excludes an exclusive lock of another handle', async () => {
      const one = await context.create()
      const other = await reopen(one)
      const tx = await one.begin()
      await tx.writeMeta('commit', commit.bytes)
      await expect(attempt(() => other.lock('exclusive', { timeout: 0 }))).rejects.toThrow(RepoLockedError)
      await tx.commit()
      await (await other.lock('exclusive', { timeout: 0 }))[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
    })
  })
}
