/**
 * The table `files`: summary, static deltas and whatever else a repository has beside objects and refs. A file of schema 1
 * lacks it, and gets it with the first such file that is written; until then it stays readable for older versions.
 */

import type { MaybePromise } from '../../../bytes.ts'
import { type RepoFiles, requireFilePath } from '../../core/repo-files.ts'
import { NamedDeltas, namesBelow, type PathTable, requireFilePlace } from '../named-files.ts'
import type { Statement } from './connection.ts'
import type { SqliteDatabase } from './database.ts'
import { CREATE_FILES } from './schema.ts'
import { blobOf, textOf } from './values.ts'

interface Statements {
  readonly has: Statement<{ found: unknown }>
  readonly select: Statement<{ bytes: unknown }>
  readonly all: Statement<{ path: unknown }>
  readonly below: Statement<{ path: unknown }>
  readonly set: Statement
  readonly delete: Statement
}

export class SqliteFiles implements RepoFiles, PathTable {
  readonly location: string
  readonly deltas: NamedDeltas
  readonly #database: SqliteDatabase
  readonly #exists: Statement<{ found: unknown }>
  #prepared: Statements | undefined

  constructor(database: SqliteDatabase) {
    this.location = database.path
    this.#database = database
    this.#exists = database.prepare("SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'files'")
    this.deltas = new NamedDeltas(this, (path) => database.read(() => this.has(path)))
  }

  read(path: string): MaybePromise<Uint8Array | undefined> {
    requireFilePath(path)
    return this.#database.read(() => {
      const row = this.#statements()?.select.get(path)
      return row && blobOf(row.bytes, path)
    })
  }

  list(path: string): MaybePromise<string[]> {
    if (path !== '') requireFilePath(path)
    return this.#database.read(() => namesBelow(path === '' ? this.#all() : this.below(path), path))
  }

  write(path: string, bytes: Uint8Array): MaybePromise<void> {
    requireFilePath(path)
    // Copied, since the write may have to wait for a lock, or be done again.
    const kept = new Uint8Array(bytes)
    return this.#database.write(() => {
      if (this.#exists.get() === undefined) this.#database.exec(CREATE_FILES)
      requireFilePlace(this, path)
      this.#statements()?.set.run(path, kept)
    })
  }

  delete(path: string): MaybePromise<boolean> {
    requireFilePath(path)
    let found = false
    const deleted = this.#database.write(() => {
      found = (this.#statements()?.delete.run(path) ?? 0) > 0
    })
    return deleted instanceof Promise ? deleted.then(() => found) : found
  }

  has(path: string): boolean {
    return this.#statements()?.has.get(path) !== undefined
  }

  below(path: string): string[] {
    // `0` follows `/` in ASCII: every path that begins with `PATH/` lies between `PATH/` and `PATH0`.
    const rows = this.#statements()?.below.all(`${path}/`, `${path}0`) ?? []
    return rows.map((row) => textOf(row.path, 'file'))
  }

  #all(): string[] {
    return (this.#statements()?.all.all() ?? []).map((row) => textOf(row.path, 'file'))
  }

  /**
   * Prepares the statements once the table exists. `undefined` before: then there are no files. The question is asked each
   * time, since another process may create the table, and a rollback may undo its creation.
   */
  #statements(): Statements | undefined {
    if (this.#exists.get() === undefined) return undefined
    const database = this.#database
    this.#prepared ??= {
      has: database.prepare('SELECT 1 AS found FROM files WHERE path = ?'),
      select: database.prepare('SELECT bytes FROM files WHERE path = ?'),
      all: database.prepare('SELECT path FROM files ORDER BY path'),
      below: database.prepare('SELECT path FROM files WHERE path > ? AND path < ? ORDER BY path'),
      set: database.prepare("INSERT OR REPLACE INTO files VALUES (?, ifnull(?, x''))"),
      delete: database.prepare('DELETE FROM files WHERE path = ?'),
    }
    return this.#prepared
  }
}
