/** Refs in a table. */

import { compareUtf8, decodeUtf8, encodeUtf8 } from '../../../bytes.ts'
import { FormatError } from '../../../errors.ts'
import { parseChecksum } from '../../../objects/index.ts'
import type { RefPath, RefStore, RefTarget } from '../../core/interface.ts'
import { type RefUpdates, requireNoRefConflict } from '../../refs/ref-conflicts.ts'
import type { ValueTable } from './value-table.ts'

const ALIAS = 'alias '

export class TableRefs implements RefStore {
  readonly #table: ValueTable

  constructor(table: ValueTable) {
    this.#table = table
  }

  has(path: RefPath): boolean {
    return this.#table.get(`ref/${path}`) !== undefined
  }

  below(path: RefPath): RefPath[] {
    return Array.from(this.#table.keys(`ref/${path}/`), (key) => key.slice(4)).sort(compareUtf8)
  }

  read(path: RefPath): RefTarget | undefined {
    const bytes = this.#table.get(`ref/${path}`)
    if (bytes === undefined) return undefined
    const text = decodeUtf8(bytes)
    if (text === undefined) throw new FormatError('ref', `The ref ${path} is not text`)
    return text.startsWith(ALIAS) ? { alias: text.slice(ALIAS.length) } : { commit: parseChecksum(text) }
  }

  list(prefix: RefPath): RefPath[] {
    return this.has(prefix) ? [prefix] : this.below(prefix)
  }

  write(path: RefPath, target: RefTarget | undefined): void {
    this.#table.write(new Map(this.changes(new Map([[path, target]]))))
  }

  /** Returns what has to be written for all updates. @throws {ConflictError} */
  changes(updates: RefUpdates): [key: string, value: Uint8Array | undefined][] {
    requireNoRefConflict(this, updates)
    return Array.from(updates, ([path, target]) => {
      if (target === undefined) return [`ref/${path}`, undefined]
      return [`ref/${path}`, encodeUtf8('alias' in target ? ALIAS + target.alias : target.commit)]
    })
  }
}
