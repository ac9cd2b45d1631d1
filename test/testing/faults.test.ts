/** Storages that fail by plan: a commit leaves the old state or the new one, and a repeat succeeds. */
import { describe, expect, test } from 'vitest'
import { IoError } from '../../src/errors.ts'
import { portablePlatform as platform } from '../../src/platform/portable.ts'
import {
  createMemoryStorage,
  createTableStorage,
  SMALL_FILE,
  type Storage,
  type ValueTable,
} from '../../src/repo/index.ts'
import { directory, faultyStorage, file, storeCommit } from '../../src/testing/index.ts'

const TREE = directory({
  a: file('hello'),
  large: file(new Uint8Array(SMALL_FILE + 1)),
  sub: directory({ b: file('x') }),
})

function mapTable(values = new Map<string, Uint8Array>()): ValueTable {
  return {
    get: (key) => values.get(key),
    keys: (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)),
    write: (changes) => {
      for (const [key, value] of changes) {
        if (value === undefined) values.delete(key)
        else values.set(key, value)
      }
    },
  }
}

/** Commits a tree with a checkpoint in between, and writes refs and state. */
async function work(storage: Storage): Promise<void> {
  const tx = await storage.begin()
  try {
    const commit = await storeCommit(tx, TREE)
    await tx.checkpoint()
    tx.setRef('heads/new', { commit })
    await tx.commit()
    await storage.objects.setCommitState(commit, 'partial')
    await storage.refs.write('heads/last', { commit })
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

/** Counts the writes of `work`: they fail one after the other. */
async function writesOfWork(): Promise<number> {
  const counted = faultyStorage(createTableStorage({ platform, table: mapTable() }))
  await work(counted.storage)
  return counted.writes()
}

describe('a storage that fails by plan', () => {
  test('without a plan nothing fails, and the writes are counted', async () => {
    // Three files, two trees, two dirmetas of one content, the commit, checkpoint, commit, state and ref.
    expect(await writesOfWork()).toBe(12)
  })

  test.each(['once', 'full'] as const)(
    'wherever it fails (%s), refs are old or new, and a repeat succeeds',
    async (kind) => {
      const count = await writesOfWork()
      for (let failAt = 0; failAt < count; failAt++) {
        const table = mapTable()
        const inner = createTableStorage({ platform, table })
        const errno = kind === 'once' ? 'EIO' : 'ENOSPC'
        const { storage, writes } = faultyStorage(inner, { failAt, kind })
        await expect(work(storage)).rejects.toMatchObject({ name: 'IoError', data: { errno } })
        expect(writes()).toBe(failAt + 1)
        expect(await inner.refs.list('heads')).toEqual(failAt < 10 ? [] : ['heads/new'])
        await work(inner)
        expect(await inner.refs.list('heads')).toEqual(['heads/last', 'heads/new'])
        expect([...table.keys('open/')]).toEqual([])
      }
    },
  )

  test('wherever it crashes, the data can be opened again, what is left over goes, and a repeat succeeds', async () => {
    const count = await writesOfWork()
    for (let failAt = 0; failAt < count; failAt++) {
      const values = new Map<string, Uint8Array>()
      const { storage } = faultyStorage(createTableStorage({ platform, table: mapTable(values) }), {
        failAt,
        kind: 'crash',
      })
      await expect(work(storage)).rejects.toThrow(IoError)
      await expect(storage.begin()).rejects.toThrow('The storage has crashed')
      await storage[Symbol.asyncDispose]()

      const table = mapTable(new Map(values))
      const next = createTableStorage({ platform, table })
      await (await next.lock('exclusive'))[Symbol.asyncDispose]()
      expect([...table.keys('open/')]).toEqual([])
      expect(await next.refs.list('heads')).toEqual(failAt < 10 ? [] : ['heads/new'])
      await work(next)
      expect(await next.refs.list('heads')).toEqual(['heads/last', 'heads/new'])
    }
  })

  test('named files and the lock of refs belong to it', async () => {
    const full = faultyStorage(createMemoryStorage({ platform }), { failAt: 1, kind: 'full' })
    await full.storage.files?.write('summary', Uint8Array.of(1))
    await expect(async () => full.storage.files?.write('summary.sig', Uint8Array.of(2))).rejects.toThrow(
      'No space left',
    )
    expect(await full.storage.files?.read('summary')).toEqual(Uint8Array.of(1))
    expect(await full.storage.files?.list('')).toEqual(['summary'])

    const crashed = faultyStorage(createTableStorage({ platform, table: mapTable() }), { failAt: 0, kind: 'crash' })
    await (await crashed.storage.lockRefs?.())?.[Symbol.asyncDispose]()
    await expect(crashed.storage.begin().then((tx) => tx.commit())).rejects.toThrow(IoError)
    await expect(crashed.storage.lockRefs?.()).rejects.toThrow('The storage has crashed')
  })
})
