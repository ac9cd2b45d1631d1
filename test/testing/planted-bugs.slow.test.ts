/** Plants bugs in a storage and in an importer of layers: the kit finds each of them, and its report is short. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { importLayer } from '../../src/container/import/import-layer.ts'
import { mergeTrees } from '../../src/container/import/merge.ts'
import type { Digest } from '../../src/container/oci/oci-types.ts'
import { ConflictError } from '../../src/errors.ts'
import { portablePlatform as platform } from '../../src/platform/portable.ts'
import {
  createMemoryStorage,
  createTableStorage,
  Repo,
  type Storage,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../src/repo/index.ts'
import type { TarEntry } from '../../src/tar/index.ts'
import {
  type Directory,
  imageCacheProperty,
  layerEntries,
  layersProperty,
  loadTree,
  packLayer,
  repoProperty,
  type StorageSubject,
  storageProperty,
} from '../../src/testing/index.ts'
import { MapTable } from './map-table.ts'

/** Longest counterexample, in printed lines. */
const MOST_LINES = 10

/** Checks that a property fails, and that its counterexample is short. */
async function expectFound<T>(property: fc.IAsyncPropertyWithHooks<T>, runs: number): Promise<void> {
  const details = await fc.check(property, { numRuns: runs })
  expect(details.failed).toBe(true)
  const report = await fc.asyncDefaultReportMessage(details)
  const [, counterexample] = /^Counterexample: \[([\s\S]*?)\]\nShrunk/m.exec(report ?? '') ?? []
  expect(counterexample, report).toBeDefined()
  expect(counterexample?.trim().split('\n').length, counterexample).toBeLessThanOrEqual(MOST_LINES)
}

/** Replaces some methods of an object. Each gets the object as it was. */
function changed<T extends object>(target: T, changes: { readonly [K in keyof T]?: (target: T) => T[K] }): T {
  return new Proxy(target, {
    get(from, name) {
      const change = changes[name as keyof T]
      if (change !== undefined) return change(from)
      const member = from[name as keyof T]
      return typeof member === 'function' ? member.bind(from) : member
    },
  })
}

/** Changes the transactions of a storage. */
function changedTransactions(
  storage: Storage,
  changes: { readonly [K in keyof Transaction]?: (tx: Transaction) => Transaction[K] },
): Storage {
  return changed(storage, {
    begin: (from) => async (options) => changed(await from.begin(options), changes),
  })
}

const STORAGE_BUGS: readonly (readonly [title: string, plant: (storage: Storage) => Storage])[] = [
  [
    'empty detached metadata is not stored',
    (storage) =>
      changedTransactions(storage, {
        writeAttached: (tx) => (type, commit, bytes) =>
          tx.writeAttached(type, commit, bytes?.length === 0 ? undefined : bytes),
      }),
  ],
  [
    'a transaction that is aborted is committed',
    (storage) =>
      changedTransactions(storage, {
        [Symbol.asyncDispose]: (tx) => async () => {
          await tx.commit().catch(() => {})
          await tx[Symbol.asyncDispose]()
        },
      }),
  ],
  [
    'refs are listed by a prefix of their text',
    (storage) =>
      changed(storage, {
        refs: ({ refs }) =>
          changed(refs, {
            list: () => async (prefix) =>
              (await refs.list(prefix.split('/')[0] as string)).filter((path) => path.startsWith(prefix)),
          }),
      }),
  ],
  [
    'the expected checksum of a file is ignored',
    (storage) => changedTransactions(storage, { writeFile: (tx) => (file) => tx.writeFile(file) }),
  ],
  [
    'the detached metadata of a commit is deleted with it',
    (storage) =>
      changed(storage, {
        objects: ({ objects }) =>
          changed(objects, {
            delete: () => async (name) => {
              await objects.delete(name)
              if (name.type === 'commit') await objects.writeAttached('commitmeta', name.checksum, undefined)
            },
          }),
      }),
  ],
  [
    'a conflict of refs is not reported',
    (storage) =>
      changedTransactions(storage, {
        commit: (tx) => () =>
          tx.commit().catch((error) => {
            if (error instanceof ConflictError) return tx.stats
            throw error
          }),
      }),
  ],
]

describe('a planted bug of a storage', () => {
  const subject = (plant: (storage: Storage) => Storage) => ({
    platform,
    create: async () => plant(createMemoryStorage({ platform })),
  })

  test('no bug is found where there is none', async () => {
    await fc.assert(storageProperty(subject((storage) => changedTransactions(storage, {}))), { numRuns: 100 })
  })

  test.each(STORAGE_BUGS)('%s: it is found, and the counterexample has at most ten lines', async (_title, plant) => {
    await expectFound(storageProperty(subject(plant)), 500)
  })
})

