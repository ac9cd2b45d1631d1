/** Refs in IndexedDB. */

import { compareUtf8 } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'
import { parseChecksum } from '../../../objects/index.ts'
import type { RefPath, RefStore, RefTarget } from '../../core/interface.ts'
import { type RefUpdates, requireNoRefConflict } from '../../refs/ref-conflicts.ts'
import { answer, type Connection, keysBelow } from './connection.ts'
import { putValue } from './objects.ts'

const ALIAS = 'alias '
const KEY = 'ref/'

export class IndexedDbRefs implements RefStore {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async read(path: RefPath): Promise<RefTarget | undefined> {
    const text = await this.#connection.get('values', KEY + path)
    if (text === undefined) return undefined
    if (typeof text !== 'string') throw new FormatError('ref', `The ref ${path} is not text`)
    return text.startsWith(ALIAS) ? { alias: text.slice(ALIAS.length) } : { commit: parseChecksum(text) }
  }

  list(prefix: RefPath): Promise<RefPath[]> {
    return this.#connection.read(['values'], async (tx) => {
      const values = tx.objectStore('values')
      const [one, below] = await Promise.all([
        answer(values.getKey(KEY + prefix)),
        answer(values.getAllKeys(keysBelow(`${KEY + prefix}/`))),
      ])
      const keys = one === undefined ? (below as string[]) : [one as string]
      return keys.map((key) => key.slice(KEY.length)).sort(compareUtf8)
    })
  }

  write(path: RefPath, target: RefTarget | undefined): Promise<void> {
    return this.#connection.write(['values'], (tx) => updateRefs(tx, new Map([[path, target]])))
  }
}

/** Makes all updates, or none. @throws {ConflictError} */
export async function updateRefs(tx: IDBTransaction, updates: RefUpdates): Promise<void> {
  if (updates.size === 0) return
  const keys = (await answer(tx.objectStore('values').getAllKeys(keysBelow(KEY)))) as string[]
  const paths = new Set(keys.map((key) => key.slice(KEY.length)))
  const view = {
    has: (path: RefPath) => paths.has(path),
    below: (path: RefPath) => [...paths].filter((other) => other.startsWith(`${path}/`)).sort(compareUtf8),
  }
  requireNoRefConflict(view, updates)
  for (const [path, target] of updates) {
    putValue(tx, KEY + path, target && ('alias' in target ? ALIAS + target.alias : target.commit))
  }
}
