/** The store kinds of the library as subjects of the kit's models. */
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodePlatform as platform } from '../../src/platform/node.ts'
import {
  createMemoryStorage,
  createTableStorage,
  type RepoMode,
  type Storage,
  type ValueTable,
} from '../../src/repo/index.ts'
import { initFsStorage, openFsStorage } from '../../src/repo/stores/fs/index.ts'
import { createSqliteStorage, openSqliteStorage } from '../../src/repo/stores/sqlite/open.ts'
import type { StorageSubject } from '../../src/testing/index.ts'
import { isRoot } from '../support/machine.ts'
import { run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { MapTable } from './map-table.ts'

const root = temporaryFolder()
let count = 0
const fresh = (suffix = '') => join(root, `${count++}${suffix}`)

const tables = new WeakMap<Storage, MapTable>()
function openTable(table: MapTable, mode?: RepoMode): Storage {
  const storage = createTableStorage({ table, platform, mode })
  tables.set(storage, table)
  return storage
}
const tableOf = (storage: Storage) => tables.get(storage) as MapTable

interface Example {
  KeyValueMap: new (path: string) => ValueTable & { close(): void }
  openKeyValueStorage(map: ValueTable, on: typeof platform, mode?: RepoMode): Storage
}
const example = (await import(
  fileURLToPath(new URL('../../examples/key-value-storage.mjs', import.meta.url))
)) as Example
const examplePaths = new WeakMap<Storage, string>()
function openExample(path: string, mode?: RepoMode): Storage {
  const storage = example.openKeyValueStorage(new example.KeyValueMap(path), platform, mode)
  examplePaths.set(storage, path)
  return storage
}
function copied(path: string, suffix = ''): string {
  const to = fresh(suffix)
  for (const name of readdirSync(dirname(path))) {
    const rest = name.startsWith(basename(path)) ? name.slice(basename(path).length) : undefined
    if (rest === '' || rest?.startsWith('-')) run('cp', ['-a', join(dirname(path), name), to + rest])
  }
  return to
}

export const MODEL_SUBJECTS: readonly (StorageSubject & { readonly name: string })[] = [
  {
    name: 'memory',
    platform,
    modes: ['archive', 'bare'],
    create: async (mode) => createMemoryStorage({ mode, platform }),
  },
  {
    name: 'table',
    platform,
    modes: ['archive', 'bare-user'],
    create: async (mode) => openTable(new MapTable(), mode),
    reopen: async (storage) => openTable(tableOf(storage)),
    afterCrash: async (storage) => openTable(new MapTable(tableOf(storage).values)),
  },
  {
    name: 'directory',
    platform,
    modes: ['archive', 'bare-user-only', 'bare-user', 'bare'],
    owner: isRoot ? undefined : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    create: (mode) => initFsStorage(fresh(), { mode, platform }),
    reopen: (storage) => openFsStorage(storage.location, { platform }),
    afterCrash: (storage) => openFsStorage(copied(storage.location), { platform }),
  },
  {
    name: 'sqlite',
    platform,
    modes: ['archive', 'bare'],
    create: (mode) => createSqliteStorage(fresh('.sqlite'), { mode, platform }),
    reopen: (storage) => openSqliteStorage(storage.location, { platform }),
    afterCrash: (storage) => openSqliteStorage(copied(storage.location, '.sqlite'), { platform }),
  },
  {
    name: 'worked example',
    platform,
    create: async (mode) => openExample(fresh(), mode),
    reopen: async (storage) => openExample(examplePaths.get(storage) as string),
    afterCrash: async (storage) => openExample(copied(examplePaths.get(storage) as string)),
  },
]
