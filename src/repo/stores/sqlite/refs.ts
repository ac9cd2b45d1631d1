/** The table `refs`. SQLite compares text as UTF-8 bytes, which is the order in which refs are listed. */

import type { MaybePromise } from '../../../bytes.ts'
import { parseChecksum } from '../../../objects/index.ts'
import type { RefPath, RefStore, RefTarget } from '../../core/interface.ts'
import { type RefUpdates, requireNoRefConflict } from '../../refs/ref-conflicts.ts'
import type { Statement } from './connection.ts'
import type { SqliteDatabase } from './database.ts'
import { textOf } from './values.ts'

interface RefRow {
  readonly target: unknown
  readonly alias: unknown
}

export class SqliteRefs implements RefStore {
  readonly #database: SqliteDatabase
  readonly #select: Statement<RefRow>
  readonly #below: Statement<{ path: unknown }>
  readonly #set: Statement
  readonly #delete: Statement

  constructor(database: SqliteDatabase) {
    this.#database = database
    this.#select = database.prepare('SELECT target, alias FROM refs WHERE path = ?')
    // `0` follows `/` in ASCII: every path that begins with `PATH/` lies between `PATH/` and `PATH0`.
    this.#below = database.prepare('SELECT path FROM refs WHERE path > ? AND path < ? ORDER BY path')
    this.#set = database.prepare('INSERT OR REPLACE INTO refs VALUES (?, ?, ?)')
    this.#delete = database.prepare('DELETE FROM refs WHERE path = ?')
  }

  read(path: RefPath): MaybePromise<RefTarget | undefined> {
    return this.#database.read(() => {
      const row = this.#select.get(path)
      if (row === undefined) return undefined
      const target = textOf(row.target, path)
      return row.alias ? { alias: target } : { commit: parseChecksum(target) }
    })
  }

  list(prefix: RefPath): MaybePromise<RefPath[]> {
    return this.#database.read(() => (this.has(prefix) ? [prefix] : this.below(prefix)))
  }

  write(path: RefPath, target: RefTarget | undefined): MaybePromise<void> {
    return this.#database.write(() => this.update(new Map([[path, target]])))
  }

  has(path: RefPath): boolean {
    return this.#select.get(path) !== undefined
  }

  below(path: RefPath): RefPath[] {
    return this.#below.all(`${path}/`, `${path}0`).map((row) => textOf(row.path, 'ref'))
  }

  /** Makes all updates or none, in the transaction that is open. @throws {ConflictError} */
  update(updates: RefUpdates): void {
    requireNoRefConflict(this, updates)
    for (const [path, target] of updates) {
      if (target === undefined) this.#delete.run(path)
      else if ('alias' in target) this.#set.run(path, target.alias, 1)
      else this.#set.run(path, target.commit, 0)
    }
  }
}