/** Bugs that show only over several commands. */
const COMMAND_BUGS: readonly (readonly [title: string, plant: (storage: Storage) => Storage])[] = [
  [
    'refs of a transaction are set before its objects are committed',
    (storage) =>
      changed(storage, {
        begin: (from) => async (options) =>
          changed(await from.begin(options), {
            setRef: () => (path, target) => void storage.refs.write(path, target),
          }),
      }),
  ],
  [
    'a list of refs is remembered',
    (storage) => {
      const known = new Map<string, Promise<string[]>>()
      const list = async (prefix: string) => storage.refs.list(prefix) as Promise<string[]>
      return changed(storage, {
        refs: ({ refs }) =>
          changed(refs, { list: () => (prefix) => known.get(prefix) ?? remembered(known, prefix, list(prefix)) }),
      })
    },
  ],
]

function remembered<T>(known: Map<string, T>, key: string, value: T): T {
  known.set(key, value)
  return value
}

describe('a planted bug that commands find', () => {
  const subject = (plant: (storage: Storage) => Storage): StorageSubject => {
    const tables = new WeakMap<Storage, MapTable>()
    const open = (table: MapTable) => {
      const storage = plant(createTableStorage({ table, platform }))
      tables.set(storage, table)
      return storage
    }
    return {
      platform,
      create: async () => open(new MapTable()),
      reopen: async (storage) => open(tables.get(storage) as MapTable),
      afterCrash: async (storage) => open(new MapTable(tables.get(storage)?.values)),
    }
  }

  test.each(COMMAND_BUGS)('of a repository: %s', async (_title, plant) => {
    await expectFound(repoProperty(subject(plant)), 100)
  })

  test.each(COMMAND_BUGS)('of a cache of images: %s', async (_title, plant) => {
    await expectFound(imageCacheProperty(subject(plant)), 100)
  })
})

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest

/** Imports layers with the library, and returns the tree that they give. @param change plants a bug in the entries */
function importer(change: (entries: TarEntry[]) => TarEntry[]): (layers: readonly Directory[]) => Promise<Directory> {
  return async (layers) => {
    await using storage = createMemoryStorage({ platform })
    const repo = await Repo.open(storage, platform)
    return await repo.transaction(async (tx) => {
      const commits: Checksum[] = []
      for (const layer of layers) {
        const packed = (async function* () {
          yield await packLayer(change(layerEntries(layer)))
        })()
        const root = await importLayer(repo, tx, packed, { layer: DIGEST, retainVar: true })
        commits.push(await writeCommit(tx, { root, timestamp: 0n }))
      }
      return loadTree(tx, await writeTree(tx, await mergeTrees(tx, undefined, commits)))
    })
  }
}

const pathOf = ({ path }: TarEntry): string => path as string
const OPAQUE = /\/\.wh\.\.wh\.\.opq$/
const WHITEOUT = /\/\.wh\.(?!\.wh\.)[^/]*$/

const LAYER_BUGS: readonly (readonly [title: string, change: (entries: TarEntry[]) => TarEntry[]])[] = [
  ['an opaque whiteout is ignored', (entries) => entries.filter((entry) => !OPAQUE.test(pathOf(entry)))],
  ['a whiteout of one name is ignored', (entries) => entries.filter((entry) => !WHITEOUT.test(pathOf(entry)))],
  [
    'a whiteout deletes what comes after it in its own layer',
    (entries) => {
      const gone = entries.map(pathOf).filter((path) => WHITEOUT.test(path))
      const deleted = new Set(gone.map((path) => path.replace(/\.wh\.([^/]*)$/, '$1')))
      return entries.filter((entry) => entry.type === 'directory' || !deleted.has(pathOf(entry)))
    },
  ],
  [
    'set-id bits of files are lost',
    (entries) =>
      entries.map((entry) => (entry.type === 'file' ? { ...entry, mode: (entry.mode ?? 0) & 0o777 } : entry)),
  ],
  [
    'a hard link becomes an empty file',
    (entries) =>
      entries.map((entry) => (entry.type === 'hardlink' ? { type: 'file', path: entry.path, mode: 0o644 } : entry)),
  ],
  [
    'extended attributes of directories are lost',
    (entries) => entries.map((entry) => (entry.type === 'directory' ? { ...entry, xattrs: [] } : entry)),
  ],
]

describe('a planted bug of an importer of layers', () => {
  test('no bug is found where there is none', async () => {
    await fc.assert(layersProperty(importer((entries) => entries)), { numRuns: 50 })
  })

  test.each(LAYER_BUGS)('%s: it is found, and the counterexample has at most ten lines', async (_title, change) => {
    await expectFound(layersProperty(importer(change)), 500)
  })
})
