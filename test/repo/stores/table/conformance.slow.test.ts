/** Repositories in tables of values pass the suite of storages: in a map, and in the worked example. */
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as vitest from 'vitest'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import {
  createTableStorage,
  type RepoMode,
  SMALL_FILE,
  type Storage,
  type ValueTable,
} from '../../../../src/repo/index.ts'
import { storageSuite } from '../../../../src/testing/index.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const { describe, expect, test } = vitest

/** A table in memory, whose content is also what a process leaves behind that is killed. */
class MapTable implements ValueTable {
  readonly values = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.values.get(key)
  }

  keys(prefix: string): string[] {
    return [...this.values.keys()].filter((key) => key.startsWith(prefix))
  }

  write(changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    for (const [key, value] of changes) {
      if (value === undefined) this.values.delete(key)
      else this.values.set(key, value)
    }
  }
}

const tables = new WeakMap<Storage, ValueTable>()
function open(table: ValueTable, mode?: RepoMode): Storage {
  const storage = createTableStorage({ table, platform, mode })
  tables.set(storage, table)
  return storage
}

storageSuite(vitest, 'table', {
  platform,
  modes: ['archive', 'bare-user-only', 'bare-user', 'bare'],
  create: async (mode) => open(new MapTable(), mode),
  reopen: async (storage) => open(tables.get(storage) as ValueTable),
})

interface Example {
  KeyValueMap: new (path: string) => ValueTable & { close(): void }
  openKeyValueStorage(map: ValueTable, on: typeof platform, mode?: RepoMode): Storage
}
const source = fileURLToPath(new URL('../../../../examples/key-value-storage.mjs', import.meta.url))
const example = (await import(source)) as Example
let count = 0
const paths = new WeakMap<Storage, { path: string; map: ReturnType<typeof openMap> }>()
function openMap(path: string) {
  return new example.KeyValueMap(path)
}

storageSuite(vitest, 'worked example', {
  platform,
  runs: 5,
  create: async (mode) => {
    const path = join(temporaryFolder(), `map-${count++}`)
    const map = openMap(path)
    const storage = example.openKeyValueStorage(map, platform, mode)
    paths.set(storage, { path, map })
    return storage
  },
  reopen: async (storage) => {
    const { map } = paths.get(storage) as { map: ValueTable }
    return example.openKeyValueStorage(map, platform)
  },
})

describe('the worked example', () => {
  test('the worked example has at most 80 lines', () => {
    expect(readFileSync(source, 'utf8').split('\n').length).toBeLessThanOrEqual(80)
  })

  test('the worked example keeps what was committed, and drops a line that was cut off', async () => {
    const path = join(temporaryFolder(), 'map')
    const map = openMap(path)
    const first = example.openKeyValueStorage(map, platform)
    await first.refs.write('heads/\u00e4', { alias: 'heads/main' })
    map.close()
    appendFileSync(path, '[["ref/heads/cut",')
    for (let round = 0; round < 2; round++) {
      const again = openMap(path)
      const second = example.openKeyValueStorage(again, platform)
      expect(await second.refs.list('heads')).toEqual(['heads/\u00e4'])
      again.close()
    }
  })
})

describe('a table', () => {
  test('content that a killed process left behind is deleted by the next exclusive lock, and nothing else', async () => {
    const table = new MapTable()
    const storage = open(table)
    const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
    const content = new Uint8Array(SMALL_FILE + 1)
    const tx = await storage.begin()
    const kept = await tx.writeFile({ header, size: content.length, body: content })
    await tx.commit()
    const lost = await storage.begin()
    lost.openFile(header, content.length + 5).write(content)

    const left = new MapTable()
    left.write(table.values)
    expect(left.keys('open/')).toHaveLength(1)
    const next = open(left)
    await (await next.lock('exclusive'))[Symbol.asyncDispose]()
    expect(left.keys('open/')).toEqual([])
    expect(left.keys('body/')).toEqual(['body/0/0', 'body/0/1'])
    let read = 0
    for await (const chunk of (await next.objects.readFile(kept)).body as AsyncIterable<Uint8Array>)
      read += chunk.length
    expect(read).toBe(content.length)
    await next.objects.delete({ checksum: kept, type: 'file' })
    expect(left.keys('body/')).toEqual([])
  })
})
